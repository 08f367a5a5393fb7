//! Whether a body is a request, as far as that can be told without a store and a model: for the fuzzer,
//! and for whoever keeps requests that are sent later.

use ozone_agent::{OfferedTools, Request};
use ozone_types::{ErrorBody, Item};

use crate::chat::to_responses;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::request::Create;

/// Whose words a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Responses,
    Chat,
}

/// What a request would be refused with, if so.
pub fn check_request(dialect: Dialect, body: &[u8]) -> Result<(), ErrorBody> {
    check(dialect, body).map_err(|refused| refused.body())
}

fn check(dialect: Dialect, body: &[u8]) -> Result<(), ApiError> {
    let mut body = crate::serve::json(body)?;
    if dialect == Dialect::Chat {
        body = to_responses(&Fields::of(&body, "")?)?;
    }
    let create = Create::parse(&body)?;
    let items = create.input.into_iter().enumerate().map(|(index, item)| {
        serde_json::from_value::<Item>(item).map_err(|e| {
            ApiError::invalid(&format!("input[{index}]"), format!("Invalid item: {e}."))
        })
    });
    let input = items.collect::<Result<_, _>>()?;
    let mut request = Request::new(&create.model, input, true)?;
    request.tools = OfferedTools::parse(create.tools)?;
    request.tool_choice = create.tool_choice;
    request.text = serde_json::from_value(create.text)
        .map_err(|e| ApiError::coded("text", "invalid_value", format!("Invalid 'text': {e}.")))?;
    request.checked()?;
    Ok(())
}
