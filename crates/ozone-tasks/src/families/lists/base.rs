//! Number bases, character codes, Roman numerals and colours.

use super::vocabulary::lower;
use super::{call, count, kind_table, words};
use crate::grade::{number, text};
use crate::{Draw, Kind, Rng, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    kind_table![
        "base/to_binary" 14 to_binary,
        "base/to_hex" 12 to_hex,
        "base/to_octal" 6 to_octal,
        "base/to_base" 6 to_base,
        "base/from_binary" 14 from_binary,
        "base/from_hex" 12 from_hex,
        "base/from_octal" 6 from_octal,
        "base/from_base" 6 from_base,
        "base/hex_to_binary" 6 hex_to_binary,
        "base/binary_to_hex" 6 binary_to_hex,
        "base/one_bits" 6 one_bits,
        "base/bit_length" 5 bit_length,
        "base/add_binary" 6 add_binary,
        "base/xor" 5 xor,
        "base/char_code" 6 char_code,
        "base/code_char" 6 code_char,
        "base/text_codes" 5 text_codes,
        "base/to_roman" 10 to_roman,
        "base/from_roman" 10 from_roman,
        "base/hex_to_rgb" 5 hex_to_rgb,
        "base/rgb_to_hex" 5 rgb_to_hex,
    ]
}

fn show(n: i64, rng: &mut Rng) -> String {
    surface::integer(n, rng)
}

/// A number to convert; powers of two and their neighbours come up often.
fn whole(rng: &mut Rng) -> i64 {
    if rng.chance(0.2) {
        return ((1i64 << rng.int(1, 16)) + rng.int(-1, 1)).max(1);
    }
    rng.magnitude(5)
}

/// The digits of `n` in a base up to 36.
fn in_base(n: i64, base: i64) -> String {
    let (mut n, mut digits) = (n, vec![]);
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(n % base) as usize]);
        n /= base;
        if n == 0 {
            break;
        }
    }
    digits.iter().rev().map(|d| char::from(*d)).collect()
}

/// `{n}` (decimal) in binary.
fn to_binary(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    count(
        vec![("n", show(n, rng))],
        [format!("Write {n} in base 2."), format!("{n} to binary.")],
        format!("print(bin({n})[2:])"),
        in_base(n, 2),
        [format!("{n} in binary is @."), "In binary it is @.".into()],
        rng,
    )
}

/// `{n}` (decimal) in hexadecimal.
fn to_hex(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    words(
        vec![("n", show(n, rng))],
        [format!("Write {n} in base 16."), format!("{n} to hexadecimal.")],
        format!("print(hex({n})[2:])"),
        in_base(n, 16),
        [format!("{n} in hexadecimal is @."), "In hexadecimal it is @.".into()],
        rng,
    )
}

/// `{n}` (decimal) in octal.
fn to_octal(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    count(
        vec![("n", show(n, rng))],
        [format!("Write {n} in base 8."), format!("{n} to octal.")],
        format!("print(oct({n})[2:])"),
        in_base(n, 8),
        [format!("{n} in octal is @."), "In octal it is @.".into()],
        rng,
    )
}

fn odd_base(rng: &mut Rng) -> i64 {
    *rng.pick(&[3, 4, 5, 6, 7, 9, 11, 12, 20, 36])
}

/// `{n}` (decimal) in base `{b}` (not 2, 8, 10 or 16).
fn to_base(rng: &mut Rng) -> Draw {
    let (n, b) = (rng.magnitude(5), odd_base(rng));
    words(
        vec![("n", show(n, rng)), ("b", b.to_string())],
        [format!("Write {n} in base {b}.")],
        format!("import numpy; print(numpy.base_repr({n}, {b}))"),
        in_base(n, b).to_uppercase(),
        [format!("{n} in base {b} is @."), format!("In base {b} it is @.")],
        rng,
    )
}

fn decimal<const T: usize>(
    digits: &str,
    base: i64,
    n: i64,
    think: [String; T],
    rng: &mut Rng,
) -> Draw {
    count(
        vec![("digits", digits.to_owned()), ("b", base.to_string())],
        think,
        format!("print(int('{digits}', {base}))"),
        n,
        [format!("{digits} is @ in decimal."), "In decimal it is @.".into()],
        rng,
    )
}

/// The binary number `{digits}` in decimal.
fn from_binary(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    let digits = in_base(n, 2);
    let digits = if rng.chance(0.15) { format!("{digits:0>8}") } else { digits };
    decimal(&digits, 2, n, [format!("Read {digits} in base 2.")], rng)
}

