//! `{"type": "image_generation"}`: how a request wants its pictures, checked field by field.
//!
//! Without an image model of the operator's the model draws (`svg`). What the engine cannot do is
//! refused with the reason, before anything runs.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_tools::Tool;
use ozone_tools::drawing::{
    Action, Background, ImageUpstream, OutputFormat, PIXELS_MAX, PictureOptions, PictureTool,
    SIDE_MAX, SIDE_MIN, SVG,
};
use ozone_types::item::Known;
use ozone_types::{Content, Item, Text};
use serde_json::{Value, json};

use crate::ModelEntry;
use crate::app::App;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fetch::Fetches;
use crate::fields::Fields;

pub(crate) const KIND: &str = "image_generation";
const MASK: &str = "input_image_mask";
const MASK_BYTES_MAX: usize = 8 << 20;

type Upstream = Option<Arc<ImageUpstream>>;

/// The tool of a request, and the engine that it gets.
fn of_tools(
    tools: &[Value],
    configured: &Upstream,
) -> Result<Option<(PictureOptions, Upstream)>, ApiError> {
    let mut found = tools.iter().enumerate().filter(|(_, tool)| tool["type"] == KIND);
    let Some((index, tool)) = found.next() else { return Ok(None) };
    if let Some((second, _)) = found.next() {
        let message = "A request may have one image_generation tool.";
        return Err(ApiError::coded(&format!("tools[{second}]"), "invalid_value", message));
    }
    let fields = Fields::of(tool, &format!("tools[{index}]"))?;
    let upstream = engine(&fields, configured)?;
    let options = options(&fields, upstream.is_some())?;
    Ok(Some((options, upstream)))
}

fn engine(fields: &Fields<'_>, configured: &Upstream) -> Result<Upstream, ApiError> {
    let Some(model) = fields.string("model")? else { return Ok(configured.clone()) };
    if model == SVG {
        return Ok(None);
    }
    if configured.as_ref().is_some_and(|upstream| upstream.model() == model) {
        return Ok(configured.clone());
    }
    let known = configured.as_ref().map(|upstream| format!("'{}', ", upstream.model()));
    Err(fields.bad_word("model", model, &format!("{}'{SVG}'", known.unwrap_or_default())))
}

fn options(fields: &Fields<'_>, is_upstream: bool) -> Result<PictureOptions, ApiError> {
    let action = fields.word::<Action>("action", "'auto', 'generate', 'edit'")?.unwrap_or_default();
    let backgrounds = "'auto', 'opaque', 'transparent'";
    let background = fields.word::<Background>("background", backgrounds)?.unwrap_or_default();
    let formats = "'png', 'webp', 'jpeg'";
    let format = fields.word::<OutputFormat>("output_format", formats)?.unwrap_or_default();
    if background == Background::Transparent && format == OutputFormat::Jpeg {
        let param = fields.param("background");
        let message = "A JPEG cannot be transparent: use 'png' or 'webp' as 'output_format'.";
        return Err(ApiError::coded(&param, "invalid_value", message));
    }
    let compression = fields.integer("output_compression", 0, 100)?.map(|n| n as u8);
    let has_loss = match format {
        OutputFormat::Png => false,
        OutputFormat::Jpeg => true,
        OutputFormat::Webp => is_upstream,
    };
    if compression.is_some_and(|n| n < 100) && !has_loss {
        let param = fields.param("output_compression");
        let message = format!(
            "Unsupported value: '{param}': pictures are written as {} without loss here; use \
             'jpeg', or leave it out.",
            format.name()
        );
        return Err(ApiError::unsupported(&param, message));
    }
    let word = |name: &str, known: &[&str]| {
        let Some(word) = fields.string(name)? else { return Ok(None) };
        match known.contains(&word) {
            true => Ok(Some(word.to_owned()).filter(|word| word != "auto")),
            false => Err(fields.bad_word(name, word, &format!("'{}'", known.join("', '")))),
        }
    };
    let qualities = ["auto", "low", "medium", "high", "standard", "hd"];
    Ok(PictureOptions {
        action,
        size: size(fields)?,
        background,
        format,
        compression,
        partial_images: fields
            .integer("partial_images", 0, PictureOptions::PARTIAL_IMAGES_MAX)?
            .unwrap_or(0),
        mask: mask(fields)?,
        quality: word("quality", &qualities)?,
        moderation: word("moderation", &["auto", "low"])?,
        input_fidelity: word("input_fidelity", &["high", "low"])?,
    })
}

fn size(fields: &Fields<'_>) -> Result<Option<[u32; 2]>, ApiError> {
    let Some(text) = fields.string("size")?.filter(|text| *text != "auto") else { return Ok(None) };
    let sides = text.split_once('x').and_then(|(width, height)| {
        let side = |text: &str| text.parse::<u32>().ok();
        Some([side(width)?, side(height)?])
    });
    let fits = |[width, height]: [u32; 2]| {
        let sides = SIDE_MIN..=SIDE_MAX;
        let pixels = u64::from(width) * u64::from(height);
        sides.contains(&width) && sides.contains(&height) && pixels <= PIXELS_MAX
    };
    match sides.filter(|sides| fits(*sides)) {
        Some(sides) => Ok(Some(sides)),
        None => {
            let allowed = format!(
                "'auto', or a width and a height as '1024x1536', of {SIDE_MIN} to {SIDE_MAX} pixels \
                 each and {PIXELS_MAX} in all"
            );
            Err(fields.bad_word("size", text, &allowed))
        }
    }
}

