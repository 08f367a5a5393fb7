//! The one question by which a model's convention for places is found.

use std::sync::Arc;

use ozone_agent::{Aside, Unanswered};
use ozone_image::Coords;
use ozone_model::{Delivery, Image, Sees, Turn};
use ozone_prompt::{Message, ToolCall, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::board::Board;
use crate::fit::{Unclear, fit};
use crate::ways::{ANSWER_MAX, request, text_of};

/// A convention that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// In seconds since 1970.
    pub at: i64,
    pub coords: Coords,
    /// How far off its boxes were, in parts of the picture's sides.
    pub residual: f64,
    /// The same in the next best convention.
    pub next: f64,
    pub boxes: usize,
}

/// The convention stays what it was.
#[derive(Debug, thiserror::Error)]
pub enum NotCalibrated {
    #[error("it sees no pictures")]
    Blind,
    #[error("it was not answered: {0}")]
    Unanswered(#[source] Unanswered),
    #[error(transparent)]
    Unclear(Unclear),
}

/// Asks for the boxes of a board, shown as pictures reach this model. `pixels_max` is how much of a
/// picture the image tools show.
pub async fn calibrate(
    aside: &mut Aside,
    sees: Sees,
    pixels_max: u64,
    seed: u64,
) -> Result<Placed, NotCalibrated> {
    if !sees.users && sees.results == Delivery::Text {
        return Err(NotCalibrated::Blind);
    }
    let board = Board::of_seed(seed, pixels_max);
    let request = question(&board, sees);
    let sample = aside.ask(request, ANSWER_MAX).await.map_err(NotCalibrated::Unanswered)?;
    let found = fit(&board, text_of(&sample)).map_err(NotCalibrated::Unclear)?;
    let (coords, residual, next) = (found.coords, found.residual, found.next);
    Ok(Placed { at: aside.now(), coords, residual, next, boxes: found.boxes })
}

/// It says nothing of a convention: the model is to use its own.
fn question(board: &Board, sees: Sees) -> ozone_model::SampleRequest {
    let colours = Board::COLOURS.join(", ");
    let asked = format!(
        "There are four filled boxes on this board, one of each colour: {colours}. Where are they? \
         Answer with a JSON list and nothing else, with one object for each box: {{\"label\": its \
         colour, \"bbox_2d\": [x1, y1, x2, y2]}}, which are left, top, right and bottom, in the \
         coordinates in which you always write boxes."
    );
    let image = Image { media_type: "image/png".to_owned(), bytes: Arc::from(&*board.png) };
    if sees.users {
        let text = format!("{asked}\n\n{}", board.told());
        return request(vec![Turn::Shown { text, images: vec![image] }], vec![]);
    }
    const TOOL: &str = "show_board";
    const CALL_ID: &str = "callboard";
    let tool_calls =
        vec![ToolCall { id: CALL_ID.into(), name: TOOL.into(), arguments: "{}".into() }];
    let called = Message::Assistant { reasoning: None, text: String::new(), tool_calls };
    let (call_id, name, output) = (CALL_ID.to_owned(), TOOL.to_owned(), board.told());
    let result = Message::ToolResult { call_id, name, output };
    let text = format!("Call {TOOL} once. {asked}");
    let turns = vec![
        Turn::Given(Message::User { text }),
        Turn::Given(called),
        Turn::Returned { result, images: vec![image] },
    ];
    let tool = ToolSpec {
        name: TOOL.to_owned(),
        description: "Shows the board.".to_owned(),
        parameters: json!({"type": "object", "properties": {}, "required": []}),
        grammar: None,
    };
    request(turns, vec![tool])
}
