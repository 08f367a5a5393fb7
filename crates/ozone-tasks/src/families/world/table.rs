//! Small tables that stand in the question.

use super::{Slots, call, either, plain};
use crate::grade::{number, text};
use crate::{Answer, Draw, Kind, Rng, Step, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("table/total", 14, total),
        kind("table/mean", 12, mean),
        kind("table/median", 8, median),
        kind("table/largest", 12, largest),
        kind("table/smallest", 12, smallest),
        kind("table/range", 8, range),
        kind("table/count-above", 12, count_above),
        kind("table/count-below", 8, count_below),
        kind("table/sum-above", 10, sum_above),
        kind("table/names-above", 8, names_above),
        kind("table/difference", 12, difference),
        kind("table/pair-sum", 8, pair_sum),
        kind("table/lookup", 8, lookup),
        kind("table/share", 10, share),
        kind("table/descending", 8, descending),
        kind("table/ascending", 8, ascending),
        kind("table/second", 6, second),
        kind("table/above-mean", 6, above_mean),
        kind("table/without", 6, without),
        kind("table/column-total", 10, column_total),
        kind("table/column-largest", 8, column_largest),
        kind("table/bill", 14, bill),
        kind("table/group-sum", 10, group_sum),
        kind("table/group-count", 8, group_count),
        kind("table/groups", 6, groups),
    ]
}

/// What the rows of a table may be about: the two headings, names, largest value.
struct Theme {
    name: &'static str,
    value: &'static str,
    names: &'static [&'static str],
    max: u32,
}

const FRUIT: &[&str] = &[
    "apples", "pears", "plums", "cherries", "bananas", "grapes", "lemons", "oranges", "figs",
    "kiwis", "melons", "peaches", "mangos", "berries",
];
const GOODS: &[&str] = &[
    "pen", "notebook", "ruler", "stapler", "folder", "lamp", "chair", "desk", "mug", "cable",
    "mouse", "keyboard", "screen", "phone", "bag", "bottle", "hammer", "saw", "drill", "paint",
];
const CITIES: &[&str] = &[
    "Oslo", "Rome", "Lima", "Cairo", "Delhi", "Paris", "Tokyo", "Berlin", "Madrid", "Lagos",
    "Quito", "Hanoi", "Dublin", "Vienna", "Seoul", "Perth", "Boston", "Porto", "Turin", "Bergen",
];
const TEAMS: &[&str] = &[
    "sales",
    "support",
    "legal",
    "finance",
    "marketing",
    "research",
    "design",
    "IT",
    "logistics",
    "HR",
    "production",
    "quality",
    "training",
    "security",
];
const DAYS: &[&str] = &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: &[&str] =
    &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const ANIMALS: &[&str] = &[
    "cats", "dogs", "hens", "cows", "goats", "sheep", "ducks", "geese", "horses", "pigs",
    "rabbits", "bees", "fish", "birds",
];
const COLOURS: &[&str] =
    &["red", "blue", "green", "black", "white", "yellow", "pink", "grey", "brown", "purple"];

const THEMES: &[Theme] = &[
    Theme { name: "fruit", value: "count", names: FRUIT, max: 3 },
    Theme { name: "item", value: "stock", names: GOODS, max: 3 },
    Theme { name: "product", value: "sold", names: GOODS, max: 4 },
    Theme { name: "product", value: "price", names: GOODS, max: 3 },
    Theme { name: "city", value: "visitors", names: CITIES, max: 6 },
    Theme { name: "city", value: "rain", names: CITIES, max: 3 },
    Theme { name: "team", value: "staff", names: TEAMS, max: 2 },
    Theme { name: "department", value: "budget", names: TEAMS, max: 6 },
    Theme { name: "day", value: "steps", names: DAYS, max: 5 },
    Theme { name: "day", value: "orders", names: DAYS, max: 3 },
    Theme { name: "month", value: "sales", names: MONTHS, max: 5 },
    Theme { name: "month", value: "revenue", names: MONTHS, max: 6 },
    Theme { name: "animal", value: "number", names: ANIMALS, max: 3 },
    Theme { name: "name", value: "points", names: surface::NAMES, max: 3 },
    Theme { name: "student", value: "score", names: surface::NAMES, max: 2 },
    Theme { name: "player", value: "goals", names: surface::NAMES, max: 2 },
    Theme { name: "person", value: "age", names: surface::NAMES, max: 2 },
    Theme { name: "colour", value: "votes", names: COLOURS, max: 4 },
];

