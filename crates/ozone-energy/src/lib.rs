//! "Summer energy": a question that no model can answer from memory, and all that is needed to
//! watch one answer it.
//!
//! *How will this summer's electricity use in Calderon compare with last year's?* Calderon does not
//! exist. [`World`] makes it up from a seed, [`Site`] is what five hosts publish about it, with the
//! traps of real statistics (errata, other units, a second page, a figure that exists only as a
//! chart, a claim of the press, an instruction in a page), and [`Forecast`] is what the data really say.
//! [`Web`] serves the hosts on loopback and remembers who asked for what. [`Upstream`] is a model's
//! server with a script in place of a model: the script sees nothing but what the tools returned, so
//! a broken tool breaks the answer. [`judge`] checks a finished response.
//!
//! It belongs to tests and to `make demo-energy` alone; the shipped binary does not know it.

mod answer;
mod chart;
mod judge;
mod listen;
mod numbers;
mod oracle;
mod pages;
mod pdf;
mod script;
mod search;
mod seen;
mod site;
mod stage;
mod upstream;
mod web;
mod world;

pub use judge::{Evidence, Finding, judge};
pub use oracle::{Forecast, Wrong};
pub use script::{Manner, QUESTION};
pub use site::{HOSTS, Page, Site};
pub use stage::{MODEL, Stage};
pub use upstream::{Fault, Upstream};
pub use web::{Asked, Web};
pub use world::World;
