//! JSON as Python's `json.dumps` writes it, because that is what chat templates were written
//! against: a space after `,` and `:`, keys in their order, no HTML escapes.

use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// Deeper than any schema, shallower than the stack.
const DEPTH_MAX: usize = 200;

struct Style {
    indent: Option<String>,
    item: String,
    key: String,
    ascii: bool,
    sorted: bool,
}

/// The `tojson` filter, with the keyword arguments of transformers' own.
pub fn tojson(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let sorted = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    let indent = match indent.or(options.get::<Option<Value>>("indent")?) {
        None => None,
        Some(value) if value.is_none() || value.is_undefined() => None,
        Some(value) => match (value.as_str(), value.as_usize()) {
            (Some(text), _) => Some(text.to_string()),
            (_, Some(width)) => Some(" ".repeat(width.min(16))),
            _ => return Err(invalid("`indent` of tojson is a number or a string".into())),
        },
    };
    let (mut item, mut key) =
        (if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string());
    if let Some(separators) = options.get::<Option<Value>>("separators")?
        && !separators.is_none()
    {
        let parts: Vec<Value> = separators.try_iter()?.collect();
        if let [first, second] = parts.as_slice() {
            item = first.to_string();
            key = second.to_string();
        }
    }
    options.assert_all_used()?;
    let mut out = String::new();
    write(&mut out, value, &Style { indent, item, key, ascii, sorted }, 0)?;
    Ok(Value::from(out))
}

/// One line, as `json.dumps(value, ensure_ascii=False)`.
pub fn dumps(value: &serde_json::Value) -> String {
    let style =
        Style { indent: None, item: ", ".into(), key: ": ".into(), ascii: false, sorted: false };
    let mut out = String::new();
    match write(&mut out, &Value::from(Serde(value)), &style, 0) {
        Ok(()) => out,
        // Too deep: serde_json's own reader stops at 128 levels, so only hand-made values get here.
        Err(_) => value.to_string(),
    }
}

pub fn quoted(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            crate::marks::MARK => out.push(c),
            c if (c as u32) < 0x20 || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

fn write(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(invalid(format!("tojson: deeper than {DEPTH_MAX} levels")));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), style.ascii, out),
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sorted {
                keys.sort_by_key(|key| key.to_string());
            }
            list(out, style, depth, ['{', '}'], keys, |out, key| {
                match key.kind() {
                    ValueKind::String => quoted(key.as_str().unwrap_or_default(), style.ascii, out),
                    _ => quoted(&key.to_string(), style.ascii, out),
                }
                out.push_str(&style.key);
                write(out, &value.get_item(key)?, style, depth + 1)
            })?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            list(out, style, depth, ['[', ']'], items, |out, item| {
                write(out, item, style, depth + 1)
            })?;
        }
        kind => return Err(invalid(format!("{kind} is not JSON serializable"))),
    }
    Ok(())
}

fn list(
    out: &mut String,
    style: &Style,
    depth: usize,
    brackets: [char; 2],
    items: Vec<Value>,
    mut each: impl FnMut(&mut String, &Value) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push(brackets[0]);
    let newline = |out: &mut String, depth: usize| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    };
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(&style.item);
        }
        newline(out, depth + 1);
        each(out, item)?;
    }
    if !items.is_empty() {
        newline(out, depth);
    }
    out.push(brackets[1]);
    Ok(())
}

/// Python's `repr` of a float: an exponent below 1e-4 and from 1e16 on, and `.0` on whole numbers.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(float) = f64::try_from(value.clone()) else { return value.to_string() };
    if !float.is_finite() {
        return if float.is_nan() {
            "NaN".into()
        } else if float > 0.0 {
            "Infinity".into()
        } else {
            "-Infinity".into()
        };
    }
    if float != 0.0 && !(1e-4..1e16).contains(&float.abs()) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{float:?}")
}
