//! What each family draws. A scene's question names all that is needed to find its answer.

mod chart;
mod count;
mod degraded;
mod dial;
mod geometry;
mod jigsaw;
mod maze;
mod oriented;
mod receipt;
mod tiny;

use ozone_tasks::Rng;

use crate::{Family, Scene, Wish};

pub(crate) fn scene(family: Family, wish: Wish, rng: &mut Rng) -> Scene {
    match family {
        Family::Oriented => oriented::scene(wish, rng),
        Family::Tiny => tiny::scene(wish, rng),
        Family::Degraded => degraded::scene(wish, rng),
        Family::Count => count::scene(wish, rng),
        Family::Receipt => receipt::scene(wish, rng),
        Family::Chart => chart::scene(wish, rng),
        Family::Dial => dial::scene(wish, rng),
        Family::Maze => maze::scene(wish, rng),
        Family::Geometry => geometry::scene(wish, rng),
        Family::Jigsaw => jigsaw::scene(wish, rng),
    }
}
