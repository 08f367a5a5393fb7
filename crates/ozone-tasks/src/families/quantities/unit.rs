//! Measures in other units. Each unit has one factor to the base of its dimension, so that the code
//! is always `amount * factor / factor`, and a factor of 1 is left out.

use super::words::{Amount, Cash, decimal_between, measure, shown, up_to};
use super::{Spec, cents, print, rounded, spec};
use crate::surface::{count, integer};
use crate::{Kind, Rng};

pub(super) fn kinds() -> Vec<Kind> {
    super::table![
        "unit/convert" 40 convert,
        "unit/round" 10 convert_rounded,
        "unit/one" 8 one,
        "unit/length" 12 length,
        "unit/mass" 10 mass,
        "unit/volume" 9 volume,
        "unit/time" 10 time,
        "unit/speed" 8 speed,
        "unit/area" 6 area,
        "unit/data" 9 data,
        "unit/energy" 5 energy,
        "unit/temperature" 12 temperature,
        "unit/angle" 6 angle,
        "unit/compound" 10 compound,
        "unit/split" 8 split,
        "unit/to_seconds" 6 to_seconds,
        "unit/from_seconds" 7 from_seconds,
        "unit/feet_inches" 7 feet_inches,
        "unit/to_feet_inches" 5 to_feet_inches,
        "unit/pounds_ounces" 4 pounds_ounces,
        "unit/sum" 6 sum,
        "unit/longer" 6 longer,
        "unit/duration_sum" 5 duration_sum,
        "unit/download" 5 download,
        "unit/kwh" 4 kwh,
        "unit/kwh_cost" 4 kwh_cost,
        "unit/bmi" 4 bmi,
        "unit/map" 5 map,
        "unit/pace" 4 pace,
    ]
}

/// The factor to the base of the dimension, the singular, and the ways to write many of it.
type Unit = (&'static str, &'static str, &'static [&'static str]);

