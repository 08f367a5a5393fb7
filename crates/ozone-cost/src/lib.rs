//! Usage to money: price book and exact amounts.