/// The mask, which [`App::read_mask`] has put into the tool.
fn mask(fields: &Fields<'_>) -> Result<Option<Arc<Vec<u8>>>, ApiError> {
    let Some(mask) = fields.object(MASK)? else { return Ok(None) };
    let param = mask.param("image_url");
    let bad = |why: String| {
        ApiError::coded(&param, "invalid_value", format!("Invalid '{param}': {why}."))
    };
    let url = mask.required("image_url")?;
    let data = url.strip_prefix("data:").and_then(|url| url.split_once("base64,"));
    let (_, data) = data.ok_or_else(|| bad("expected a picture as a data URL".into()))?;
    let bytes = STANDARD.decode(data.trim()).map_err(|e| bad(format!("no base64 ({e})")))?;
    if bytes.len() > MASK_BYTES_MAX {
        return Err(bad(format!("a mask has at most {MASK_BYTES_MAX} bytes")));
    }
    PictureOptions::check_mask(&bytes).map_err(bad)?;
    Ok(Some(Arc::new(bytes)))
}

/// Whether an item holds a picture that can be changed.
fn has_picture(item: &Item) -> bool {
    let in_text = |text: &Text| match text {
        Text::Parts(parts) => {
            parts.iter().any(|part| matches!(part, Content::InputImage { image_url: Some(_), .. }))
        }
        Text::Plain(_) => false,
    };
    match item {
        Item::Known(Known::ImageGenerationCall { result, .. }) => result.is_some(),
        Item::Known(Known::Message { content, .. }) => in_text(content),
        Item::Known(
            Known::FunctionCallOutput { output, .. } | Known::CustomToolCallOutput { output, .. },
        ) => in_text(output),
        _ => false,
    }
}

/// A picture that a client gives back must be one.
pub(crate) fn check_item(value: &Value, place: &str) -> Result<(), ApiError> {
    let fields = Fields::of(value, place)?;
    match fields.string("result")? {
        Some(result) if !ozone_agent::is_picture(result) => {
            let param = fields.param("result");
            let message = format!("Invalid '{param}': expected a picture in base64.");
            Err(ApiError::coded(&param, "invalid_value", message))
        }
        _ => Ok(()),
    }
}

impl App {
    /// Puts the pixels of a mask into the tool that names them.
    pub async fn read_mask(
        &self,
        tenant: &Tenant,
        tools: &mut [Value],
        fetches: &mut Fetches,
    ) -> Result<(), ApiError> {
        for (index, tool) in tools.iter_mut().enumerate() {
            if tool["type"] != KIND || !tool[MASK].is_object() {
                continue;
            }
            let place = format!("tools[{index}].{MASK}");
            let named = Fields::of(&tool[MASK], &place)?;
            if named.get("image_url").is_some() == named.get("file_id").is_some() {
                let message = format!("'{place}' needs either an 'image_url' or a 'file_id'.");
                return Err(ApiError::coded(&place, "invalid_value", message));
            }
            let mut part = tool[MASK].clone();
            part["type"] = json!("input_image");
            let mut parts = json!([part]);
            self.read_parts(tenant, &mut parts, &place, fetches).await?;
            tool[MASK] = json!({ "image_url": parts[0]["image_url"] });
        }
        Ok(())
    }

    /// Whether the `image_generation` of a request can be done.
    pub fn check_image_generation(
        &self,
        tools: &[Value],
        entry: &ModelEntry,
        context: &[&[Item]],
    ) -> Result<(), ApiError> {
        let Some((options, _)) = of_tools(tools, &self.image_generation)? else { return Ok(()) };
        let index = tools.iter().position(|tool| tool["type"] == KIND).unwrap_or_default();
        let place = format!("tools[{index}]");
        if entry.narrow {
            let id = &entry.id;
            let message = format!(
                "Unsupported tool: '{place}': the model '{id}' has not been trained to make \
                 pictures; ask another one."
            );
            return Err(ApiError::unsupported(&place, message));
        }
        let changes = options.mask.is_some() || options.action == Action::Edit;
        if changes && !context.iter().any(|items| items.iter().any(has_picture)) {
            let name = if options.mask.is_some() { MASK } else { "action" };
            let message = "There is no picture in this conversation that could be changed.";
            return Err(ApiError::coded(&format!("{place}.{name}"), "invalid_value", message));
        }
        Ok(())
    }

    /// The tool behind `{"type": "image_generation"}`, if the request has it. Pictures become files
    /// in `folder`.
    pub fn picture_tool(&self, spelt: &[Value], folder: Option<PathBuf>) -> Option<Box<dyn Tool>> {
        // It was checked when the response was made.
        let (options, upstream) = of_tools(spelt, &self.image_generation).ok()??;
        Some(Box::new(PictureTool::new(options, folder, upstream)))
    }
}