fn cap(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// A table of text cells in one of the shapes in which people paste tables.
fn drawn(header: &[&str], rows: &[Vec<String>], rng: &mut Rng) -> String {
    let upper = rng.chance(0.3);
    let header: Vec<String> =
        header.iter().map(|h| if upper { cap(h) } else { (*h).to_owned() }).collect();
    let all = || std::iter::once(&header).chain(rows);
    let lines = |sep: &str| all().map(|r| r.join(sep)).collect::<Vec<_>>().join("\n");
    let bare = |sep: &str| rows.iter().map(|r| r.join(sep)).collect::<Vec<_>>();
    let two = header.len() == 2;
    match rng.below(10) {
        0 | 1 => lines(","),
        2 => lines(", "),
        3 => lines(";"),
        4 => lines(" | "),
        5 => {
            let mut out = vec![format!("| {} |", header.join(" | "))];
            out.push(format!("|{}", "---|".repeat(header.len())));
            out.extend(rows.iter().map(|r| format!("| {} |", r.join(" | "))));
            out.join("\n")
        }
        6 | 7 if two => bare(": ").join("\n"),
        8 if two => bare(": ").join(", "),
        9 if two => bare(" ").join(", "),
        6 => lines("\t"),
        _ => lines(" "),
    }
}

/// Three to six rows of a name and a number each, the numbers all different.
struct Rows {
    rows: Vec<(String, i64)>,
    shown: String,
}

fn name_pool(theme: &Theme, n: usize, rng: &mut Rng) -> Vec<String> {
    if rng.chance(0.3) {
        let mut names: Vec<String> = vec![];
        while names.len() < n {
            let word = surface::nonsense(rng);
            if !names.contains(&word) {
                names.push(word);
            }
        }
        return names;
    }
    rng.sample(theme.names, n).into_iter().map(str::to_owned).collect()
}

impl Rows {
    fn draw(rng: &mut Rng) -> Self {
        let theme = rng.pick(THEMES);
        let n = rng.int(3, 6) as usize;
        let names = name_pool(theme, n, rng);
        let digits = rng.int(1, i64::from(theme.max)) as u32;
        let mut rows: Vec<(String, i64)> = vec![];
        for name in names {
            let mut value = rng.magnitude(digits.max(2));
            while rows.iter().any(|r| r.1 == value) {
                value += 1;
            }
            rows.push((name, value));
        }
        let cells: Vec<Vec<String>> =
            rows.iter().map(|(k, v)| vec![k.clone(), v.to_string()]).collect();
        let shown = drawn(&[theme.name, theme.value], &cells, rng);
        Rows { rows, shown }
    }

    fn values(&self) -> Vec<i64> {
        self.rows.iter().map(|r| r.1).collect()
    }

    fn sum(&self) -> i64 {
        self.values().iter().sum()
    }

    /// `[12, 30, 7]`
    fn list(&self) -> String {
        list(&self.values())
    }

    /// `{'Ada': 12, 'Ben': 30}`
    fn dict(&self) -> String {
        let pairs: Vec<String> =
            self.rows.iter().map(|(k, v)| format!("{}: {v}", python::string(k))).collect();
        format!("{{{}}}", pairs.join(", "))
    }

    fn slots(&self) -> Slots {
        vec![("table", self.shown.clone())]
    }

    fn two(&self, rng: &mut Rng) -> [(String, i64); 2] {
        let two = rng.sample(&self.rows, 2);
        [two[0].clone(), two[1].clone()]
    }

    /// A limit that is a value of the table or close to one.
    fn limit(&self, rng: &mut Rng) -> i64 {
        let value = rng.pick(&self.rows).1;
        if rng.chance(0.4) { value } else { value / 10 * 10 }
    }

    fn sorted(&self, descending: bool) -> Vec<(String, i64)> {
        let mut rows = self.rows.clone();
        rows.sort_by_key(|r| if descending { -r.1 } else { r.1 });
        rows
    }
}

fn list(values: &[i64]) -> String {
    python::list(&values.iter().map(i64::to_string).collect::<Vec<_>>())
}

/// The total of the values in `{table}`. (Every `{table}` has three to six rows: a name and a number
/// each, with a header or without one; it is several lines long, or one line.)
fn total(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let n = t.sum();
    let think = either(rng, [format!("Total of {}.", t.list()), format!("Add up {}.", t.list())]);
    let reply = either(
        rng,
        [
            format!("The total is **{n}**."),
            format!("All rows together: **{n}**."),
            format!("They add up to **{n}**."),
        ],
    );
    call(
        t.slots(),
        Step::new(think, format!("print(sum({}))", t.list()), n.to_string()),
        vec![number(n)],
        reply,
    )
}

/// The mean (average) of the values in `{table}`, rounded to four decimals where
/// it is not shorter.
fn mean(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let (sum, n) = (t.sum(), t.rows.len() as i64);
    let x = if sum % n == 0 {
        (sum / n).to_string()
    } else {
        python::rounded(sum as f64 / n as f64, 4)
    };
    let code = format!("from statistics import mean; print(round(mean({}), 4))", t.list());
    let reply = either(
        rng,
        [
            format!("The average is **{x}**."),
            format!("The mean is **{x}**."),
            format!("On average it is **{x}**."),
        ],
    );
    call(
        t.slots(),
        Step::new(format!("Mean of {}.", t.list()), code, x.clone()),
        vec![number(x)],
        reply,
    )
}

/// The median of the values in `{table}`.
fn median(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let mut v = t.values();
    v.sort_unstable();
    let half = v.len() / 2;
    let x = if v.len() % 2 == 1 {
        v[half].to_string()
    } else {
        python::float((v[half - 1] + v[half]) as f64 / 2.0)
    };
    call(
        t.slots(),
        Step::new(
            format!("Median of {}.", t.list()),
            format!("from statistics import median; print(round(median({}), 4))", t.list()),
            x.clone(),
        ),
        vec![number(&x)],
        either(rng, [format!("The median is **{x}**."), format!("Median: **{x}**")]),
    )
}

fn extreme(rng: &mut Rng, function: &str, word: &str) -> Draw {
    let t = Rows::draw(rng);
    let (name, value) = t.sorted(function == "max").swap_remove(0);
    let reply = either(
        rng,
        [
            format!("**{name}** has the {word} value, {value}."),
            format!("It is **{name}**."),
            format!("**{name}**, with {value}."),
        ],
    );
    let code = format!("t = {}; k = {function}(t, key=t.get); print(k, t[k])", t.dict());
    call(
        t.slots(),
        Step::new(format!("Row with the {word} value."), code, format!("{name} {value}")),
        vec![text(name)],
        reply,
    )
}

/// The name of the row with the largest value in `{table}` (the name alone is asked for).
fn largest(rng: &mut Rng) -> Draw {
    extreme(rng, "max", "largest")
}

/// The name of the row with the smallest value in `{table}` (the name alone is asked for).
fn smallest(rng: &mut Rng) -> Draw {
    extreme(rng, "min", "smallest")
}

/// The difference between the largest and the smallest value in `{table}`.
fn range(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let v = t.values();
    let n = v.iter().max().unwrap_or(&0) - v.iter().min().unwrap_or(&0);
    call(
        t.slots(),
        Step::new(
            format!("Largest minus smallest of {}.", t.list()),
            format!("x = {}; print(max(x) - min(x))", t.list()),
            n.to_string(),
        ),
        vec![number(n)],
        either(
            rng,
            [format!("The difference is **{n}**."), format!("Largest minus smallest is **{n}**.")],
        ),
    )
}

fn counted(rng: &mut Rng, sign: &str, word: &str) -> Draw {
    let t = Rows::draw(rng);
    let limit = t.limit(rng);
    let fits = |v: i64| if sign == ">" { v > limit } else { v < limit };
    let n = t.values().into_iter().filter(|v| fits(*v)).count();
    let mut slots = t.slots();
    slots.push(("limit", limit.to_string()));
    call(
        slots,
        Step::new(
            format!("Values {word} {limit}: count them."),
            format!("print(sum(n {sign} {limit} for n in {}))", t.list()),
            n.to_string(),
        ),
        vec![number(n)],
        either(
            rng,
            [
                format!("**{n}** rows are {word} {limit}."),
                format!("There are **{n}** values {word} {limit}."),
            ],
        ),
    )
}

/// How many rows of `{table}` have a value above `{limit}` (strictly)?
fn count_above(rng: &mut Rng) -> Draw {
    counted(rng, ">", "above")
}

/// How many rows of `{table}` have a value below `{limit}` (strictly)?
fn count_below(rng: &mut Rng) -> Draw {
    counted(rng, "<", "below")
}

/// The sum of those values in `{table}` that are above `{limit}` (strictly).
fn sum_above(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let limit = t.limit(rng);
    let n: i64 = t.values().iter().filter(|v| **v > limit).sum();
    let mut slots = t.slots();
    slots.push(("limit", limit.to_string()));
    call(
        slots,
        Step::new(
            format!("Values above {limit}: add them up."),
            format!("print(sum(n for n in {} if n > {limit}))", t.list()),
            n.to_string(),
        ),
        vec![number(n)],
        either(
            rng,
            [
                format!("The values above {limit} add up to **{n}**."),
                format!("Their sum is **{n}**."),
            ],
        ),
    )
}

/// The names of the rows of `{table}` whose value is above `{limit}` (strictly), in the order of the
/// table; there is at least one.
fn names_above(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let mut limit = t.limit(rng);
    if t.values().iter().all(|v| *v <= limit) {
        limit = t.sorted(true)[1].1;
    }
    let names: Vec<String> = t.rows.iter().filter(|r| r.1 > limit).map(|r| r.0.clone()).collect();
    let shown = names.join(", ");
    let printed: Vec<String> = names.iter().map(|n| python::string(n)).collect();
    let mut slots = t.slots();
    slots.push(("limit", limit.to_string()));
    call(
        slots,
        Step::new(
            format!("Names with a value above {limit}."),
            format!("print([k for k, v in {}.items() if v > {limit}])", t.dict()),
            python::list(&printed),
        ),
        vec![text(&shown)],
        either(rng, [format!("Above {limit}: **{shown}**"), format!("**{shown}**")]),
    )
}

/// The difference between the values of the rows `{x}` and `{y}` of `{table}`; `{x}` has the larger
/// one.
fn difference(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let [mut x, mut y] = t.two(rng);
    if x.1 < y.1 {
        (x, y) = (y, x);
    }
    let n = x.1 - y.1;
    let mut slots = t.slots();
    slots.extend([("x", x.0.clone()), ("y", y.0.clone())]);
    let reply = either(
        rng,
        [format!("{} has **{n}** more than {}.", x.0, y.0), format!("The difference is **{n}**.")],
    );
    call(
        slots,
        Step::new(
            format!("{} minus {}: {} - {}.", x.0, y.0, x.1, y.1),
            format!("print(abs({} - {}))", x.1, y.1),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

/// The sum of the values of the two rows `{x}` and `{y}` of `{table}`.
fn pair_sum(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let [x, y] = t.two(rng);
    let n = x.1 + y.1;
    let mut slots = t.slots();
    slots.extend([("x", x.0.clone()), ("y", y.0.clone())]);
    let reply = either(
        rng,
        [format!("{} and {} together: **{n}**", x.0, y.0), format!("Together it is **{n}**.")],
    );
    call(
        slots,
        Step::new(
            format!("{} plus {}: {} + {}.", x.0, y.0, x.1, y.1),
            format!("print({} + {})", x.1, y.1),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

/// The value of the row `{x}` of `{table}`, just read off. No tool.
fn lookup(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let (x, v) = rng.pick(&t.rows).clone();
    let mut slots = t.slots();
    slots.push(("x", x.clone()));
    let reply = either(rng, [format!("{x}: **{v}**"), format!("The value of {x} is **{v}**.")]);
    let think = format!("The row {x} says {v}.");
    plain(slots, think, Answer::Values(vec![number(v)]), reply)
}

/// How many percent of the total of `{table}` does the row `{x}` make up, rounded to one decimal?
fn share(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let (x, v) = rng.pick(&t.rows).clone();
    let p = python::rounded((100 * v) as f64 / t.sum() as f64, 1);
    let mut slots = t.slots();
    slots.push(("x", x.clone()));
    call(
        slots,
        Step::new(
            format!("Share of {x} in the total: {v}."),
            format!("print(round(100 * {v} / sum({}), 1))", t.list()),
            p.clone(),
        ),
        vec![number(&p)],
        either(
            rng,
            [
                format!("{x} makes up **{p}** percent of the total."),
                format!("The share of {x} is **{p}** %."),
            ],
        ),
    )
}

fn sorted(rng: &mut Rng, down: bool) -> Draw {
    let t = Rows::draw(rng);
    let names: Vec<String> = t.sorted(down).into_iter().map(|r| r.0).collect();
    let shown = names.join(", ");
    let printed: Vec<String> = names.iter().map(|n| python::string(n)).collect();
    let (reverse, word) =
        if down { (", reverse=True", "largest first") } else { ("", "smallest first") };
    call(
        t.slots(),
        Step::new(
            format!("Sort by value, {word}."),
            format!("t = {}; print(sorted(t, key=t.get{reverse}))", t.dict()),
            python::list(&printed),
        ),
        vec![text(&shown)],
        either(rng, [format!("**{shown}**"), format!("Sorted, {word}: **{shown}**")]),
    )
}

/// The names in `{table}` sorted by their value, the largest first.
fn descending(rng: &mut Rng) -> Draw {
    sorted(rng, true)
}

/// The names in `{table}` sorted by their value, the smallest first.
fn ascending(rng: &mut Rng) -> Draw {
    sorted(rng, false)
}

/// The name of the row with the second largest value in `{table}`.
fn second(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let name = t.sorted(true).swap_remove(1).0;
    let reply =
        either(rng, [format!("**{name}** comes second."), format!("The second is **{name}**.")]);
    call(
        t.slots(),
        Step::new(
            "Row with the second largest value.",
            format!("t = {}; print(sorted(t, key=t.get)[-2])", t.dict()),
            name.clone(),
        ),
        vec![text(name)],
        reply,
    )
}

/// How many rows of `{table}` have a value above the mean of the table?
fn above_mean(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let len = t.rows.len() as i64;
    let n = t.values().iter().filter(|v| **v * len > t.sum()).count();
    call(
        t.slots(),
        Step::new(
            format!("Values above the mean of {}.", t.list()),
            format!("x = {}; print(sum(n > sum(x) / len(x) for n in x))", t.list()),
            n.to_string(),
        ),
        vec![number(n)],
        either(
            rng,
            [format!("**{n}** rows are above the average."), format!("There are **{n}** of them.")],
        ),
    )
}

/// The total of the values in `{table}` without the row `{x}`.
fn without(rng: &mut Rng) -> Draw {
    let t = Rows::draw(rng);
    let (x, v) = rng.pick(&t.rows).clone();
    let n = t.sum() - v;
    let mut slots = t.slots();
    slots.push(("x", x.clone()));
    call(
        slots,
        Step::new(
            format!("Total without {x}: leave out {v}."),
            format!("print(sum({}) - {v})", t.list()),
            n.to_string(),
        ),
        vec![number(n)],
        either(rng, [format!("Without {x} the total is **{n}**."), format!("It is **{n}**.")]),
    )
}

/// The headings of tables with two columns of numbers.
const COLUMNS: &[(&str, [&str; 2], &[&str])] = &[
    ("month", ["sales", "costs"], MONTHS),
    ("day", ["steps", "minutes"], DAYS),
    ("city", ["visitors", "hotels"], CITIES),
    ("name", ["maths", "physics"], surface::NAMES),
    ("player", ["goals", "assists"], surface::NAMES),
    ("team", ["wins", "losses"], TEAMS),
    ("product", ["sold", "returned"], GOODS),
    ("item", ["stock", "ordered"], GOODS),
    ("name", ["height", "weight"], surface::NAMES),
    ("fruit", ["bought", "eaten"], FRUIT),
];

struct Wide {
    shown: String,
    column: &'static str,
    rows: Vec<(String, i64)>,
}

/// A table with two columns of numbers, and one of the two.
fn wide(rng: &mut Rng) -> Wide {
    let (name, columns, pool) = *rng.pick(COLUMNS);
    let n = rng.int(3, 5) as usize;
    let names = rng.sample(pool, n);
    let which = rng.below(2) as usize;
    let (mut cells, mut rows): (Vec<Vec<String>>, Vec<(String, i64)>) = (vec![], vec![]);
    for name in names {
        let mut v = [rng.magnitude(3), rng.magnitude(3)];
        while rows.iter().any(|r| r.1 == v[which]) {
            v[which] += 1;
        }
        cells.push(vec![name.to_owned(), v[0].to_string(), v[1].to_string()]);
        rows.push((name.to_owned(), v[which]));
    }
    let shown = drawn(&[name, columns[0], columns[1]], &cells, rng);
    Wide { shown, column: columns[which], rows }
}

/// The total of the column `{column}` (its heading) of `{table}`, which has two columns of numbers.
fn column_total(rng: &mut Rng) -> Draw {
    let w = wide(rng);
    let v: Vec<i64> = w.rows.iter().map(|r| r.1).collect();
    let n: i64 = v.iter().sum();
    call(
        vec![("table", w.shown), ("column", w.column.to_owned())],
        Step::new(
            format!("Total of {}: {}.", w.column, list(&v)),
            format!("print(sum({}))", list(&v)),
            n.to_string(),
        ),
        vec![number(n)],
        either(
            rng,
            [
                format!("The total of {} is **{n}**.", w.column),
                format!("The column {} adds up to **{n}**.", w.column),
            ],
        ),
    )
}

/// The name of the row with the largest value in the column `{column}` of `{table}`, which has two
/// columns of numbers.
fn column_largest(rng: &mut Rng) -> Draw {
    let w = wide(rng);
    let t = Rows { rows: w.rows, shown: w.shown };
    let (name, value) = t.sorted(true).swap_remove(0);
    let code = format!("t = {}; k = max(t, key=t.get); print(k, t[k])", t.dict());
    let reply = either(
        rng,
        [
            format!("**{name}** has the largest value in {}, {value}.", w.column),
            format!("It is **{name}**."),
        ],
    );
    call(
        vec![("table", t.shown), ("column", w.column.to_owned())],
        Step::new(
            format!("Row with the largest value in {}.", w.column),
            code,
            format!("{name} {value}"),
        ),
        vec![text(name)],
        reply,
    )
}

/// The total cost over all rows of `{table}`, whose columns are an item, a price each and a
/// quantity: the sum of price times quantity.
fn bill(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 5) as usize;
    let cents = rng.chance(0.6);
    let quantity_first = rng.chance(0.4);
    let (mut cells, mut terms, mut total) = (vec![], vec![], 0i64);
    let named = rng.chance(0.8);
    for item in rng.sample(GOODS, n) {
        let item = if named { item.to_owned() } else { surface::nonsense(rng) };
        let price = if cents { rng.int(5, 9999) } else { rng.int(1, 300) * 100 };
        let quantity = rng.int(1, 30);
        total += price * quantity;
        let shown = if cents {
            format!("{}.{:02}", price / 100, price % 100)
        } else {
            (price / 100).to_string()
        };
        terms.push(format!("{shown} * {quantity}"));
        cells.push(if quantity_first {
            vec![item, quantity.to_string(), shown]
        } else {
            vec![item, shown, quantity.to_string()]
        });
    }
    let quantity = *rng.pick(&["quantity", "qty", "pieces", "amount"]);
    let price = *rng.pick(&["price", "unit price", "price each"]);
    let header = if quantity_first { ["item", quantity, price] } else { ["item", price, quantity] };
    let shown = drawn(&header, &cells, rng);
    let (code, value) = if cents {
        (format!("print(round({}, 2))", terms.join(" + ")), python::float(total as f64 / 100.0))
    } else {
        (format!("print({})", terms.join(" + ")), (total / 100).to_string())
    };
    call(
        vec![("table", shown)],
        Step::new("Price times quantity of each row, added up.", code, value.clone()),
        vec![number(&value)],
        either(
            rng,
            [format!("The total is **{value}**."), format!("All together it costs **{value}**.")],
        ),
    )
}

struct Grouped {
    shown: String,
    rows: Vec<(String, i64)>,
}

impl Grouped {
    /// Rows with a category and a number each, three to six; a category comes more than once.
    fn draw(rng: &mut Rng) -> Self {
        const HEADS: &[(&str, &str, &[&str])] = &[
            ("colour", "number", COLOURS),
            ("team", "points", TEAMS),
            ("city", "orders", CITIES),
            ("day", "hours", DAYS),
            ("animal", "weight", ANIMALS),
            ("name", "sales", surface::NAMES),
            ("category", "amount", GOODS),
        ];
        let (key, value, pool) = *rng.pick(HEADS);
        let kinds = rng.int(2, 3) as usize;
        let names = if rng.chance(0.25) {
            (0..kinds).map(|_| surface::nonsense(rng)).collect()
        } else {
            rng.sample(pool, kinds).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let n = rng.int(4, 6);
        let rows: Vec<(String, i64)> =
            (0..n).map(|_| (rng.pick(&names).clone(), rng.magnitude(3))).collect();
        let cells: Vec<Vec<String>> =
            rows.iter().map(|(k, v)| vec![k.clone(), v.to_string()]).collect();
        let shown = drawn(&[key, value], &cells, rng);
        Grouped { shown, rows }
    }

    /// `[('red', 12), ('blue', 7)]`
    fn pairs(&self) -> String {
        let pairs: Vec<String> =
            self.rows.iter().map(|(k, v)| format!("({}, {v})", python::string(k))).collect();
        python::list(&pairs)
    }
}

/// The sum of the values in those rows of `{table}` whose name is `{x}`; names repeat in it.
fn group_sum(rng: &mut Rng) -> Draw {
    let t = Grouped::draw(rng);
    let x = rng.pick(&t.rows).0.clone();
    let n: i64 = t.rows.iter().filter(|r| r.0 == x).map(|r| r.1).sum();
    call(
        vec![("table", t.shown.clone()), ("x", x.clone())],
        Step::new(
            format!("Add up the rows of {x}."),
            format!("print(sum(v for k, v in {} if k == {}))", t.pairs(), python::string(&x)),
            n.to_string(),
        ),
        vec![number(n)],
        either(rng, [format!("{x}: **{n}**"), format!("The total for {x} is **{n}**.")]),
    )
}

/// How many rows of `{table}` have the name `{x}`? Names repeat in it.
fn group_count(rng: &mut Rng) -> Draw {
    let t = Grouped::draw(rng);
    let x = rng.pick(&t.rows).0.clone();
    let n = t.rows.iter().filter(|r| r.0 == x).count();
    let names: Vec<String> = t.rows.iter().map(|r| python::string(&r.0)).collect();
    call(
        vec![("table", t.shown.clone()), ("x", x.clone())],
        Step::new(
            format!("Count the rows of {x}."),
            format!("print({}.count({}))", python::list(&names), python::string(&x)),
            n.to_string(),
        ),
        vec![number(n)],
        either(rng, [format!("{x} has **{n}** rows."), format!("There are **{n}** rows for {x}.")]),
    )
}

/// The total of each name in `{table}`, where names repeat, in the order of their first appearance.
fn groups(rng: &mut Rng) -> Draw {
    let t = Grouped::draw(rng);
    let mut sums: Vec<(String, i64)> = vec![];
    for (k, v) in &t.rows {
        match sums.iter_mut().find(|s| s.0 == *k) {
            Some(sum) => sum.1 += v,
            None => sums.push((k.clone(), *v)),
        }
    }
    let printed: Vec<String> =
        sums.iter().map(|(k, v)| format!("{}: {v}", python::string(k))).collect();
    let shown: Vec<String> = sums.iter().map(|(k, v)| format!("{k} **{v}**")).collect();
    call(
        vec![("table", t.shown.clone())],
        Step::new(
            "Total of each name.",
            format!(
                "t = {}; print({{k: sum(v for n, v in t if n == k) for k, _ in t}})",
                t.pairs()
            ),
            format!("{{{}}}", printed.join(", ")),
        ),
        sums.iter().map(|s| number(s.1)).collect(),
        format!("{}.", shown.join(", ")),
    )
}