const LENGTH: &[Unit] = &[
    ("1", "meter", &["meters", "metres", "m"]),
    ("1000", "kilometer", &["kilometers", "kilometres", "km", "km"]),
    ("0.01", "centimeter", &["centimeters", "centimetres", "cm", "cm"]),
    ("0.001", "millimeter", &["millimeters", "millimetres", "mm"]),
    ("1609.344", "mile", &["miles", "miles", "mi"]),
    ("0.3048", "foot", &["feet", "feet", "ft"]),
    ("0.0254", "inch", &["inches", "inches", "in"]),
    ("0.9144", "yard", &["yards", "yards", "yd"]),
    ("1852", "nautical mile", &["nautical miles"]),
];
const MASS: &[Unit] = &[
    ("1", "gram", &["grams", "g"]),
    ("1000", "kilogram", &["kilograms", "kg", "kg", "kilos"]),
    ("0.001", "milligram", &["milligrams", "mg"]),
    ("1000000", "metric ton", &["metric tons", "tonnes"]),
    ("453.59237", "pound", &["pounds", "lb", "lbs"]),
    ("28.349523125", "ounce", &["ounces", "oz"]),
    ("6350.29318", "stone", &["stone"]),
];
const VOLUME: &[Unit] = &[
    ("1", "liter", &["liters", "litres", "L"]),
    ("0.001", "milliliter", &["milliliters", "millilitres", "ml", "mL"]),
    ("0.01", "centiliter", &["centiliters", "cl"]),
    ("1000", "cubic meter", &["cubic meters", "cubic metres", "m³"]),
    ("3.785411784", "US gallon", &["gallons", "US gallons", "gal"]),
    ("4.54609", "imperial gallon", &["imperial gallons", "UK gallons"]),
    ("0.946352946", "quart", &["quarts", "US quarts"]),
    ("0.473176473", "pint", &["pints", "US pints"]),
    ("0.2365882365", "cup", &["cups", "US cups"]),
    ("0.0295735295625", "fluid ounce", &["fluid ounces", "fl oz"]),
];
const TIME: &[Unit] = &[
    ("1", "second", &["seconds", "s", "sec"]),
    ("60", "minute", &["minutes", "min", "mins"]),
    ("3600", "hour", &["hours", "h", "hrs"]),
    ("86400", "day", &["days"]),
    ("604800", "week", &["weeks"]),
    ("0.001", "millisecond", &["milliseconds", "ms"]),
];
const SPEED: &[Unit] = &[
    ("1", "kilometer per hour", &["km/h", "kilometers per hour", "kph", "kmh"]),
    ("3.6", "meter per second", &["m/s", "meters per second", "metres per second"]),
    ("1.609344", "mile per hour", &["mph", "miles per hour"]),
    ("1.852", "knot", &["knots", "kn"]),
    ("1.09728", "foot per second", &["feet per second", "ft/s"]),
];
const AREA: &[Unit] = &[
    ("1", "square meter", &["square meters", "square metres", "m²", "m2"]),
    ("1000000", "square kilometer", &["square kilometers", "km²", "km2"]),
    ("10000", "hectare", &["hectares", "ha"]),
    ("0.0001", "square centimeter", &["square centimeters", "cm²", "cm2"]),
    ("4046.8564224", "acre", &["acres"]),
    ("0.09290304", "square foot", &["square feet", "sq ft", "ft²"]),
    ("0.83612736", "square yard", &["square yards"]),
    ("2589988.110336", "square mile", &["square miles"]),
];
const DATA: &[Unit] = &[
    ("1", "byte", &["bytes", "B"]),
    ("1000", "kilobyte", &["kilobytes", "KB", "kB"]),
    ("1000**2", "megabyte", &["megabytes", "MB"]),
    ("1000**3", "gigabyte", &["gigabytes", "GB"]),
    ("1000**4", "terabyte", &["terabytes", "TB"]),
    ("1024", "kibibyte", &["KiB", "kibibytes"]),
    ("1024**2", "mebibyte", &["MiB", "mebibytes"]),
    ("1024**3", "gibibyte", &["GiB", "gibibytes"]),
    ("1024**4", "tebibyte", &["TiB", "tebibytes"]),
    ("0.125", "bit", &["bits"]),
    ("125000", "megabit", &["megabits", "Mbit"]),
];
const ENERGY: &[Unit] = &[
    ("1", "joule", &["joules", "J"]),
    ("1000", "kilojoule", &["kilojoules", "kJ"]),
    ("1000000", "megajoule", &["megajoules", "MJ"]),
    ("4.184", "calorie", &["calories", "cal"]),
    ("4184", "kilocalorie", &["kilocalories", "kcal"]),
    ("3600", "watt-hour", &["watt-hours", "Wh"]),
    ("3600000", "kilowatt-hour", &["kilowatt-hours", "kWh"]),
];
const PRESSURE: &[Unit] = &[
    ("1", "pascal", &["pascals", "Pa"]),
    ("100", "hectopascal", &["hectopascals", "hPa", "mbar"]),
    ("1000", "kilopascal", &["kilopascals", "kPa"]),
    ("100000", "bar", &["bar"]),
    ("101325", "atmosphere", &["atmospheres", "atm"]),
    ("6894.757293", "psi", &["psi", "pounds per square inch"]),
];
const POWER: &[Unit] = &[
    ("1", "watt", &["watts", "W"]),
    ("1000", "kilowatt", &["kilowatts", "kW"]),
    ("1000000", "megawatt", &["megawatts", "MW"]),
    ("745.7", "horsepower", &["horsepower", "hp"]),
];

/// The dimensions by how often people ask.
const DIMENSIONS: &[&[Unit]] = &[
    LENGTH, LENGTH, LENGTH, LENGTH, MASS, MASS, MASS, VOLUME, VOLUME, TIME, TIME, SPEED, AREA,
    DATA, DATA, ENERGY, PRESSURE, POWER,
];

fn value(factor: &str) -> f64 {
    match factor.split_once("**") {
        Some((base, power)) => {
            let base: f64 = base.parse().expect("a base");
            base.powi(power.parse().expect("a power"))
        }
        None => factor.parse().expect("a factor"),
    }
}

/// `x * from / to`, with what is 1 left out.
fn formula(x: &str, from: &str, to: &str) -> String {
    let times = if from == "1" { String::new() } else { format!(" * {from}") };
    let over = if to == "1" { String::new() } else { format!(" / {to}") };
    format!("{x}{times}{over}")
}

