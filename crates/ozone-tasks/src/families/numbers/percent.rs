//! Percentages. The code rounds: an amount to six places, a percentage to two.

use super::{decimal, figures, one, positive, printed, solved, value};
use crate::grade::{number, text};
use crate::{Draw, Kind, Rng, Value, python};

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("percent/of", 22, of),
        kind("percent/what", 16, what),
        kind("percent/increase", 12, increase),
        kind("percent/decrease", 12, decrease),
        kind("percent/change", 10, change),
        kind("percent/rise", 8, rise),
        kind("percent/drop", 8, drop),
        kind("percent/whole", 10, whole),
        kind("percent/before_increase", 7, before_increase),
        kind("percent/before_decrease", 7, before_decrease),
        kind("percent/successive", 8, successive),
        kind("percent/overall", 6, overall),
        kind("percent/from_fraction", 7, from_fraction),
        kind("percent/from_decimal", 5, from_decimal),
        kind("percent/to_decimal", 5, to_decimal),
        kind("percent/to_fraction", 5, to_fraction),
        kind("percent/per_mille", 5, per_mille),
        kind("percent/ppm", 4, ppm),
        kind("percent/of_percent", 6, of_percent),
        kind("percent/points", 4, points),
        kind("percent/more", 7, more),
        kind("percent/less", 7, less),
        kind("percent/rest", 8, rest),
    ]
}

/// A rate as people name it: 15, 7.5, rarely above 100.
fn rate(rng: &mut Rng) -> String {
    match rng.below(20) {
        0..=8 => (5 * rng.int(1, 19)).to_string(),
        9..=13 => rng.int(1, 99).to_string(),
        14..=15 => format!("{}.5", rng.int(0, 40)),
        16..=17 => decimal(rng, 2),
        18 => rng.int(101, 400).to_string(),
        _ => rng.pick(&["100", "1", "50", "200", "0.5"]).to_string(),
    }
}

/// A rate below 100, for what is taken off.
fn part_rate(rng: &mut Rng) -> String {
    loop {
        let x = rate(rng);
        if value(&x) < 100.0 {
            return x;
        }
    }
}

/// The amount that a rate is taken of: mostly a round whole number.
fn base(rng: &mut Rng) -> String {
    match rng.below(10) {
        0..=2 => (10 * rng.magnitude(3)).to_string(),
        3..=4 => (100 * rng.magnitude(3)).to_string(),
        5..=6 => (20 * rng.magnitude(3)).to_string(),
        7 => rng.magnitude(7).to_string(),
        _ => positive(rng, 5),
    }
}

