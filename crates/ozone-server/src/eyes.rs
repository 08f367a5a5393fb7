//! What a model sees, where nobody knew it when the server started.
//!
//! The first request with a picture looks, and those that come meanwhile wait for what it finds;
//! whatever that is, nobody looks again until the server starts anew.

use std::fmt;

use futures::future::BoxFuture;
use ozone_tools::image::Coords;
use tokio::sync::OnceCell;

/// Tells the backend what it sees, in a limited time. Gives how the model writes places, if that was
/// found out, too.
pub type Look = Box<dyn Fn() -> BoxFuture<'static, Option<Coords>> + Send + Sync>;

pub struct Eyes {
    look: Look,
    looked: OnceCell<Option<Coords>>,
}

impl Eyes {
    pub fn new(look: Look) -> Eyes {
        Eyes { look, looked: OnceCell::new() }
    }

    pub(crate) async fn open(&self) {
        self.looked.get_or_init(|| (self.look)()).await;
    }

    pub(crate) fn are_open(&self) -> bool {
        self.looked.initialized()
    }

    pub(crate) fn coords(&self) -> Option<Coords> {
        self.looked.get().copied().flatten()
    }
}

impl fmt::Debug for Eyes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eyes").field("looked", &self.looked).finish_non_exhaustive()
    }
}
