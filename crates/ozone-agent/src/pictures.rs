//! Pictures that tools gave, before the eyes of a model that has some.
//!
//! Few servers take pictures in a tool's result, and some turn them into text of a hundred times
//! the tokens. They are shown in a user's turn behind the results instead, as every server that
//! takes pictures takes them. Only the last ones stay: an older one is a line that says so, and the
//! model can look at it again. They are not replayed: a resumed run has the results' texts.

use ozone_model::{Image, Turn};
use ozone_prompt::Message;
use ozone_tools::picture_type;

/// The most pictures of tools that a model has before it.
const SHOWN_MAX: usize = 6;
const LABEL: &str = "[The pictures of the calls above, in their order]";
const GONE: &str =
    "[Pictures of earlier calls are not shown any more: look at them again if needed]";

pub(crate) fn show(turns: &mut Vec<Turn>, pictures: Vec<Vec<u8>>) {
    let left_out = pictures.len().saturating_sub(SHOWN_MAX);
    let image =
        |bytes: Vec<u8>| Image { media_type: picture_type(&bytes).to_owned(), bytes: bytes.into() };
    let images: Vec<Image> = pictures.into_iter().skip(left_out).map(image).collect();
    if images.is_empty() {
        return;
    }
    let mut room = SHOWN_MAX - images.len();
    for turn in turns.iter_mut().rev() {
        let Turn::Shown { text, images } = turn else { continue };
        if !text.starts_with(LABEL) {
            continue;
        }
        match room.checked_sub(images.len()) {
            Some(left) => room = left,
            None => {
                room = 0;
                *turn = Turn::Given(Message::User { text: GONE.to_owned() });
            }
        }
    }
    let text = match left_out {
        0 => LABEL.to_owned(),
        _ => format!("{LABEL} [the first {left_out} are left out: look at them one by one]"),
    };
    turns.push(Turn::Shown { text, images });
}
