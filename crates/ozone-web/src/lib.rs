//! The web as a model reads it: pages as numbered lines, what was opened of them, and an index over
//! saved pages.
//!
//! A page may be hostile. It becomes lines within limits of bytes, nesting and time
//! ([`Page::read`]), without scripts, hidden parts and invisible characters, and never with the
//! brackets that citations are made of. A [`Browser`] remembers which lines of which page a model
//! was shown, and only those can be cited. [`Index`] finds pages among folders of them, on disk,
//! and keeps up with their files.
//!
//! Nothing here opens a socket; whoever fetches hands over bytes. What a PDF says and what a
//! picture shows is not read here; that there is one can be a page ([`Page::described`]).

mod browser;
mod dom;
mod fuse;
mod html;
mod index;
mod page;
mod tables;
mod text;

pub use browser::{Browser, Lines, Mistake, Shown, mark_id};
pub use fuse::fused;
pub use index::{Found, Index, IndexError, Refreshed, Site, Terms};
pub use page::{Link, Page, Unreadable, plain_text};
