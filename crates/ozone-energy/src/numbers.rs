//! Numbers in running text.

/// As they are written in English: thousands in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// All numbers of a text. `23,862` is one number, `1, 2` are two, and `5.9.` ends a sentence. A sign
/// counts where it stands before a number and behind no word: `2021-2025` are two years.
pub fn numbers(text: &str) -> Vec<f64> {
    let chars: Vec<char> = text.chars().collect();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let (mut found, mut at) = (vec![], 0);
    while at < chars.len() {
        if !digit(at) {
            at += 1;
            continue;
        }
        // Digits of a name, such as img_3 or cell1, count nothing.
        let in_word = at > 0 && (chars[at - 1].is_alphabetic() || chars[at - 1] == '_');
        let behind_sign = at > 0 && matches!(chars[at - 1], '-' | '−' | '–');
        let joined = at > 1 && (chars[at - 2].is_alphanumeric() || chars[at - 2] == ' ');
        let is_range = joined && at > 1 && chars[at - 2] != ' ';
        let mut number = String::new();
        let (start, mut fraction) = (at, false);
        loop {
            if digit(at) {
                number.push(chars[at]);
            } else if chars.get(at) == Some(&',') && !fraction && is_group(&chars, start, at) {
                // A separator of thousands.
            } else if chars.get(at) == Some(&'.') && !fraction && digit(at + 1) {
                fraction = true;
                number.push('.');
            } else {
                break;
            }
            at += 1;
        }
        if let (false, Ok(value)) = (in_word, number.parse::<f64>()) {
            found.push(if behind_sign && !is_range { -value } else { value });
        }
    }
    found
}

/// Whether exactly three digits follow, behind at most three since the last separator.
fn is_group(chars: &[char], start: usize, comma: usize) -> bool {
    let digits = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let before = chars[start..comma].iter().rev().take_while(|c| c.is_ascii_digit()).count();
    let is_first = !chars[start..comma].contains(&',');
    (1..=3).contains(&before)
        && (is_first || before == 3)
        && (1..=3).all(|n| digits(comma + n))
        && !digits(comma + 4)
}
