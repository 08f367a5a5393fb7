//! The files of a request, as parts that a model reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_files::Unreadable;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fetch::Fetches;
use crate::fields::Fields;
use crate::files;

/// How what does not fit into the context can be read.
const MORE_OF_FILE: &str = "The rest can be read from a vector store, with file_search, or from a \
    container, with python.";

impl App {
    /// A file as a part that a model reads: a picture where it sees, and text otherwise, as much as
    /// there is room for.
    pub async fn read_file(
        &self,
        name: &str,
        bytes: Vec<u8>,
        place: &str,
        fetches: &mut Fetches,
    ) -> Result<Value, ApiError> {
        if let Some(mime) = files::image_type(&bytes).filter(|_| fetches.pictures()) {
            let data = STANDARD.encode(&bytes);
            let url = format!("data:{mime};base64,{data}");
            return Ok(json!({ "type": "input_image", "image_url": url }));
        }
        let read = self.reader.document(name, bytes.into()).await.map_err(ApiError::internal)?;
        let document = read.map_err(|why| {
            let code = match why {
                Unreadable::Unsupported(_) => "unsupported_file",
                Unreadable::Invalid(_) => "invalid_file",
            };
            let message = format!("The file '{name}' could not be read. {why}");
            ApiError::coded(place, code, message)
        })?;
        let room = fetches.text_bytes_left();
        let text = ozone_files::shown(&document, name, room, MORE_OF_FILE);
        fetches.took_text(text.len());
        Ok(json!({ "type": "input_text", "text": text }))
    }

    pub async fn sent_file(
        &self,
        tenant: &Tenant,
        fields: &Fields<'_>,
        fetches: &mut Fetches,
    ) -> Result<(String, Vec<u8>), ApiError> {
        let given_name = fields.string("filename")?.map(str::to_owned);
        if let Some(url) = fields.string("file_url")? {
            let (name, bytes) = fetches.file(url, &fields.param("file_url")).await?;
            return Ok((given_name.unwrap_or(name), bytes));
        }
        if let Some(data) = fields.string("file_data")? {
            let encoded = data.rsplit_once("base64,").map_or(data, |(_, encoded)| encoded);
            let bytes = STANDARD.decode(encoded.trim()).map_err(|e| {
                let param = fields.param("file_data");
                ApiError::coded(&param, "invalid_base64", format!("Invalid '{param}': {e}."))
            })?;
            return Ok((given_name.unwrap_or_else(|| "file".to_owned()), bytes));
        }
        let id = fields.required("file_id")?;
        let file = self.file_bytes(tenant, id, &fields.param("file_id")).await?;
        Ok((file.name, file.bytes))
    }
}
