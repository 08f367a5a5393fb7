//! What a model sees, by trial and not by what its server claims.
//!
//! Many servers answer 200 to a picture and show the model its base64, or nothing. So a model is
//! shown a card with a code on it in each way that a picture can travel ([`probe`]), and the way is
//! good by which it reads the code. Families of models write places in pictures by different
//! conventions, so it is asked once for boxes at known places ([`calibrate`]). Both outcomes are
//! [`Facts`] in the store, each written whole when it is known.
//!
//! What this does not cover: how well a model sees, and a server that changes its mind later.

mod board;
mod boxes;
mod card;
mod facts;
mod fit;
mod places;
mod ways;

pub use board::Board;
pub use card::Card;
pub use facts::{Facts, Subject};
pub use fit::{Unclear, fit};
pub use places::{NotCalibrated, Placed, calibrate};
pub use ways::{Inconclusive, Outcome, Probed, Way, probe};