fn ask(
    slots: Vec<(&'static str, String)>,
    x: f64,
    places: usize,
    think: String,
    inner: &str,
    reply: impl FnOnce(&str) -> String,
) -> Draw {
    let output = python::rounded(x, places);
    let answer: Vec<Value> = vec![printed(&output, places)];
    let reply = reply(&output);
    solved(slots, answer, think, format!("print(round({inner}, {places}))"), output, reply)
}

/// `{x}`% of `{y}`. The slot `{x}` is the bare number, without a percent sign.
fn of(rng: &mut Rng) -> Draw {
    let (x, y) = (rate(rng), base(rng));
    let think = one(rng, [format!("I need {x}% of {y}."), format!("{x} percent of {y}.")]);
    let way = rng.below(3);
    let slots = vec![("x", x.clone()), ("y", figures(&y, rng))];
    ask(
        slots,
        value(&y) * value(&x) / 100.0,
        6,
        think,
        &format!("{y} * {x} / 100"),
        |out| match way {
            0 => format!("{x}% of {y} is **{out}**."),
            1 => format!("It is **{out}**."),
            _ => format!("That is **{out}**."),
        },
    )
}

/// Two amounts, the first mostly a part of the second.
fn part_and_whole(rng: &mut Rng) -> (String, String) {
    let whole = base(rng);
    let part = match rng.below(10) {
        0..=3 => {
            let share = value(&whole) * (5 * rng.int(1, 19)) as f64 / 100.0;
            if share.fract() == 0.0 { format!("{share}") } else { format!("{}", share.ceil()) }
        }
        4..=7 => rng.int(1, (value(&whole) as i64).max(2)).to_string(),
        8 => base(rng),
        _ => positive(rng, 4),
    };
    (part, whole)
}

/// What percentage `{a}` is of `{b}`.
fn what(rng: &mut Rng) -> Draw {
    let (a, b) = part_and_whole(rng);
    let think = one(
        rng,
        [format!("What percent {a} is of {b}."), format!("I need {a} as a percentage of {b}.")],
    );
    let way = rng.below(3);
    let slots = vec![("a", figures(&a, rng)), ("b", figures(&b, rng))];
    ask(
        slots,
        value(&a) / value(&b) * 100.0,
        2,
        think,
        &format!("{a} / {b} * 100"),
        |out| match way {
            0 => format!("{a} is **{out}**% of {b}."),
            1 => format!("It is **{out}**%."),
            _ => format!("That is **{out}** percent."),
        },
    )
}

/// `{y}` increased by `{x}`%: the new amount. `{x}` is the bare number.
fn increase(rng: &mut Rng) -> Draw {
    let (x, y) = (rate(rng), base(rng));
    let think = one(rng, [format!("Increase {y} by {x}%."), format!("{y} plus {x}% of it.")]);
    let way = rng.below(3);
    let slots = vec![("x", x.clone()), ("y", figures(&y, rng))];
    let inner = format!("{y} * (1 + {x} / 100)");
    ask(slots, value(&y) * (1.0 + value(&x) / 100.0), 6, think, &inner, |out| match way {
        0 => format!("{y} increased by {x}% is **{out}**."),
        1 => format!("The new value is **{out}**."),
        _ => format!("It becomes **{out}**."),
    })
}

/// `{y}` decreased by `{x}`%: the new amount. `{x}` is the bare number, below 100.
fn decrease(rng: &mut Rng) -> Draw {
    let (x, y) = (part_rate(rng), base(rng));
    let think = one(rng, [format!("Decrease {y} by {x}%."), format!("{y} less {x}% of it.")]);
    let way = rng.below(3);
    let slots = vec![("x", x.clone()), ("y", figures(&y, rng))];
    let inner = format!("{y} * (1 - {x} / 100)");
    ask(slots, value(&y) * (1.0 - value(&x) / 100.0), 6, think, &inner, |out| match way {
        0 => format!("{y} decreased by {x}% is **{out}**."),
        1 => format!("The new value is **{out}**."),
        _ => format!("It leaves **{out}**."),
    })
}

/// Two different amounts, mostly within a factor of two.
fn two_amounts(rng: &mut Rng) -> (String, String) {
    loop {
        let a = base(rng);
        let b = match rng.below(10) {
            0..=3 => {
                format!("{}", (value(&a) * (100 + 5 * rng.int(-15, 20)) as f64 / 100.0).ceil())
            }
            4..=7 => {
                let whole = value(&a) as i64;
                rng.int(whole / 2, 2 * whole + 1).max(1).to_string()
            }
            _ => positive(rng, 4),
        };
        if value(&a) != value(&b) && value(&b) > 0.0 {
            return (a, b);
        }
    }
}

/// The percentage change from `{a}` to `{b}`, up or down: positive for a rise, negative for a fall.
fn change(rng: &mut Rng) -> Draw {
    let (a, b) = two_amounts(rng);
    let think = one(rng, [format!("Percent change from {a} to {b}.")]);
    let way = rng.below(2);
    let slots = vec![("a", figures(&a, rng)), ("b", figures(&b, rng))];
    let x = (value(&b) - value(&a)) / value(&a) * 100.0;
    ask(slots, x, 2, think, &format!("({b} - {a}) / {a} * 100"), |out| match way {
        0 => format!("The change from {a} to {b} is **{out}**%."),
        _ => format!("The percentage change is **{out}**%."),
    })
}

/// By how many percent something rose that went up from `{a}` to `{b}` (`{b}` is the larger).
fn rise(rng: &mut Rng) -> Draw {
    let (a, b) = two_amounts(rng);
    let (a, b) = if value(&a) < value(&b) { (a, b) } else { (b, a) };
    let think = one(rng, [format!("Percent increase from {a} to {b}.")]);
    let way = rng.below(2);
    let slots = vec![("a", figures(&a, rng)), ("b", figures(&b, rng))];
    let x = (value(&b) - value(&a)) / value(&a) * 100.0;
    ask(slots, x, 2, think, &format!("({b} - {a}) / {a} * 100"), |out| match way {
        0 => format!("From {a} to {b} is an increase of **{out}**%."),
        _ => format!("It rose by **{out}**%."),
    })
}

/// By how many percent something fell that went down from `{a}` to `{b}` (`{a}` is the larger).
/// The answer is positive.
fn drop(rng: &mut Rng) -> Draw {
    let (a, b) = two_amounts(rng);
    let (a, b) = if value(&a) > value(&b) { (a, b) } else { (b, a) };
    let think = one(rng, [format!("Percent decrease from {a} to {b}.")]);
    let way = rng.below(2);
    let slots = vec![("a", figures(&a, rng)), ("b", figures(&b, rng))];
    let x = (value(&a) - value(&b)) / value(&a) * 100.0;
    ask(slots, x, 2, think, &format!("({a} - {b}) / {a} * 100"), |out| match way {
        0 => format!("From {a} to {b} is a decrease of **{out}**%."),
        _ => format!("It fell by **{out}**%."),
    })
}

/// The whole of which `{a}` is `{x}`%. `{x}` is the bare number.
fn whole(rng: &mut Rng) -> Draw {
    let x = rate(rng);
    let whole = base(rng);
    let share = value(&whole) * value(&x) / 100.0;
    let a = if share.fract() == 0.0 && share < 1e9 && rng.chance(0.9) {
        format!("{share}")
    } else {
        rng.magnitude(4).to_string()
    };
    let think =
        one(rng, [format!("{a} is {x}% of what?"), format!("Find the whole: {a} is {x}%.")]);
    let way = rng.below(3);
    let slots = vec![("x", x.clone()), ("a", figures(&a, rng))];
    ask(
        slots,
        value(&a) / value(&x) * 100.0,
        6,
        think,
        &format!("{a} / {x} * 100"),
        |out| match way {
            0 => format!("{a} is {x}% of **{out}**."),
            1 => format!("The whole is **{out}**."),
            _ => format!("The number is **{out}**."),
        },
    )
}

/// Something rose by `{x}`% and is now `{b}`: what it was before. `{x}` is the bare number.
fn before_increase(rng: &mut Rng) -> Draw {
    let (x, before) = (rate(rng), base(rng));
    let after = value(&before) * (100.0 + value(&x)) / 100.0;
    let b = if after.fract() == 0.0 && after < 1e9 { format!("{after}") } else { base(rng) };
    let think = one(rng, [format!("Undo an increase of {x}% that gave {b}.")]);
    let way = rng.below(2);
    let slots = vec![("x", x.clone()), ("b", figures(&b, rng))];
    let inner = format!("{b} / (1 + {x} / 100)");
    ask(slots, value(&b) / (1.0 + value(&x) / 100.0), 2, think, &inner, |out| match way {
        0 => format!("Before the {x}% increase it was **{out}**."),
        _ => format!("The original value was **{out}**."),
    })
}

/// Something fell by `{x}`% and is now `{b}`: what it was before. `{x}` is the bare number.
fn before_decrease(rng: &mut Rng) -> Draw {
    let (x, before) = (part_rate(rng), base(rng));
    let after = value(&before) * (100.0 - value(&x)) / 100.0;
    let b = if after.fract() == 0.0 && after > 0.0 { format!("{after}") } else { base(rng) };
    let think = one(rng, [format!("Undo a decrease of {x}% that left {b}.")]);
    let way = rng.below(2);
    let slots = vec![("x", x.clone()), ("b", figures(&b, rng))];
    let inner = format!("{b} / (1 - {x} / 100)");
    ask(slots, value(&b) / (1.0 - value(&x) / 100.0), 2, think, &inner, |out| match way {
        0 => format!("Before the {x}% decrease it was **{out}**."),
        _ => format!("The original value was **{out}**."),
    })
}

/// Two or three changes in words, their factors as code, and what they do to an amount.
fn changes(rng: &mut Rng, start: Option<f64>) -> (String, String, f64) {
    let n = if rng.chance(0.8) { 2 } else { 3 };
    let (mut said, mut code, mut x) = (String::new(), String::new(), 1.0);
    for i in 0..n {
        let rate = (if rng.chance(0.7) { 5 * rng.int(1, 12) } else { rng.int(1, 60) }).to_string();
        let up = rng.chance(0.5);
        if i > 0 {
            said.push_str(rng.pick::<&str>(&[" and then ", ", then ", " and after that "]));
        }
        let word = if up {
            *rng.pick(&["up by", "increased by", "raised by"])
        } else {
            *rng.pick(&["down by", "decreased by", "reduced by"])
        };
        said.push_str(&format!("{word} {rate}%"));
        let part = value(&rate) / 100.0;
        let factor = if up { 1.0 + part } else { 1.0 - part };
        let sign = if up { '+' } else { '-' };
        x = if code.is_empty() { start.unwrap_or(1.0) * factor } else { x * factor };
        let times = if code.is_empty() && start.is_none() { "" } else { " * " };
        code.push_str(&format!("{times}(1 {sign} {rate} / 100)"));
    }
    (said, code, x)
}

/// `{y}` after the changes `{changes}`, a participle phrase as "increased by 10% and then reduced
/// by 20%" or "up by 5%, then down by 8%". Asked is the final amount.
fn successive(rng: &mut Rng) -> Draw {
    let y = (10 * rng.magnitude(4)).to_string();
    let (said, code, x) = changes(rng, Some(value(&y)));
    let think = one(rng, [format!("Apply the changes to {y} in order.")]);
    let way = rng.below(2);
    let slots = vec![("y", figures(&y, rng)), ("changes", said)];
    ask(slots, x, 6, think, &format!("{y}{code}"), |out| match way {
        0 => format!("In the end it is **{out}**."),
        _ => format!("The final value is **{out}**."),
    })
}

/// The overall percentage change (signed) of something that is `{changes}`, as "increased by 10%
/// and then reduced by 20%".
fn overall(rng: &mut Rng) -> Draw {
    let (said, code, x) = changes(rng, None);
    let think = one(rng, ["Multiply the factors and compare with 1.".into()]);
    let way = rng.below(2);
    ask(
        vec![("changes", said)],
        (x - 1.0) * 100.0,
        2,
        think,
        &format!("({code} - 1) * 100"),
        |out| match way {
            0 => format!("The overall change is **{out}**%."),
            _ => format!("Altogether it changes by **{out}**%."),
        },
    )
}

/// The fraction `{p}` ("3/8") as a percentage.
fn from_fraction(rng: &mut Rng) -> Draw {
    let d = if rng.chance(0.7) { rng.int(2, 20) } else { rng.int(2, 200) };
    let n_max = if rng.chance(0.1) { 3 * d } else { d };
    let n = rng.int(1, n_max);
    let think = one(rng, [format!("{n}/{d} as a percentage.")]);
    let way = rng.below(2);
    let slots = vec![("p", format!("{n}/{d}"))];
    ask(
        slots,
        n as f64 / d as f64 * 100.0,
        2,
        think,
        &format!("{n} / {d} * 100"),
        |out| match way {
            0 => format!("{n}/{d} is **{out}**%."),
            _ => format!("As a percentage it is **{out}**%."),
        },
    )
}

/// The decimal `{d}` ("0.375") as a percentage.
fn from_decimal(rng: &mut Rng) -> Draw {
    let d = if rng.chance(0.8) { format!("0.{:02}", rng.int(1, 99)) } else { decimal(rng, 1) };
    let think = one(rng, [format!("{d} as a percentage.")]);
    let way = rng.below(2);
    ask(vec![("d", d.clone())], value(&d) * 100.0, 6, think, &format!("{d} * 100"), |out| match way
    {
        0 => format!("{d} is **{out}**%."),
        _ => format!("As a percentage it is **{out}**%."),
    })
}

/// `{x}`% as a decimal number (15% is 0.15). `{x}` is the bare number.
fn to_decimal(rng: &mut Rng) -> Draw {
    let x = rate(rng);
    let think = one(rng, [format!("{x}% as a decimal.")]);
    let way = rng.below(2);
    ask(vec![("x", x.clone())], value(&x) / 100.0, 6, think, &format!("{x} / 100"), |out| match way
    {
        0 => format!("{x}% = **{out}**"),
        _ => format!("As a decimal it is **{out}**."),
    })
}

/// `{x}`% as a fraction in lowest terms (or a whole number). `{x}` is the bare number.
fn to_fraction(rng: &mut Rng) -> Draw {
    let x = rate(rng);
    let fraction = num_rational::Ratio::new((value(&x) * 1000.0).round() as i64, 100_000);
    let output = fraction.to_string();
    let think = one(rng, [format!("{x}% as a fraction.")]);
    let reply =
        one(rng, [format!("{x}% = **{output}**"), format!("As a fraction it is **{output}**.")]);
    let answer = vec![if fraction.is_integer() { number(&output) } else { text(&output) }];
    let code = format!("from fractions import Fraction as F; print(F('{x}') / 100)");
    solved(vec![("x", x)], answer, think, code, output, reply)
}

/// `{x}` per mille (‰, thousandths) of `{y}`. `{x}` is the bare number.
fn per_mille(rng: &mut Rng) -> Draw {
    let (x, y) = (rate(rng), base(rng));
    let think = one(rng, [format!("I need {x} per mille of {y}.")]);
    let way = rng.below(2);
    let slots = vec![("x", x.clone()), ("y", figures(&y, rng))];
    ask(slots, value(&y) * value(&x) / 1000.0, 6, think, &format!("{y} * {x} / 1000"), |out| {
        match way {
            0 => format!("{x}‰ of {y} is **{out}**."),
            _ => format!("It is **{out}**."),
        }
    })
}

/// `{x}` parts per million (ppm) of `{y}`, an amount without a unit.
fn ppm(rng: &mut Rng) -> Draw {
    let x = (5 * rng.magnitude(3)).to_string();
    let y = (1000 * rng.magnitude(4)).to_string();
    let think = one(rng, [format!("I need {x} millionths of {y}.")]);
    let way = rng.below(2);
    let slots = vec![("x", x.clone()), ("y", figures(&y, rng))];
    let inner = format!("{y} * {x} / 1000000");
    ask(slots, value(&y) * value(&x) / 1e6, 6, think, &inner, |out| match way {
        0 => format!("{x} ppm of {y} is **{out}**."),
        _ => format!("It is **{out}**."),
    })
}

/// `{x}`% of `{w}`% of `{y}`. `{x}` and `{w}` are bare numbers.
fn of_percent(rng: &mut Rng) -> Draw {
    let (x, w) = (part_rate(rng), part_rate(rng));
    let y = (10 * rng.magnitude(4)).to_string();
    let think = one(rng, [format!("I need {x}% of {w}% of {y}.")]);
    let way = rng.below(2);
    let slots = vec![("x", x.clone()), ("w", w.clone()), ("y", figures(&y, rng))];
    let amount = value(&y) * value(&w) / 100.0 * value(&x) / 100.0;
    let inner = format!("{y} * {w} / 100 * {x} / 100");
    ask(slots, amount, 6, think, &inner, |out| match way {
        0 => format!("{x}% of {w}% of {y} is **{out}**."),
        _ => format!("It is **{out}**."),
    })
}

/// The difference in percentage points between `{a}`% and `{b}`%, `{b}`% being the larger, as a
/// positive number. Both are bare numbers.
fn points(rng: &mut Rng) -> Draw {
    let (mut a, mut b) = (part_rate(rng), part_rate(rng));
    if value(&a) > value(&b) {
        (a, b) = (b, a);
    }
    if !a.contains('.') && !b.contains('.') {
        b = format!("{b}.{}", rng.int(1, 9));
    }
    let think = one(rng, [format!("Percentage points: {b} minus {a}.")]);
    let way = rng.below(2);
    let slots = vec![("a", a.clone()), ("b", b.clone())];
    ask(slots, value(&b) - value(&a), 6, think, &format!("{b} - {a}"), |out| match way {
        0 => format!("From {a}% to {b}% are **{out}** percentage points."),
        _ => format!("They differ by **{out}** percentage points."),
    })
}

/// By how many percent `{a}` is more than `{b}` (`{a}` is the larger; `{b}` is 100%).
fn more(rng: &mut Rng) -> Draw {
    let (a, b) = two_amounts(rng);
    let (a, b) = if value(&a) > value(&b) { (a, b) } else { (b, a) };
    let think = one(rng, [format!("How many percent {a} is above {b}.")]);
    let way = rng.below(2);
    let slots = vec![("a", figures(&a, rng)), ("b", figures(&b, rng))];
    let x = (value(&a) - value(&b)) / value(&b) * 100.0;
    ask(slots, x, 2, think, &format!("({a} - {b}) / {b} * 100"), |out| match way {
        0 => format!("{a} is **{out}**% more than {b}."),
        _ => format!("It is **{out}**% more."),
    })
}

/// By how many percent `{a}` is less than `{b}` (`{a}` is the smaller; `{b}` is 100%).
fn less(rng: &mut Rng) -> Draw {
    let (a, b) = two_amounts(rng);
    let (a, b) = if value(&a) < value(&b) { (a, b) } else { (b, a) };
    let think = one(rng, [format!("How many percent {a} is below {b}.")]);
    let way = rng.below(2);
    let slots = vec![("a", figures(&a, rng)), ("b", figures(&b, rng))];
    let x = (value(&b) - value(&a)) / value(&b) * 100.0;
    ask(slots, x, 2, think, &format!("({b} - {a}) / {b} * 100"), |out| match way {
        0 => format!("{a} is **{out}**% less than {b}."),
        _ => format!("It is **{out}**% less."),
    })
}

/// There are `{y}` `{things}` (a plural noun), `{x}`% of them are `{such}` (an adjective or
/// participle): how many are not. `{x}` is the bare number.
fn rest(rng: &mut Rng) -> Draw {
    const THINGS: &[(&str, &[&str])] = &[
        ("students", &["absent", "left-handed", "late", "vegetarian"]),
        ("apples", &["rotten", "red", "green"]),
        ("seats", &["taken", "broken", "reserved"]),
        ("employees", &["part-time", "remote", "on holiday"]),
        ("books", &["lent out", "damaged", "in English"]),
        ("parcels", &["delivered", "lost", "late"]),
        ("cars", &["electric", "red", "used"]),
        ("light bulbs", &["defective", "switched on"]),
        ("emails", &["spam", "unread"]),
        ("tickets", &["sold", "reduced"]),
        ("bottles", &["empty", "broken"]),
        ("trees", &["oaks", "sick"]),
        ("computers", &["switched off", "new"]),
        ("eggs", &["cracked", "brown"]),
    ];
    let (things, such) = *rng.pick(THINGS);
    let such = *rng.pick(such);
    let x = (5 * rng.int(1, 19)).to_string();
    let y = (20 * rng.magnitude(3)).to_string();
    let think = one(rng, [format!("{y} minus {x} percent of {y}.")]);
    let (n, p) = (value(&y) as i64, value(&x) as i64);
    let output = (n - n * p / 100).to_string();
    let reply = one(
        rng,
        [
            format!("**{output}** {things} are not {such}."),
            format!("The rest are **{output}** {things}."),
        ],
    );
    let slots = vec![
        ("x", x.clone()),
        ("y", figures(&y, rng)),
        ("things", things.to_owned()),
        ("such", such.to_owned()),
    ];
    let code = format!("print({y} - {y} * {x} // 100)");
    solved(slots, vec![number(&output)], think, code, output, reply)
}