/// An amount and two different units in which it makes sense.
fn conversion(rng: &mut Rng, units: &[Unit]) -> (String, Unit, Unit) {
    loop {
        let (from, to) = (*rng.pick(units), *rng.pick(units));
        let high = *rng.pick(&[20, 100, 2_000, 90_000]);
        let x = measure(rng, 2, high);
        let result = x.parse::<f64>().expect("a measure") * value(from.0) / value(to.0);
        if from != to && x != "1" && (0.05..1e9).contains(&result) {
            return (x, from, to);
        }
    }
}

fn converted(rng: &mut Rng, units: &[Unit]) -> Spec {
    let (x, from, to) = conversion(rng, units);
    let (u, v) = (*rng.pick(from.2), *rng.pick(to.2));
    spec(
        [("x", shown(&x, rng)), ("u", u.to_owned()), ("v", v.to_owned())],
        [format!("Convert {x} {u} to {v}.")],
        rounded(&formula(&x, from.0, to.0), 4),
        [
            format!("{x} {u} is **@** {v}."),
            format!("{x} {u} = **@** {v}"),
            format!("That is **@** {v}."),
        ],
    )
}

/// `{x}` (a number) `{u}` (a unit of any dimension, plural or short) converted to `{v}` (another
/// unit of the same dimension, plural or short). Asked: the number of `{v}`, rounded to at most 4
/// decimals where the question names no rounding. Length, mass, volume (a plain gallon, pint or cup
/// is American), time, speed, area, data (KB is 1000 bytes, KiB is 1024), energy, pressure, power.
fn convert(rng: &mut Rng) -> Spec {
    let units = *rng.pick(DIMENSIONS);
    converted(rng, units)
}

/// As `unit/convert`, and `{d}` is a number of decimal places (0 to 4). Asked: the number of `{v}`
/// that `{x}` `{u}` are, rounded to `{d}` decimal places.
fn convert_rounded(rng: &mut Rng) -> Spec {
    let units = *rng.pick(DIMENSIONS);
    let (x, from, to) = conversion(rng, units);
    let (u, v, d) = (*rng.pick(from.2), *rng.pick(to.2), rng.int(1, 4) as u32);
    spec(
        [
            ("x", shown(&x, rng)),
            ("u", u.to_owned()),
            ("v", v.to_owned()),
            ("d", count(i64::from(d), rng)),
        ],
        [format!("Convert {x} {u} to {v}, {d} decimals.")],
        rounded(&formula(&x, from.0, to.0), d),
        [format!("{x} {u} is **@** {v}."), format!("That is **@** {v}.")],
    )
}

/// `{u}` is the singular of a unit (no abbreviation), `{v}` is a smaller unit (plural or short).
/// Asked: how many `{v}` there are in one `{u}`.
fn one(rng: &mut Rng) -> Spec {
    loop {
        let units = *rng.pick(DIMENSIONS);
        let (from, to) = (*rng.pick(units), *rng.pick(units));
        let (u, v) = (from.1, *rng.pick(to.2));
        let result = value(from.0) / value(to.0);
        if !(1.01..1e10).contains(&result) {
            continue;
        }
        return spec(
            [("u", u.to_owned()), ("v", v.to_owned())],
            [format!("Convert 1 {u} to {v}.")],
            rounded(&formula("1", from.0, to.0), 4),
            [format!("One {u} is **@** {v}."), format!("1 {u} = **@** {v}")],
        );
    }
}

/// `{x}` (a number) `{u}` (a unit of length, plural or short). Asked: how many `{v}` (another unit
/// of length) that is. The wordings speak of ways, heights, widths, distances.
fn length(rng: &mut Rng) -> Spec {
    converted(rng, LENGTH)
}

/// `{x}` (a number) `{u}` (a unit of mass, plural or short). Asked: how many `{v}` (another unit of
/// mass) that is. The wordings speak of weighing.
fn mass(rng: &mut Rng) -> Spec {
    converted(rng, MASS)
}

/// `{x}` (a number) `{u}` (a unit of volume, plural or short; gallons are American). Asked: how many
/// `{v}` (another unit of volume) that is. The wordings speak of liquids and vessels.
fn volume(rng: &mut Rng) -> Spec {
    converted(rng, VOLUME)
}

/// `{x}` (a number) `{u}` (a unit of time from milliseconds to weeks). Asked: how many `{v}` (another
/// unit of time) that is. The wordings speak of how long something takes.
fn time(rng: &mut Rng) -> Spec {
    converted(rng, TIME)
}

