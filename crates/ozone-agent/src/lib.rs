//! The reasoning loop.
