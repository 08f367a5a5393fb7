//! `[image_generation]` of the configuration: an image model. Without one, models draw.

use std::sync::Arc;
use std::time::Duration;

use ozone_cost::Price;
use ozone_tools::drawing::ImageUpstream;
use serde::Deserialize;

use crate::config::Config;
use crate::failure::Failure;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEntry {
    /// Of an OpenAI-compatible images API, as `https://api.openai.com/v1`.
    base_url: String,
    /// The server's name for it.
    model: String,
    api_key_env: Option<String>,
    /// Dollars for a picture.
    price: Option<String>,
    timeout_s: Option<u64>,
}

/// How long a picture may take where the configuration says nothing.
const TIME_MAX: Duration = Duration::from_secs(300);

/// The image model that is configured, if any.
pub fn open(config: &Config) -> Result<Option<Arc<ImageUpstream>>, Failure> {
    let Some(entry) = &config.image_generation else { return Ok(None) };
    let wrong = |e: &dyn std::fmt::Display| Failure::usage(format!("[image_generation]: {e}"));
    let key = match &entry.api_key_env {
        Some(name) => {
            let key = std::env::var(name).ok().filter(|key| !key.trim().is_empty());
            let missing = || wrong(&format!("its key is missing: set {name}"));
            Some(key.ok_or_else(missing)?.trim().to_owned())
        }
        None => None,
    };
    let price = entry.price.as_deref().map(|price| {
        let dollars = || wrong(&format!("the price `{price}` is not in dollars, such as 0.04"));
        Price::per_unit(price).map(Price::amount).map_err(|_| dollars())
    });
    let time_max = entry.timeout_s.map_or(TIME_MAX, Duration::from_secs);
    let upstream = ImageUpstream::new(
        &entry.base_url,
        &entry.model,
        key.as_deref(),
        price.transpose()?,
        time_max,
    );
    Ok(Some(Arc::new(upstream.map_err(|e| wrong(&e))?)))
}