/// `{x}` (a number) `{u}` (a unit of speed). Asked: how many `{v}` (another unit of speed) that is.
/// The wordings speak of cars, winds, runners.
fn speed(rng: &mut Rng) -> Spec {
    converted(rng, SPEED)
}

/// `{x}` (a number) `{u}` (a unit of area). Asked: how many `{v}` (another unit of area) that is.
/// The wordings speak of land, flats, floors.
fn area(rng: &mut Rng) -> Spec {
    converted(rng, AREA)
}

/// `{x}` (a number) `{u}` (a unit of data; KB is 1000 bytes, KiB is 1024). Asked: how many `{v}`
/// (another unit of data) that is. The wordings speak of files, disks, memory.
fn data(rng: &mut Rng) -> Spec {
    converted(rng, DATA)
}

/// `{x}` (a number) `{u}` (a unit of energy). Asked: how many `{v}` (another unit of energy) that
/// is. The wordings speak of food and electricity.
fn energy(rng: &mut Rng) -> Spec {
    converted(rng, ENERGY)
}

/// A temperature of `{x}` (a number, may be negative) in `{u}` (Celsius, Fahrenheit or kelvin, as a
/// word or a sign such as `°C`). Asked: the same in `{v}`, rounded to at most 2 decimals.
fn temperature(rng: &mut Rng) -> Spec {
    const SCALES: [&[&str]; 3] = [
        &["°C", "degrees Celsius", "Celsius", "C", "deg C"],
        &["°F", "degrees Fahrenheit", "Fahrenheit", "F", "deg F"],
        &["K", "kelvin", "Kelvin"],
    ];
    let from = *rng.pick(&[0, 0, 0, 1, 1, 1, 2]);
    let to = *rng.pick(&[0, 0, 0, 1, 1, 1, 2]);
    let to = if to == from { (from + 1) % 2 } else { to };
    let x = match from {
        2 => rng.int(0, 900),
        0 if rng.chance(0.2) => rng.int(100, 1_500),
        0 => rng.int(-60, 110),
        _ => rng.int(-80, 450),
    };
    let x = if rng.chance(0.2) { format!("{x}.{}", rng.int(1, 9)) } else { x.to_string() };
    let code = match (from, to) {
        (0, 1) => format!("{x} * 9 / 5 + 32"),
        (1, 0) => format!("({x} - 32) * 5 / 9"),
        (0, _) => format!("{x} + 273.15"),
        (1, _) => format!("({x} - 32) * 5 / 9 + 273.15"),
        (_, 0) => format!("{x} - 273.15"),
        (_, _) => format!("({x} - 273.15) * 9 / 5 + 32"),
    };
    let (u, v) = (*rng.pick(SCALES[from]), *rng.pick(SCALES[to]));
    spec(
        [("x", x.clone()), ("u", u.to_owned()), ("v", v.to_owned())],
        [format!("Convert {x} {u} to {v}.")],
        rounded(&code, 2),
        [
            format!("{x} {u} is **@** {v}."),
            format!("{x} {u} = **@** {v}"),
            format!("That is **@** {v}."),
        ],
    )
}

/// An angle of `{x}` (a number) in `{u}` (degrees or radians). Asked: the same in `{v}` (the other
/// one), rounded to 4 decimals.
fn angle(rng: &mut Rng) -> Spec {
    let degrees = rng.chance(0.6);
    let x = if degrees { measure(rng, 1, 720) } else { decimal_between(rng, 0, 20, 2) };
    let (u, v, function) = if degrees {
        (*rng.pick(&["degrees", "°", "deg"]), *rng.pick(&["radians", "rad"]), "math.radians")
    } else {
        (*rng.pick(&["radians", "rad"]), *rng.pick(&["degrees", "deg"]), "math.degrees")
    };
    spec(
        [("x", x.clone()), ("u", u.to_owned()), ("v", v.to_owned())],
        [format!("Convert {x} {u} to {v}.")],
        format!("import math; {}", rounded(&format!("{function}({x})"), 4)),
        [format!("{x} {u} is **@** {v}."), format!("That is **@** {v}.")],
    )
}

