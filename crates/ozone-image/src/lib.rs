//! Pixels to pixels, and pixels to measurements.
//!
//! Everything here is a function of its arguments: no files, no sockets, no clock, no model. A
//! [`Picture`] is decoded once, upright; a [`View`] of it is a map back to its pixels, so whatever
//! was cropped, turned and zoomed before, what is rendered next is sampled from the original and
//! not from a smaller copy. What is found in a view can be said in coordinates of the original.
//!
//! Pictures are untrusted. Their size is known and checked before memory is taken for their pixels
//! ([`Limits`]), a drawing's parts are counted before it is drawn, and what breaks a renderer is an
//! error. What this does not cover: a drawing within the limits may still take seconds.

pub mod canvas;
pub mod code;
pub mod compare;
pub mod coords;
mod decode;
mod draw;
mod drawing;
pub mod edges;
pub mod encode;
pub mod estimate;
mod filter;
mod map;
pub mod measure;
mod outline;
mod parts;
mod resample;
mod shapes;
pub mod tile;
mod tone;
mod view;
mod weight;

pub use coords::{Coords, Frame};
pub use decode::{DecodeError, Format, Limits, Picture, decode, decode_with_alpha, dimensions};
pub use draw::Mark;
pub use drawing::drawn;
pub use image::{GrayImage, Rgb, RgbImage, Rgba, RgbaImage};
pub use map::{Map, Rect};
pub use shapes::{Shape, Shapes, Wanted};
pub use tone::{Binarize, Channel, Morphology, Tone};
pub use view::{Flip, Recipe, View, ViewError};