fn hex_digits(n: i64, rng: &mut Rng) -> String {
    let digits = in_base(n, 16);
    if rng.chance(0.5) { digits.to_uppercase() } else { digits }
}

/// The hexadecimal number `{digits}` in decimal.
fn from_hex(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    let digits = hex_digits(n, rng);
    let mut draw = decimal(&digits, 16, n, [format!("Read {digits} in base 16.")], rng);
    if rng.chance(0.25) {
        draw.slots[0].1 = format!("0x{digits}");
    }
    draw
}

/// The octal number `{digits}` in decimal.
fn from_octal(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    let digits = in_base(n, 8);
    decimal(&digits, 8, n, [format!("Read {digits} in base 8.")], rng)
}

/// The number `{digits}`, written in base `{b}` (not 2, 8, 10 or 16), in decimal.
fn from_base(rng: &mut Rng) -> Draw {
    let (n, b) = (rng.magnitude(5), odd_base(rng));
    let digits = in_base(n, b);
    decimal(&digits, b, n, [format!("Read {digits} in base {b}.")], rng)
}

/// The hexadecimal number `{digits}` in binary.
fn hex_to_binary(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    let digits = hex_digits(n, rng);
    count(
        vec![("digits", digits.clone())],
        [format!("From base 16 to base 2: {digits}.")],
        format!("print(bin(int('{digits}', 16))[2:])"),
        in_base(n, 2),
        [format!("{digits} in binary is @."), "In binary it is @.".into()],
        rng,
    )
}

/// The binary number `{digits}` in hexadecimal.
fn binary_to_hex(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    let digits = in_base(n, 2);
    words(
        vec![("digits", digits.clone())],
        [format!("From base 2 to base 16: {digits}.")],
        format!("print(hex(int('{digits}', 2))[2:])"),
        in_base(n, 16),
        [format!("{digits} in hexadecimal is @."), "In hexadecimal it is @.".into()],
        rng,
    )
}

/// How many ones the binary form of `{n}` (decimal) has.
fn one_bits(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    count(
        vec![("n", show(n, rng))],
        [format!("Count the ones of {n} in binary.")],
        format!("print(bin({n}).count('1'))"),
        n.count_ones(),
        [format!("{n} has @ ones in binary."), "There are @ ones.".into()],
        rng,
    )
}

/// How many bits (binary digits) `{n}` (decimal) needs.
fn bit_length(rng: &mut Rng) -> Draw {
    let n = whole(rng);
    count(
        vec![("n", show(n, rng))],
        [format!("Count the binary digits of {n}.")],
        format!("print(len(bin({n})[2:]))"),
        in_base(n, 2).len(),
        [format!("{n} needs @ bits."), "It has @ bits.".into()],
        rng,
    )
}

/// The sum of the binary numbers `{a}` and `{b}`, in binary.
fn add_binary(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.int(1, 255), rng.int(1, 255));
    let (x, y) = (in_base(a, 2), in_base(b, 2));
    count(
        vec![("a", x.clone()), ("b", y.clone())],
        [format!("Add {x} and {y} in base 2.")],
        format!("print(bin(int('{x}', 2) + int('{y}', 2))[2:])"),
        in_base(a + b, 2),
        ["The sum in binary is @.".into(), format!("{x} + {y} = @")],
        rng,
    )
}

/// The bitwise exclusive or (xor) of `{a}` and `{b}`, both decimal, as a decimal number.
fn xor(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.magnitude(4), rng.magnitude(4));
    count(
        vec![("a", a.to_string()), ("b", b.to_string())],
        [format!("Bitwise xor of {a} and {b}.")],
        format!("print({a} ^ {b})"),
        a ^ b,
        [format!("{a} xor {b} is @."), "The result is @.".into()],
        rng,
    )
}

/// Letters, figures and some signs whose names no markup takes away.
fn character(rng: &mut Rng) -> char {
    let all: Vec<char> =
        ('a'..='z').chain('A'..='Z').chain('0'..='9').chain("!?#%&+=$".chars()).collect();
    *rng.pick(&all)
}

/// The ASCII (Unicode) code of the character `{char}`, in decimal. `{char}` may stand in quotes.
fn char_code(rng: &mut Rng) -> Draw {
    let c = character(rng);
    let shown = match rng.below(4) {
        0 => format!("\"{c}\""),
        1 => format!("'{c}'"),
        _ => c.to_string(),
    };
    count(
        vec![("char", shown)],
        [format!("Code of the character {c}.")],
        format!("print(ord('{c}'))"),
        c as u32,
        [format!("The ASCII code of {c} is @."), format!("{c} has the code @.")],
        rng,
    )
}

