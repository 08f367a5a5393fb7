//! The `image_generation_call` as items and events.
//!
//! Its beginnings may come while the model is still writing the call: then the picture is being made
//! from the first of them on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_tools::Shown;
use ozone_types::item::Known;
use ozone_types::{DrawnImage, EventKind, GeneratedImage, ItemStatus};

use super::{Call, Open, Writer, Written};
use crate::record::Record;

impl Writer {
    /// The drawing of the open call as far as it is written, and how many beginnings of it were
    /// shown.
    pub fn being_drawn(&self) -> Option<(&str, u64)> {
        match &self.open {
            Open::Call(call) if call.shown == Shown::ImageGeneration => {
                let written = call.code.as_ref().map_or("", |svg| svg.text.as_str());
                Some((written, call.sketches))
            }
            _ => None,
        }
    }

    /// Shows the beginning of the picture that the open call makes.
    pub fn sketched(&mut self, bytes: &[u8], out: &mut Written) {
        let output_index = self.output_index;
        let Open::Call(call) = &mut self.open else { return };
        let item_id = || call.id.clone();
        if !call.running {
            let item_id = item_id();
            out.events.push(EventKind::ImageGenerationCallGenerating { item_id, output_index });
        }
        out.events.push(EventKind::ImageGenerationCallPartialImage {
            item_id: item_id(),
            output_index,
            partial_image_index: call.sketches,
            partial_image_b64: STANDARD.encode(bytes),
        });
        call.running = true;
        call.sketches += 1;
    }

    /// The open call has made this.
    pub fn drew(&mut self, picture: Option<Box<GeneratedImage>>) {
        self.picture = picture;
    }
}

impl Call {
    pub(super) fn image(&self, status: ItemStatus) -> Known {
        let picture = self.picture.as_deref();
        Known::ImageGenerationCall {
            id: self.id.clone(),
            status,
            result: picture.map(|picture| STANDARD.encode(&picture.bytes)),
            facts: Box::new(picture.map(|picture| picture.facts.clone()).unwrap_or_default()),
            drawn: None,
        }
    }

    /// What the model said and read of it, for the next turn.
    pub(super) fn drawn(&self, told: &str) -> Record {
        let drawn = DrawnImage { arguments: self.text.clone(), told: told.to_owned() };
        Record::Drawn { item_id: self.id.clone(), drawn: Box::new(drawn) }
    }
}