/// Pairs of units that are used together: the larger, the smaller, how many go into the larger.
const PAIRS: &[(&[&str], &[&str], i64)] = &[
    (&["hours", "h", "hrs"], &["minutes", "min", "mins"], 60),
    (&["hours", "h"], &["minutes", "min"], 60),
    (&["minutes", "min"], &["seconds", "s", "sec"], 60),
    (&["days"], &["hours", "h"], 24),
    (&["weeks"], &["days"], 7),
    (&["years"], &["months"], 12),
    (&["km", "kilometers"], &["m", "meters"], 1000),
    (&["m", "meters", "metres"], &["cm", "centimeters"], 100),
    (&["cm"], &["mm"], 10),
    (&["kg", "kilograms"], &["g", "grams"], 1000),
    (&["liters", "litres", "L"], &["ml", "milliliters"], 1000),
    (&["feet", "ft"], &["inches", "in"], 12),
    (&["yards"], &["feet"], 3),
    (&["pounds", "lb", "lbs"], &["ounces", "oz"], 16),
    (&["stone"], &["pounds", "lb"], 14),
    (&["dozen"], &["pieces"], 12),
];

/// `{a}` `{u}` and `{b}` `{w}`, a measure in two units together, such as 2 h 35 min or 5 ft 11 in
/// (`{u}` is the larger unit, plural or short). Asked: all of it in `{w}`, the smaller unit.
fn compound(rng: &mut Rng) -> Spec {
    let (large, small, f) = *rng.pick(PAIRS);
    let (u, w) = (*rng.pick(large), *rng.pick(small));
    let a = up_to(rng, 2, &[12, 99, 500]);
    let b = rng.int(2, f.max(3) - 1);
    spec(
        [("a", count(a, rng)), ("u", u.to_owned()), ("b", count(b, rng)), ("w", w.to_owned())],
        [format!("{a} {u} and {b} {w}, all in {w}.")],
        print(&format!("{a} * {f} + {b}")),
        [format!("That is **@** {w}."), format!("{a} {u} {b} {w} = **@** {w}")],
    )
}

/// `{n}` `{w}` (the smaller unit, plural or short) split into `{u}` (the larger one) and `{w}`, such
/// as 155 min into hours and minutes. Asked: the whole `{u}`, and then the `{w}` that remain.
fn split(rng: &mut Rng) -> Spec {
    let (large, small, f) = *rng.pick(PAIRS);
    let (u, w) = (*rng.pick(large), *rng.pick(small));
    let n = up_to(rng, f + 1, &[f * 5, f * 20, f * 300]);
    spec(
        [("n", integer(n, rng)), ("u", u.to_owned()), ("w", w.to_owned())],
        [format!("{n} {w} in {u} and {w}: divide by {f}.")],
        print(&format!("divmod({n}, {f})")),
        [format!("{n} {w} = **@** {u} and **@** {w}"), format!("**@** {u} and **@** {w}.")],
    )
}

/// `{h}` hours, `{m}` minutes and `{s}` seconds (numbers only). Asked: how many seconds in all.
fn to_seconds(rng: &mut Rng) -> Spec {
    let (h, m, s) = (rng.int(1, 48), rng.int(0, 59), rng.int(0, 59));
    spec(
        [("h", h.to_string()), ("m", m.to_string()), ("s", s.to_string())],
        [format!("{h} hours, {m} minutes, {s} seconds in seconds.")],
        print(&format!("{h} * 3600 + {m} * 60 + {s}")),
        ["That is **@** seconds.".into(), "**@** seconds.".into()],
    )
}

/// `{n}` seconds (a number only). Asked: the same in whole hours, then minutes (under 60), then
/// seconds (under 60): three values in this order.
fn from_seconds(rng: &mut Rng) -> Spec {
    let n = up_to(rng, 3_600, &[9_999, 99_999, 999_999]);
    spec(
        [("n", integer(n, rng))],
        [format!("{n} seconds in hours, minutes, seconds.")],
        print(&format!("{n} // 3600, {n} % 3600 // 60, {n} % 60")),
        [
            "**@** hours, **@** minutes and **@** seconds.".into(),
            format!("{n} seconds = **@** h **@** min **@** s"),
        ],
    )
}

