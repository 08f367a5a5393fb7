//! Values as Python prints them.

/// A float as `print` writes it (the shortest digits that read back the same, PEP 3101 `repr`).
pub fn float(x: f64) -> String {
    if x.is_nan() {
        return "nan".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if x == 0.0 {
        return if x.is_sign_negative() { "-0.0".into() } else { "0.0".into() };
    }
    let scientific = format!("{x:e}");
    let (digits, exponent) = scientific.split_once('e').expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes a whole exponent");
    if (-4..16).contains(&exponent) {
        let plain = format!("{x}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// `round(x, places)` for a value that is exactly `numerator / denominator`, as `print` writes it.
/// Python rounds the double that is nearest; so does this.
pub fn rounded(x: f64, places: usize) -> String {
    let text = format!("{x:.places$}");
    float(text.parse().expect("a formatted float reads back"))
}

/// A string literal in single quotes, as `repr` writes it for plain text.
pub fn string(text: &str) -> String {
    if text.contains('\'') && !text.contains('"') {
        return format!("\"{}\"", text.replace('\\', "\\\\"));
    }
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A list as `print` writes it, its elements already in Python's spelling.
pub fn list(elements: &[String]) -> String {
    format!("[{}]", elements.join(", "))
}

pub fn boolean(b: bool) -> &'static str {
    if b { "True" } else { "False" }
}
