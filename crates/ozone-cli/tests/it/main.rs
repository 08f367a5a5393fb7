//! The binary as a person meets it.

mod faults;
mod kill;
mod questions;
mod support;
mod traces;
