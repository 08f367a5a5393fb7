//! Pictures that tools gave, before the eyes of a model that has some.
//!
//! Servers differ in what they take ([`Delivery`]): a picture in the tool's result, or one in a user's
//! turn behind the results, with a label. Only the last ones stay: an older one is a line that says
//! so, and the model can look at it again. They are not replayed: a resumed run has the results'
//! texts. What a tool wrote never brings pixels as text ([`without_pixels`]).

use std::borrow::Cow;

use ozone_model::{Delivery, Image, Turn};
use ozone_prompt::Message;
use ozone_tools::picture_type;

/// The most pictures of tools that a model has before it.
const SHOWN_MAX: usize = 6;
const LABEL: &str = "[The pictures of the calls above, in their order]";
const GONE: &str =
    "[Pictures of earlier calls are not shown any more: look at them again if needed]";

/// Shows what the calls of a sample gave, as pairs of a call's id and a picture.
pub(crate) fn show(turns: &mut Vec<Turn>, mut given: Vec<(String, Vec<u8>)>, delivery: Delivery) {
    let left_out = given.len().saturating_sub(SHOWN_MAX);
    given.drain(..left_out);
    if given.is_empty() || delivery == Delivery::Text {
        return;
    }
    make_room(turns, SHOWN_MAX - given.len());
    let first_left_out = |to: &mut String| {
        if left_out > 0 {
            to.push_str(&format!(" [the first {left_out} are left out: look at them one by one]"));
        }
    };
    if delivery == Delivery::User {
        let mut text = LABEL.to_owned();
        first_left_out(&mut text);
        let images = given.into_iter().map(|(_, bytes)| image(bytes)).collect();
        return turns.push(Turn::Shown { text, images });
    }
    if let Some(Turn::Given(Message::ToolResult { output, .. })) =
        given.first().and_then(|(id, _)| result_of(turns, id))
    {
        first_left_out(output);
    }
    for (id, bytes) in given {
        match result_of(turns, &id) {
            Some(Turn::Returned { images, .. }) => images.push(image(bytes)),
            Some(turn) => {
                if let Turn::Given(result) = turn {
                    let (result, images) = (result.clone(), vec![image(bytes)]);
                    *turn = Turn::Returned { result, images };
                }
            }
            None => {}
        }
    }
}

fn image(bytes: Vec<u8>) -> Image {
    Image { media_type: picture_type(&bytes).to_owned(), bytes: bytes.into() }
}

/// The newest result of a call.
fn result_of<'a>(turns: &'a mut [Turn], id: &str) -> Option<&'a mut Turn> {
    turns.iter_mut().rev().find(|turn| match turn {
        Turn::Given(Message::ToolResult { call_id, .. })
        | Turn::Returned { result: Message::ToolResult { call_id, .. }, .. } => call_id == id,
        _ => false,
    })
}

/// Takes the oldest pictures of tools away, until so many are left at most.
fn make_room(turns: &mut [Turn], mut room: usize) {
    for turn in turns.iter_mut().rev() {
        let count = match turn {
            Turn::Shown { text, images } if text.starts_with(LABEL) => images.len(),
            Turn::Returned { images, .. } => images.len(),
            _ => continue,
        };
        if let Some(left) = room.checked_sub(count) {
            room = left;
            continue;
        }
        room = 0;
        *turn = Turn::Given(match turn {
            Turn::Returned { result, .. } => gone_from(result.clone()),
            _ => Message::User { text: GONE.to_owned() },
        });
    }
}

fn gone_from(mut result: Message) -> Message {
    if let Message::ToolResult { output, .. } = &mut result {
        output.push_str(&format!("\n{GONE}"));
    }
    result
}

/// How pictures begin in base64: PNG, JPEG, GIF, WebP, TIFF.
const MAGIC: [&str; 6] = ["iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "SUkqA", "TU0AK"];
/// The shortest run of base64 that is taken for a picture.
const PIXELS_CHARS_MIN: usize = 512;

/// A tool's text without pictures in base64: they would be fifty times the tokens that a picture
/// has, and no model can read them.
pub(crate) fn without_pixels(text: &str) -> Cow<'_, str> {
    if text.len() < PIXELS_CHARS_MIN {
        return Cow::Borrowed(text);
    }
    let mut out: Option<String> = None;
    let mut copied = 0;
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !is_base64(bytes[at]) {
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|b| is_base64(**b)).count();
        // All of base64 is ASCII, so these are the borders of characters.
        let (run, end) = (&text[at..at + length], at + length);
        let is_named = text[..at].ends_with(";base64,") && {
            let from = text.floor_char_boundary(at.saturating_sub(64));
            text[from..at].contains("data:image/")
        };
        if length >= PIXELS_CHARS_MIN && (is_named || MAGIC.iter().any(|m| run.starts_with(m))) {
            let out = out.get_or_insert_default();
            out.push_str(&text[copied..at]);
            out.push_str(&format!("[a picture of {} bytes, not shown as text]", length / 4 * 3));
            copied = end;
        }
        at = end;
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[copied..]);
            Cow::Owned(out)
        }
    }
}
