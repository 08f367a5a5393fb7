//! The binary as a person meets it.

mod cost;
mod costs;
mod drawing;
mod energy;
mod eval;
mod eyes;
mod faults;
mod images;
mod kill;
mod memory;
mod offered;
mod parity;
mod questions;
mod serve;
mod sight;
mod support;
mod traces;
mod train;
mod web;
