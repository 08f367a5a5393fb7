//! A conversation's pictures before the engine's eyes.
//!
//! They are decoded here, by the same decoder and within the same limits as for the image tools, and
//! not by the model's library. Where a turn shows several, they follow its words, as upstreams get
//! them.

use std::collections::BTreeMap;
use std::iter::Peekable;

use ozone_image::{Limits, decode};
use ozone_prompt::{Message, SpecialToken, Tokenizer};

use super::LocalBackend;
use super::tokenizer::LocalTokenizer;
use crate::engine::{Engine, Picture};
use crate::{Image, ModelError, SampleRequest, Turn};

impl LocalBackend {
    /// The pictures of all turns, in their order. Decoding and scaling are for a thread that may
    /// block.
    pub(super) async fn look(&self, request: &SampleRequest) -> Result<Vec<Picture>, ModelError> {
        if request.turns.iter().any(|turn| matches!(turn, Turn::Returned { .. })) {
            let why =
                "the pictures of tools reach this model in a user's turn, not in their results";
            return Err(ModelError::InvalidRequest(why.to_owned()));
        }
        let images = request.turns.iter().flat_map(|turn| match turn {
            Turn::Shown { images, .. } => &images[..],
            Turn::Given(_) | Turn::Returned { .. } | Turn::Sampled { .. } => &[],
        });
        let images: Vec<Image> = images.cloned().collect();
        if images.is_empty() {
            return Ok(Vec::new());
        }
        if !self.engine.sees() {
            let why = "this model reads no pictures: choose one that does, give this one's `mmproj` \
                       file, or leave them out";
            return Err(ModelError::InvalidRequest(why.to_owned()));
        }
        let (engine, window) = (self.engine.clone(), self.info.context_window);
        let looking = tokio::task::spawn_blocking(move || {
            images.iter().map(|image| take_in(&engine, image, window)).collect()
        });
        looking.await.unwrap_or_else(|error| Err(ModelError::Internal(error.to_string())))
    }
}

fn take_in(engine: &Engine, image: &Image, window: u64) -> Result<Picture, ModelError> {
    let decoded = decode(&image.bytes, &Limits::default())
        .map_err(|error| ModelError::InvalidRequest(error.to_string()))?;
    let (width, height) = (decoded.width(), decoded.height());
    let picture = engine.picture(width, height, decoded.pixels().as_raw())?;
    let tokens = picture.tokens() as u64;
    if tokens >= window {
        return Err(ModelError::InvalidRequest(format!(
            "a picture of {width}x{height} pixels takes {tokens} tokens of this model, and its \
             context holds {window}; send it smaller, or give the model a longer `context_window`"
        )));
    }
    Ok(picture)
}

/// The messages of turns up to the next one whose ids are known, and where they have pictures.
pub(super) struct Given {
    pub messages: Vec<Message>,
    pub pictures: BTreeMap<usize, Vec<usize>>,
}

impl Given {
    pub fn next<'a>(turns: &mut Peekable<impl Iterator<Item = &'a Turn>>) -> Given {
        let (mut messages, mut pictures) = (Vec::new(), BTreeMap::new());
        let is_given = |turn: &&Turn| match turn {
            Turn::Given(_) | Turn::Shown { .. } | Turn::Returned { .. } => true,
            Turn::Sampled { ids, .. } => ids.is_empty(),
        };
        while let Some(turn) = turns.next_if(is_given) {
            messages.push(match turn {
                Turn::Given(message) | Turn::Sampled { message, .. } => message.clone(),
                // Refused before: pictures are delivered to the user's turn.
                Turn::Returned { result, .. } => result.clone(),
                Turn::Shown { text, images } => {
                    pictures.insert(messages.len(), vec![text.len(); images.len()]);
                    Message::User { text: text.clone() }
                }
            });
        }
        Given { messages, pictures }
    }
}

/// A vocabulary with the pictures of one conversation.
pub(super) struct Seeing<'a> {
    pub words: &'a LocalTokenizer,
    pub pictures: &'a [Picture],
}

impl Tokenizer for Seeing<'_> {
    fn encode(&self, text: &str, parse_special: bool) -> Vec<u32> {
        self.words.encode(text, parse_special)
    }

    fn decode_bytes(&self, id: u32) -> Vec<u8> {
        self.words.decode_bytes(id)
    }

    fn is_special(&self, id: u32) -> bool {
        self.words.is_special(id)
    }

    fn is_eog(&self, id: u32) -> bool {
        self.words.is_eog(id)
    }

    fn special_tokens(&self) -> &[SpecialToken] {
        self.words.special_tokens()
    }

    fn bos(&self) -> Option<u32> {
        self.words.bos()
    }

    fn picture(&self, number: usize) -> Vec<u32> {
        self.pictures.get(number).map_or_else(Vec::new, Picture::ids)
    }
}
