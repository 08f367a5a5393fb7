//! Reads a JSON body field by field, so that each mistake names its parameter.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// An object of a request and where it stands (`reasoning`, `tools[2]`; empty for the body).
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    place: String,
}

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value, place: &str) -> Result<Self, ApiError> {
        match value {
            Value::Object(map) => Ok(Fields { map, place: place.to_owned() }),
            other => {
                let message = if place.is_empty() {
                    format!("The body must be a JSON object, not {}.", kind(other))
                } else {
                    wrong(place, "an object", other)
                };
                Err(ApiError::coded(place, "invalid_type", message))
            }
        }
    }

    pub fn param(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    /// The field, unless it is missing or null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|v| !v.is_null())
    }

    fn typed<T>(
        &self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let param = self.param(name);
        let wrong = || ApiError::coded(&param, "invalid_type", wrong(&param, wanted, value));
        read(value).map(Some).ok_or_else(wrong)
    }

    pub fn string(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.typed(name, "a string", Value::as_str)
    }

    pub fn required(&self, name: &str) -> Result<&'a str, ApiError> {
        let given = self.string(name)?.filter(|text| !text.trim().is_empty());
        given.ok_or_else(|| ApiError::missing(&self.param(name)))
    }

    pub fn bool(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.typed(name, "a boolean", Value::as_bool)
    }

    pub fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>, ApiError> {
        self.typed(name, "an array", Value::as_array)
    }

    pub fn object(&self, name: &str) -> Result<Option<Fields<'a>>, ApiError> {
        self.get(name).map(|value| Fields::of(value, &self.param(name))).transpose()
    }

    pub fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.map.iter()
    }

    /// An integer from `min` to `max`.
    pub fn integer(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.typed(name, "an integer", |v| v.is_number().then_some(v))? else {
            return Ok(None);
        };
        match value.as_u64() {
            Some(n) if (min..=max).contains(&n) => Ok(Some(n)),
            Some(_) | None => {
                let range = if max == u64::MAX {
                    format!("an integer of at least {min}")
                } else {
                    format!("an integer from {min} to {max}")
                };
                Err(self.out_of_range(name, &range, value))
            }
        }
    }

    /// A number from `min` to `max`.
    pub fn number(&self, name: &str, min: f64, max: f64) -> Result<Option<f64>, ApiError> {
        let Some(n) = self.typed(name, "a number", Value::as_f64)? else { return Ok(None) };
        if (min..=max).contains(&n) {
            return Ok(Some(n));
        }
        let given = Value::from(n);
        Err(self.out_of_range(name, &format!("a number from {min} to {max}"), &given))
    }

    fn out_of_range(&self, name: &str, wanted: &str, given: &Value) -> ApiError {
        let param = self.param(name);
        let message = format!("Invalid '{param}': expected {wanted}, got {given}.");
        ApiError::coded(&param, "invalid_value", message)
    }

    /// One of a few words, as an enum reads them.
    pub fn word<T: DeserializeOwned>(
        &self,
        name: &str,
        allowed: &str,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        match serde_json::from_value(Value::from(text)) {
            Ok(word) => Ok(Some(word)),
            Err(_) => Err(self.bad_word(name, text, allowed)),
        }
    }

    pub fn bad_word(&self, name: &str, given: &str, allowed: &str) -> ApiError {
        let param = self.param(name);
        let given: String = given.chars().take(80).collect();
        let message = format!("Invalid value: '{given}'. Supported values are: {allowed}.");
        ApiError::coded(&param, "invalid_value", message)
    }

    /// At most 16 pairs of short strings.
    pub fn metadata(&self) -> Result<Option<Map<String, Value>>, ApiError> {
        let Some(fields) = self.object("metadata")? else { return Ok(None) };
        if fields.map.len() > 16 {
            let message = "Invalid 'metadata': at most 16 pairs are taken.";
            return Err(ApiError::coded("metadata", "invalid_value", message));
        }
        for (key, value) in fields.map {
            let param = fields.param(key);
            let text = value.as_str().map(|text| text.chars().count());
            if key.chars().count() > 64 || text.is_none_or(|chars| chars > 512) {
                let message = format!(
                    "Invalid '{param}': keys have at most 64 characters, and values are strings \
                     of at most 512."
                );
                return Err(ApiError::coded(&param, "invalid_value", message));
            }
        }
        Ok(Some(fields.map.clone()))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn wrong(param: &str, wanted: &str, given: &Value) -> String {
    format!("Invalid type for '{param}': expected {wanted}, but got {} instead.", kind(given))
}