/// A height or length of `{a}` feet and `{b}` inches (numbers only). Asked: the same in centimetres,
/// rounded to at most 2 decimals.
fn feet_inches(rng: &mut Rng) -> Spec {
    let (a, b) = (up_to(rng, 1, &[7, 7, 40]), rng.int(0, 11));
    spec(
        [("a", a.to_string()), ("b", b.to_string())],
        [format!("{a} ft {b} in in cm.")],
        rounded(&format!("({a} * 12 + {b}) * 2.54"), 2),
        ["That is **@** cm.".into(), format!("{a} ft {b} in = **@** cm")],
    )
}

/// A height of `{n}` centimetres (a number only). Asked: whole feet, and then inches, rounded to the
/// nearest inch.
fn to_feet_inches(rng: &mut Rng) -> Spec {
    let n = up_to(rng, 40, &[215, 215, 900]);
    spec(
        [("n", n.to_string())],
        [format!("{n} cm in feet and inches, to the nearest inch.")],
        print(&format!("divmod(round({n} / 2.54), 12)")),
        ["About **@** feet **@** inches.".into(), format!("{n} cm is **@** ft **@** in.")],
    )
}

/// `{a}` pounds and `{b}` ounces (numbers only). Asked: the same in grams, rounded to at most 2
/// decimals.
fn pounds_ounces(rng: &mut Rng) -> Spec {
    let (a, b) = (rng.int(1, 40), rng.int(0, 15));
    spec(
        [("a", a.to_string()), ("b", b.to_string())],
        [format!("{a} lb {b} oz in grams.")],
        rounded(&format!("({a} * 16 + {b}) * 28.349523125"), 2),
        ["That is **@** grams.".into(), format!("{a} lb {b} oz = **@** g")],
    )
}

/// `{x}` `{u}` and `{y}` `{w}` (two measures of the same dimension, in units that may differ).
/// Asked: their sum in `{v}` (a unit of this dimension), rounded to at most 4 decimals.
fn sum(rng: &mut Rng) -> Spec {
    let units = *rng.pick(&[LENGTH, MASS, VOLUME, TIME]);
    let ((x, from, to), (y, other, _)) = (conversion(rng, units), conversion(rng, units));
    let (u, w, v) = (*rng.pick(from.2), *rng.pick(other.2), *rng.pick(to.2));
    let inner = format!("{} + {}", formula(&x, from.0, "1"), formula(&y, other.0, "1"));
    let code = if to.0 == "1" { inner } else { format!("({inner}) / {}", to.0) };
    spec(
        [
            ("x", shown(&x, rng)),
            ("u", u.to_owned()),
            ("y", shown(&y, rng)),
            ("w", w.to_owned()),
            ("v", v.to_owned()),
        ],
        [format!("Convert {x} {u} plus {y} {w} to {v}.")],
        rounded(&code, 4),
        [format!("Together it is **@** {v}."), format!("The sum is **@** {v}.")],
    )
}

/// `{a}` and `{b}` are two measures of one dimension with their units (such as `5 miles`, `8 km`).
/// Asked: which one is more (longer, heavier, larger, faster). The answer is that slot's text.
fn longer(rng: &mut Rng) -> Spec {
    loop {
        let units = *rng.pick(DIMENSIONS);
        let (x, from, to) = conversion(rng, units);
        let near = x.parse::<f64>().expect("a measure") * value(from.0) / value(to.0);
        let y = (near * rng.int(60, 150) as f64 / 100.0).round();
        if !(2.0..1e7).contains(&y) {
            continue;
        }
        let (a, b) = (format!("{x} {}", rng.pick(from.2)), format!("{y} {}", rng.pick(to.2)));
        let (left, right) = (formula(&x, from.0, "1"), formula(&y.to_string(), to.0, "1"));
        return spec(
            [("a", a.clone()), ("b", b.clone())],
            [format!("Compare {a} with {b} in one unit.")],
            print(&format!("'{a}' if {left} > {right} else '{b}'")),
            ["**@** is more.".into(), "It is **@**.".into()],
        );
    }
}

/// `{a}` hours `{b}` minutes, and `{c}` hours `{d}` minutes (numbers only). Asked: the sum of the two
/// as whole hours, and then the minutes that remain.
fn duration_sum(rng: &mut Rng) -> Spec {
    let (a, b, c, d) = (rng.int(1, 30), rng.int(1, 59), rng.int(1, 30), rng.int(1, 59));
    spec(
        [("a", a.to_string()), ("b", b.to_string()), ("c", c.to_string()), ("d", d.to_string())],
        [format!("{a} h {b} min plus {c} h {d} min in hours and minutes.")],
        print(&format!("divmod(({a} + {c}) * 60 + {b} + {d}, 60)")),
        ["**@** hours and **@** minutes.".into(), "Together **@** h **@** min.".into()],
    )
}