/// The character whose ASCII (Unicode) code is `{n}` (decimal).
fn code_char(rng: &mut Rng) -> Draw {
    let c = character(rng);
    let n = c as u32;
    let t = c.to_string();
    call(
        vec![("n", n.to_string())],
        [format!("Character with code {n}.")],
        format!("print(chr({n}))"),
        t.clone(),
        vec![(text(&t), t)],
        [format!("Code {n} is the character @."), format!("{n} stands for @.")],
        rng,
    )
}

/// The ASCII codes (decimal) of the letters of `{word}`, as a list. `{word}` may stand in quotes.
fn text_codes(rng: &mut Rng) -> Draw {
    let w = lower(rng);
    let w = &w[..w.len().min(7)];
    let w = if rng.chance(0.3) { super::vocabulary::capital(w) } else { w.to_owned() };
    let codes: Vec<String> = w.bytes().map(|b| b.to_string()).collect();
    let shown = codes.join(", ");
    call(
        vec![("word", super::vocabulary::quoted(&w, rng))],
        [format!("Codes of the letters of {w}.")],
        format!("print([ord(c) for c in '{w}'])"),
        python::list(&codes),
        vec![(text(&shown), shown)],
        [format!("The codes of {w} are @."), "They are @.".into()],
        rng,
    )
}

const ROMAN: [(i64, &str); 13] = [
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
];

fn roman(mut n: i64) -> String {
    let mut out = String::new();
    for (value, sign) in ROMAN {
        while n >= value {
            out.push_str(sign);
            n -= value;
        }
    }
    out
}

fn year(rng: &mut Rng) -> i64 {
    match rng.below(4) {
        0 => rng.int(1, 50),
        1 => rng.int(1700, 2050),
        _ => rng.magnitude(4).min(3999),
    }
}

/// `{n}` in Roman numerals.
fn to_roman(rng: &mut Rng) -> Draw {
    let n = year(rng);
    words(
        vec![("n", n.to_string())],
        [format!("Write {n} in Roman numerals.")],
        format!(
            "n, s = {n}, ''\nfor v, r in zip([1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1], \
             'M CM D CD C XC L XL X IX V IV I'.split()):\n    s, n = s + n // v * r, n % v\nprint(s)"
        ),
        roman(n),
        [format!("{n} in Roman numerals is @."), "In Roman numerals: @".into()],
        rng,
    )
}

/// The Roman numeral `{roman}` as a number.
fn from_roman(rng: &mut Rng) -> Draw {
    let n = year(rng);
    let r = roman(n);
    count(
        vec![("roman", r.clone())],
        [format!("Read the Roman numeral {r}.")],
        format!(
            "d = dict(I=1, V=5, X=10, L=50, C=100, D=500, M=1000); x = [d[c] for c in '{r}'] + [0]; \
             print(sum(a if a >= b else -a for a, b in zip(x, x[1:])))"
        ),
        n,
        [format!("{r} is @."), format!("The Roman numeral {r} is @.")],
        rng,
    )
}

/// Three values, red, green and blue (0 to 255), of the colour with the hex code `{code}` (#ff8800).
fn hex_to_rgb(rng: &mut Rng) -> Draw {
    let rgb = [(); 3].map(|()| rng.int(0, 255));
    let code: String = rgb.iter().map(|v| format!("{v:02x}")).collect();
    let code = if rng.chance(0.4) { code.to_uppercase() } else { code };
    let [r, g, b] = rgb.map(|v| v.to_string());
    call(
        vec![("code", format!("#{code}"))],
        [format!("The three bytes of {code}.")],
        format!("print(*bytes.fromhex('{code}'))"),
        format!("{r} {g} {b}"),
        [r, g, b].map(|v| (number(&v), v)).into(),
        ["Red @, green @, blue @.".into(), format!("#{code} is red @, green @ and blue @.")],
        rng,
    )
}

/// The hex code (#ff8800) of the colour with red `{r}`, green `{g}` and blue `{b}` (0 to 255).
fn rgb_to_hex(rng: &mut Rng) -> Draw {
    let [r, g, b] = [(); 3].map(|()| rng.int(0, 255));
    words(
        vec![("r", r.to_string()), ("g", g.to_string()), ("b", b.to_string())],
        [format!("Write {r}, {g}, {b} as two hex digits each.")],
        format!("print('#' + bytes([{r}, {g}, {b}]).hex())"),
        format!("#{r:02x}{g:02x}{b:02x}"),
        ["The hex code is @.".into(), "It is @.".into()],
        rng,
    )
}