/// A file of `{n}` `{u}` (`{u}` is MB or GB, powers of 1000) is sent at `{r}` Mbit/s (a number only).
/// Asked: how many seconds it takes.
fn download(rng: &mut Rng) -> Spec {
    let (u, bits) = *rng.pick(&[("MB", "8"), ("GB", "8000")]);
    let (n, r) = (
        measure(rng, 2, 900),
        *rng.pick(&[1, 2, 5, 8, 10, 16, 20, 25, 40, 50, 100, 250, 400, 1000]),
    );
    spec(
        [("n", n.clone()), ("u", u.to_owned()), ("r", r.to_string())],
        [format!("{n} {u} are {n} * {bits} megabits, at {r} a second.")],
        rounded(&format!("{n} * {bits} / {r}"), 2),
        ["It takes **@** seconds.".into(), "**@** seconds.".into()],
    )
}

/// A device of `{w}` watts runs for `{h}` hours (numbers only). Asked: how many kilowatt-hours it
/// uses.
fn kwh(rng: &mut Rng) -> Spec {
    let (w, h) = (rng.magnitude(4).max(3), measure(rng, 1, 800));
    spec(
        [("w", integer(w, rng)), ("h", shown(&h, rng))],
        [format!("{w} watts for {h} hours in kWh.")],
        rounded(&format!("{w} * {h} / 1000"), 4),
        ["It uses **@** kWh.".into(), "**@** kWh.".into()],
    )
}

/// A device of `{w}` watts runs for `{h}` hours (numbers only); a kilowatt-hour costs `{p}` (with its
/// currency). Asked: what that costs.
fn kwh_cost(rng: &mut Rng) -> Spec {
    let (w, h) = (rng.magnitude(4).max(30), measure(rng, 5, 900));
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 5, 90));
    let bold = cash.bold();
    spec(
        [("w", integer(w, rng)), ("h", shown(&h, rng)), ("p", cash.show(&p, rng))],
        [format!("{w} watts for {h} hours, {p} for a kWh.")],
        cents(&format!("{w} * {h} / 1000 * {p}")),
        [format!("It costs {bold}."), format!("The electricity costs {bold}.")],
    )
}

/// A person weighs `{w}` kg and is `{h}` m tall (numbers only). Asked: the body mass index, kg/m²,
/// rounded to 2 decimals.
fn bmi(rng: &mut Rng) -> Spec {
    let (w, h) = (rng.int(30, 160), decimal_between(rng, 1, 2, 2));
    spec(
        [("w", w.to_string()), ("h", h.clone())],
        [format!("BMI: {w} kg over the square of {h} m.")],
        rounded(&format!("{w} / {h}**2"), 2),
        ["The BMI is **@**.".into(), "It is **@**.".into()],
    )
}

/// On a map with the scale 1:`{k}` two places are `{x}` cm apart (numbers only). Asked: how many
/// kilometres that is in reality.
fn map(rng: &mut Rng) -> Spec {
    let k = rng.int(1, 9) * *rng.pick(&[5_000, 10_000, 25_000, 50_000, 100_000]);
    let x = measure(rng, 1, 90);
    spec(
        [("k", integer(k, rng)), ("x", x.clone())],
        [format!("{x} cm times {k}, in km.")],
        rounded(&format!("{x} * {k} / 100000"), 4),
        ["It is **@** km.".into(), "In reality it is **@** km.".into()],
    )
}

/// Someone runs `{d}` km in `{t}` minutes (numbers only). Asked: the pace in minutes per kilometre,
/// rounded to at most 4 decimals.
fn pace(rng: &mut Rng) -> Spec {
    let (d, t) = (measure(rng, 1, 60), rng.int(4, 400));
    spec(
        [("d", d.clone()), ("t", t.to_string())],
        [format!("Pace: {t} minutes divided by {d} km.")],
        rounded(&format!("{t} / {d}"), 4),
        ["The pace is **@** minutes per km.".into(), "**@** minutes per kilometer.".into()],
    )
}
