//! Word problems of one to four steps.

use super::words::{Amount, Cash, measure, name, place, rate, shown, thing, two_names, two_things};
use super::{Spec, cents, print, rounded, spec};
use crate::surface::{count, integer};
use crate::{Kind, Rng};

pub(super) fn kinds() -> Vec<Kind> {
    super::table![
        "story/buy" 12 buy,
        "story/buy_two" 10 buy_two,
        "story/cinema" 6 cinema,
        "story/rule_of_three" 8 rule_of_three,
        "story/groups" 14 groups,
        "story/share" 12 share,
        "story/share_equally" 8 share_equally,
        "story/left_over" 7 left_over,
        "story/boxes" 12 boxes,
        "story/goal" 8 goal,
        "story/rope" 6 rope,
        "story/pages_left" 7 pages_left,
        "story/gain_lose" 10 gain_lose,
        "story/bus" 7 bus,
        "story/temperature_end" 6 temperature_end,
        "story/temperature_change" 5 temperature_change,
        "story/more" 7 more,
        "story/fewer" 6 fewer,
        "story/times_as_many" 6 times_as_many,
        "story/more_together" 6 more_together,
        "story/times_together" 5 times_together,
        "story/difference" 8 difference,
        "story/add_up" 8 add_up,
        "story/packs" 8 packs,
        "story/fraction_of" 6 fraction_of,
        "story/fraction_left" 7 fraction_left,
        "story/fraction_twice" 5 fraction_twice,
        "story/part_left" 5 part_left,
        "story/distance" 8 distance,
        "story/travel_time" 8 travel_time,
        "story/speed" 8 speed,
        "story/average_speed" 6 average_speed,
        "story/meet" 6 meet,
        "story/catch_up" 5 catch_up,
        "story/work_together" 6 work_together,
        "story/workers" 6 workers,
        "story/recipe" 7 recipe,
        "story/rate" 7 rate_of_work,
        "story/tank" 5 tank,
        "story/age_later" 5 age_later,
        "story/age_times" 5 age_times,
        "story/age_sum" 5 age_sum,
        "story/sum_difference" 5 sum_difference,
        "story/needed_score" 5 needed_score,
        "story/area" 7 area,
        "story/perimeter" 7 perimeter,
        "story/circle_area" 6 circle_area,
        "story/circumference" 6 circumference,
        "story/triangle_area" 5 triangle_area,
        "story/hypotenuse" 5 hypotenuse,
        "story/box_volume" 6 box_volume,
        "story/tiles" 5 tiles,
        "story/fence_line" 5 fence_line,
        "story/fence_round" 5 fence_round,
        "story/paint" 5 paint,
        "story/fuel_needed" 5 fuel_needed,
        "story/fuel_cost" 5 fuel_cost,
        "story/fuel_per_100" 5 fuel_per_100,
        "story/ratio" 7 ratio,
        "story/mixture" 5 mixture,
        "story/heads_legs" 5 heads_legs,
        "story/doubling" 5 doubling,
        "story/snail" 3 snail,
    ]
}

/// A count from 2 on whose number of digits varies.
fn some(rng: &mut Rng, digits: u32) -> i64 {
    rng.magnitude(digits).max(2)
}

/// `{n}` `{things}` (plural; `{thing}` is its singular) are bought at `{p}` (with its currency) for
/// each one; `{name}` is the buyer. Asked: the total price.
fn buy(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 5, 90_000));
    let (n, (one, many), who) = (some(rng, 3), thing(rng), name(rng));
    let bold = cash.bold();
    spec(
        [
            ("n", count(n, rng)),
            ("p", cash.show(&p, rng)),
            ("thing", one),
            ("things", many.clone()),
            ("name", who.clone()),
        ],
        [format!("{n} at {p} each: multiply for the total price.")],
        cents(&format!("{n} * {p}")),
        [
            format!("The total is {bold}."),
            format!("{n} {many} cost {bold}."),
            format!("That comes to {bold}."),
        ],
    )
}

/// `{a}` `{things}` at `{p}` each and `{b}` `{others}` at `{q}` each (`{p}` and `{q}` with their
/// currency, both nouns plural); `{name}` is the buyer. Asked: the price of everything together.
fn buy_two(rng: &mut Rng) -> Spec {
    let cash = Cash::new(rng);
    let (p, q) = (Amount::new(rng, 5, 9_000), Amount::new(rng, 5, 9_000));
    let (a, b, (things, others), who) = (some(rng, 2), some(rng, 2), two_things(rng), name(rng));
    let bold = cash.bold();
    spec(
        [
            ("a", count(a, rng)),
            ("p", cash.show(&p, rng)),
            ("b", count(b, rng)),
            ("q", cash.show(&q, rng)),
            ("things", things),
            ("others", others),
            ("name", who.clone()),
        ],
        [format!("{a} at {p} each plus {b} at {q} each: the total price.")],
        cents(&format!("{a} * {p} + {b} * {q}")),
        [format!("All together it costs {bold}."), format!("The total is {bold}.")],
    )
}

/// `{a}` adults pay `{p}` each and `{b}` children pay `{q}` each (with their currency) to get in.
/// Asked: what all of them pay together.
fn cinema(rng: &mut Rng) -> Spec {
    let cash = Cash::new(rng);
    let (p, q) = (Amount::new(rng, 400, 6_000), Amount::new(rng, 100, 3_000));
    let (a, b) = (some(rng, 2), some(rng, 2));
    let bold = cash.bold();
    spec(
        [
            ("a", count(a, rng)),
            ("p", cash.show(&p, rng)),
            ("b", count(b, rng)),
            ("q", cash.show(&q, rng)),
        ],
        [format!("{a} at {p} each plus {b} at {q} each: the total price.")],
        cents(&format!("{a} * {p} + {b} * {q}")),
        [format!("The tickets cost {bold} together."), format!("They pay {bold}.")],
    )
}

/// `{n}` `{things}` (plural) cost `{p}` together (with its currency). Asked: what `{m}` of them
/// cost at the same price for each.
fn rule_of_three(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 100, 50_000));
    let (n, m, (_, many)) = (some(rng, 2), some(rng, 3), thing(rng));
    let m = if m == n { m + 1 } else { m };
    let bold = cash.bold();
    spec(
        [
            ("n", count(n, rng)),
            ("p", cash.show(&p, rng)),
            ("m", count(m, rng)),
            ("things", many.clone()),
        ],
        [format!("{n} cost {p}, so {m} cost {p} / {n} * {m}.")],
        cents(&format!("{p} / {n} * {m}")),
        [
            format!("{m} {many} cost {bold}."),
            format!("The price of {m} is {bold}."),
            format!("They would cost {bold}."),
        ],
    )
}

/// `{a}` equal groups (rows, boxes, shelves, teams, days …) with `{b}` `{things}` (plural) in each;
/// `{name}` may be the owner. Asked: how many there are in all.
fn groups(rng: &mut Rng) -> Spec {
    let (a, b, (_, many)) = (some(rng, 4), some(rng, 4), thing(rng));
    let name = name(rng);
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("things", many.clone()), ("name", name)],
        [format!("{a} groups of {b}: multiply.")],
        print(&format!("{a} * {b}")),
        [
            "That makes **@** in all.".into(),
            "There are **@** in total.".into(),
            "The total is **@**.".into(),
        ],
    )
}

/// `{n}` `{things}` (plural) are shared out evenly among `{k}` (people, plates, bags …), `{name}`
/// may be the one who shares. Asked: how many each one gets, and then how many are left over.
fn share(rng: &mut Rng) -> Spec {
    let k = rng.int(2, 60);
    let (n, (_, many), name) = (some(rng, 4).max(k), thing(rng), name(rng));
    spec(
        [("n", count(n, rng)), ("k", count(k, rng)), ("things", many.clone()), ("name", name)],
        [format!("Share {n} among {k}: quotient and remainder.")],
        print(&format!("divmod({n}, {k})")),
        [
            format!("Each gets **@** {many} and **@** are left over."),
            "Each one gets **@**, with **@** left over.".into(),
            "**@** each, **@** left over.".into(),
        ],
    )
}

/// `{n}` `{things}` (plural) are shared equally among `{k}` and it comes out even; `{name}` may be
/// the one who shares. Asked: how many each one gets.
fn share_equally(rng: &mut Rng) -> Spec {
    let (k, each) = (rng.int(2, 99), some(rng, 3));
    let (n, (_, many), name) = (k * each, thing(rng), name(rng));
    spec(
        [("n", count(n, rng)), ("k", count(k, rng)), ("things", many.clone()), ("name", name)],
        [format!("Share {n} equally among {k}: divide.")],
        print(&format!("{n} // {k}")),
        [
            format!("Each gets **@** {many}."),
            "It is **@** for each.".into(),
            "Each one gets **@**.".into(),
        ],
    )
}

/// `{n}` `{things}` (plural) go in full groups of `{k}`, or are shared evenly among `{k}`; `{name}`
/// may be the owner. Asked only: how many are left over.
fn left_over(rng: &mut Rng) -> Spec {
    let k = rng.int(2, 60);
    let (n, (_, many), name) = (some(rng, 5).max(k), thing(rng), name(rng));
    spec(
        [("n", count(n, rng)), ("k", count(k, rng)), ("things", many.clone()), ("name", name)],
        [format!("The remainder of {n} divided by {k}.")],
        print(&format!("{n} % {k}")),
        [
            format!("**@** {many} are left over."),
            "**@** are left over.".into(),
            "The rest is **@**.".into(),
        ],
    )
}

/// `{n}` `{things}` (plural; or people, pages …) have to fit where at most `{k}` fit at a time (a
/// box, a bus trip, a day). Asked: how many boxes (trips, days) are needed at least for all of them.
fn boxes(rng: &mut Rng) -> Spec {
    let k = rng.int(2, 120);
    let (n, (_, many)) = (some(rng, 4).max(k), thing(rng));
    spec(
        [("n", count(n, rng)), ("k", count(k, rng)), ("things", many)],
        [format!("{n} with {k} at a time: divide and round up.")],
        print(&format!("-(-{n} // {k})")),
        [
            "**@** are needed.".into(),
            "You need **@**.".into(),
            "It takes **@**, the last one perhaps not full.".into(),
        ],
    )
}

/// `{name}` has `{h}` already, saves `{w}` every week, and wants `{g}` in all (all with their
/// currency, whole numbers). Asked: after how many weeks, counted up, there is enough.
fn goal(rng: &mut Rng) -> Spec {
    let cash = Cash::new(rng);
    let w = Amount::whole(rng, 2, 120);
    let h = Amount::whole(rng, 1, 500);
    let short = rng.int(1, 5_000);
    let g = Amount::exactly(h.cents + w.cents + short * 100, rng);
    let plain = |a: &Amount| a.cents / 100;
    let (gc, hc, wc) = (plain(&g), plain(&h), plain(&w));
    let name = name(rng);
    let show = |n: i64, rng: &mut Rng| cash.show(&Amount::whole(rng, n, n), rng);
    let reply = format!("{name} needs **@** weeks.");
    spec(
        [("g", show(gc, rng)), ("h", show(hc, rng)), ("w", show(wc, rng)), ("name", name)],
        [format!("Goal {gc}, already {hc}, {wc} per week: divide the rest and round up.")],
        print(&format!("-(-({gc} - {hc}) // {wc})")),
        ["It takes **@** weeks.".into(), "After **@** weeks there is enough.".into(), reply],
    )
}

/// A rope (ribbon, board, pipe …) of `{a}` metres is cut into pieces of `{b}` centimetres. Asked:
/// how many whole pieces there are.
fn rope(rng: &mut Rng) -> Spec {
    let (a, b) = (rng.int(2, 300), rng.int(3, 180));
    spec(
        [("a", count(a, rng)), ("b", b.to_string())],
        [format!("{a} m are {a} * 100 cm; pieces of {b} cm: divide.")],
        print(&format!("{a} * 100 // {b}")),
        ["There are **@** whole pieces.".into(), "You get **@** pieces.".into()],
    )
}

/// `{name}` has a book (a job, a walk …) of `{n}` pages and does `{k}` of them a day for `{d}` days.
/// Asked: how many pages are left after that.
fn pages_left(rng: &mut Rng) -> Spec {
    let (k, d) = (rng.int(2, 60), rng.int(2, 30));
    let n = k * d + rng.int(0, 600);
    let name = name(rng);
    let reply = format!("{name} has **@** left.");
    spec(
        [("n", integer(n, rng)), ("k", count(k, rng)), ("d", count(d, rng)), ("name", name)],
        [format!("{n} in all, {k} a day for {d} days: subtract {k} * {d}.")],
        print(&format!("{n} - {k} * {d}")),
        ["**@** pages are left.".into(), "There are **@** left.".into(), reply],
    )
}

/// `{name}` has `{a}` `{things}` (plural), gets `{b}` more, then gives away (loses, sells) `{c}`.
/// Asked: how many there are at the end.
fn gain_lose(rng: &mut Rng) -> Spec {
    let (a, b) = (some(rng, 4), some(rng, 4));
    let c = rng.int(1, a + b);
    let ((_, many), name) = (thing(rng), name(rng));
    let reply = format!("{name} has **@** {many}.");
    spec(
        [
            ("a", count(a, rng)),
            ("b", count(b, rng)),
            ("c", count(c, rng)),
            ("things", many.clone()),
            ("name", name),
        ],
        [format!("Start with {a}, add {b}, take away {c}.")],
        print(&format!("{a} + {b} - {c}")),
        ["There are **@** now.".into(), format!("**@** {many} are left."), reply],
    )
}

/// `{a}` people are in a bus (train, lift …). First `{b}` get off and `{c}` get on, then `{d}` get
/// off and `{e}` get on. Asked: how many are in it at the end.
fn bus(rng: &mut Rng) -> Spec {
    let a = rng.int(5, 400);
    let b = rng.int(0, a);
    let c = rng.int(0, 99);
    let d = rng.int(0, a - b + c);
    let e = rng.int(0, 99);
    spec(
        [
            ("a", count(a, rng)),
            ("b", count(b, rng)),
            ("c", count(c, rng)),
            ("d", count(d, rng)),
            ("e", count(e, rng)),
        ],
        [format!("Start {a}; off {b}, on {c}; off {d}, on {e}.")],
        print(&format!("{a} - {b} + {c} - {d} + {e}")),
        ["There are **@** people in it now.".into(), "**@** are on board at the end.".into()],
    )
}

/// The temperature is `{a}` degrees (may be negative), rises by `{b}` degrees and then falls by
/// `{c}` degrees. Asked: what it is at the end. No unit is in the slots.
fn temperature_end(rng: &mut Rng) -> Spec {
    let (a, b, c) = (rng.int(-40, 45), rng.int(1, 35), rng.int(1, 40));
    spec(
        [("a", a.to_string()), ("b", b.to_string()), ("c", c.to_string())],
        [format!("Start {a}, up {b}, down {c}.")],
        print(&format!("{a} + {b} - {c}")),
        ["It is **@** degrees then.".into(), "The temperature is **@** degrees.".into()],
    )
}

/// The temperature goes from `{a}` to `{b}` degrees (both may be negative). Asked: by how many
/// degrees it changed, `{b}` minus `{a}`, so a fall is negative.
fn temperature_change(rng: &mut Rng) -> Spec {
    let (a, b) = (rng.int(-40, 45), rng.int(-40, 45));
    let code = if a < 0 { format!("{b} - ({a})") } else { format!("{b} - {a}") };
    spec(
        [("a", a.to_string()), ("b", b.to_string())],
        [format!("Change from {a} to {b}: end minus start.")],
        print(&code),
        ["The change is **@** degrees.".into(), "It changed by **@** degrees.".into()],
    )
}

/// `{x}` has `{a}` `{things}` (plural) and `{y}` has `{b}` more than `{x}` (both are names). Asked:
/// how many `{y}` has.
fn more(rng: &mut Rng) -> Spec {
    let (a, b, (x, y), (_, many)) = (some(rng, 4), some(rng, 3), two_names(rng), thing(rng));
    let reply = format!("{y} has **@** {many}.");
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("x", x), ("y", y), ("things", many.clone())],
        [format!("{b} more than {a}: add.")],
        print(&format!("{a} + {b}")),
        [reply, "It is **@**.".into()],
    )
}

/// `{x}` has `{a}` `{things}` (plural) and `{y}` has `{b}` fewer than `{x}` (both are names).
/// Asked: how many `{y}` has.
fn fewer(rng: &mut Rng) -> Spec {
    let a = some(rng, 4);
    let (b, (x, y), (_, many)) = (rng.int(1, a), two_names(rng), thing(rng));
    let reply = format!("{y} has **@** {many}.");
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("x", x), ("y", y), ("things", many.clone())],
        [format!("{b} fewer than {a}: subtract.")],
        print(&format!("{a} - {b}")),
        [reply, "It is **@**.".into()],
    )
}

/// `{x}` has `{a}` `{things}` (plural) and `{y}` has `{k}` times as many (both are names). Asked:
/// how many `{y}` has.
fn times_as_many(rng: &mut Rng) -> Spec {
    let (a, k, (x, y), (_, many)) = (some(rng, 4), rng.int(2, 15), two_names(rng), thing(rng));
    let reply = format!("{y} has **@** {many}.");
    spec(
        [("a", count(a, rng)), ("k", count(k, rng)), ("x", x), ("y", y), ("things", many.clone())],
        [format!("{k} times as many as {a}: multiply.")],
        print(&format!("{a} * {k}")),
        [reply, "It is **@**.".into()],
    )
}

/// `{x}` has `{a}` `{things}` (plural) and `{y}` has `{b}` more than `{x}` (both are names). Asked:
/// how many the two have together.
fn more_together(rng: &mut Rng) -> Spec {
    let (a, b, (x, y), (_, many)) = (some(rng, 4), some(rng, 3), two_names(rng), thing(rng));
    let reply = format!("{x} and {y} have **@** {many} together.");
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("x", x), ("y", y), ("things", many.clone())],
        [format!("One has {a}, the other {a} + {b}: add both.")],
        print(&format!("{a} + {a} + {b}")),
        [reply, "Together they have **@**.".into()],
    )
}

/// `{x}` has `{a}` `{things}` (plural) and `{y}` has `{k}` times as many (both are names). Asked:
/// how many the two have together.
fn times_together(rng: &mut Rng) -> Spec {
    let (a, k, (x, y), (_, many)) = (some(rng, 4), rng.int(2, 12), two_names(rng), thing(rng));
    let reply = format!("{x} and {y} have **@** {many} together.");
    spec(
        [("a", count(a, rng)), ("k", count(k, rng)), ("x", x), ("y", y), ("things", many.clone())],
        [format!("One has {a}, the other {a} * {k}: add both.")],
        print(&format!("{a} + {a} * {k}")),
        [reply, "Together they have **@**.".into()],
    )
}

/// `{x}` has `{a}` `{things}` (plural) and `{y}` has `{b}` (both are names; `{a}` is the larger).
/// Asked: how many more `{x}` has than `{y}`.
fn difference(rng: &mut Rng) -> Spec {
    let b = some(rng, 4);
    let (a, (x, y), (_, many)) = (b + some(rng, 3), two_names(rng), thing(rng));
    let reply = format!("{x} has **@** {many} more than {y}.");
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("x", x), ("y", y), ("things", many.clone())],
        [format!("The difference: {a} minus {b}.")],
        print(&format!("{a} - {b}")),
        [reply, "The difference is **@**.".into(), "**@** more.".into()],
    )
}

/// `{a}` `{things}` (plural) on the first day (or of one sort, by one person), `{b}` on the second
/// and `{c}` on the third; `{name}` may be the one who counts. Asked: how many in all.
fn add_up(rng: &mut Rng) -> Spec {
    let (a, b, c) = (some(rng, 4), some(rng, 4), some(rng, 4));
    let ((_, many), name) = (thing(rng), name(rng));
    spec(
        [
            ("a", count(a, rng)),
            ("b", count(b, rng)),
            ("c", count(c, rng)),
            ("things", many.clone()),
            ("name", name),
        ],
        [format!("Add {a}, {b} and {c}.")],
        print(&format!("{a} + {b} + {c}")),
        [format!("**@** {many} in all."), "The total is **@**.".into(), "It is **@**.".into()],
    )
}

/// `{name}` has `{a}` packs (boxes, bags …) with `{b}` `{things}` (plural) in each, and gives away
/// (uses, sells, loses) `{c}` of the `{things}`. Asked: how many are left.
fn packs(rng: &mut Rng) -> Spec {
    let (a, b) = (some(rng, 2), some(rng, 3));
    let c = rng.int(1, a * b);
    let ((_, many), name) = (thing(rng), name(rng));
    let reply = format!("{name} has **@** {many} left.");
    spec(
        [
            ("a", count(a, rng)),
            ("b", count(b, rng)),
            ("c", count(c, rng)),
            ("things", many.clone()),
            ("name", name),
        ],
        [format!("{a} packs of {b} minus {c}.")],
        print(&format!("{a} * {b} - {c}")),
        [reply, format!("**@** {many} are left."), "**@** remain.".into()],
    )
}

/// `{f}` (a fraction such as `3/4`) of `{n}` `{things}` (plural) are of a sort (red, sold, broken …).
/// Asked: how many those are. It comes out whole.
fn fraction_of(rng: &mut Rng) -> Spec {
    let b = rng.int(2, 12);
    let (a, n, (_, many)) = (rng.int(1, b - 1), b * some(rng, 3), thing(rng));
    spec(
        [("f", format!("{a}/{b}")), ("n", count(n, rng)), ("things", many.clone())],
        [format!("{a}/{b} of {n}.")],
        print(&format!("{n} * {a} // {b}")),
        [format!("It is **@** {many}."), format!("{a}/{b} of {n} is **@**.")],
    )
}

/// `{name}` has `{n}` `{things}` (plural) and gives away (eats, sells …) the fraction `{f}` of them
/// (such as `3/4`). Asked: how many are left. It comes out whole.
fn fraction_left(rng: &mut Rng) -> Spec {
    let b = rng.int(2, 12);
    let (a, n, (_, many)) = (rng.int(1, b - 1), b * some(rng, 3), thing(rng));
    let name = name(rng);
    let reply = format!("{name} has **@** {many} left.");
    spec(
        [("f", format!("{a}/{b}")), ("n", count(n, rng)), ("things", many.clone()), ("name", name)],
        [format!("{n} minus {a}/{b} of {n}.")],
        print(&format!("{n} - {n} * {a} // {b}")),
        [reply, "**@** are left.".into(), format!("**@** {many} remain.")],
    )
}

/// `{name}` has `{n}` `{things}` (plural), gives away `{f}` of them (a fraction such as `1/3`), and
/// then `{g}` of the rest (a fraction too). Asked: how many are left. It comes out whole.
fn fraction_twice(rng: &mut Rng) -> Spec {
    let (b, d) = (rng.int(2, 8), rng.int(2, 8));
    let (a, c) = (rng.int(1, b - 1), rng.int(1, d - 1));
    let n = b * d * some(rng, 2);
    let ((_, many), name) = (thing(rng), name(rng));
    let reply = format!("{name} has **@** {many} left.");
    spec(
        [
            ("f", format!("{a}/{b}")),
            ("g", format!("{c}/{d}")),
            ("n", count(n, rng)),
            ("things", many.clone()),
            ("name", name),
        ],
        [format!("Of {n} take {a}/{b} away, then {c}/{d} of the rest.")],
        format!("r = {n} - {n} * {a} // {b}; print(r - r * {c} // {d})"),
        [reply, "**@** are left.".into()],
    )
}

/// `{p}` percent (a whole number without the sign) of `{n}` `{things}` (plural) are sold (broken,
/// absent …). Asked: how many are NOT, that is, are left. It comes out whole.
fn part_left(rng: &mut Rng) -> Spec {
    let p = rng.int(1, 19) * 5;
    let (n, (_, many)) = (20 * some(rng, 3), thing(rng));
    spec(
        [("p", p.to_string()), ("n", integer(n, rng)), ("things", many.clone())],
        [format!("{n} minus {p} percent of {n}.")],
        print(&format!("{n} - {n} * {p} // 100")),
        [format!("**@** {many} are left."), "**@** remain.".into()],
    )
}

/// A speed's unit with its distance and its time: the speed as people write it, then the plurals.
const MOTION: &[(&str, &str, &str)] = &[
    ("km/h", "kilometers", "hours"),
    ("km/h", "km", "hours"),
    ("kilometers per hour", "kilometers", "hours"),
    ("kilometres an hour", "kilometres", "hours"),
    ("mph", "miles", "hours"),
    ("miles per hour", "miles", "hours"),
    ("m/s", "meters", "seconds"),
    ("meters per second", "metres", "seconds"),
    ("meters per minute", "meters", "minutes"),
    ("knots", "nautical miles", "hours"),
];

/// Something moves at `{v}` (with its unit, such as `80 km/h`) for `{t}` (with its unit, such as
/// `3 hours`). Asked: how far it gets. `{name}` may be the one who moves.
fn distance(rng: &mut Rng) -> Spec {
    let (per, long, time) = *rng.pick(MOTION);
    let (v, t, name) = (measure(rng, 2, 900), measure(rng, 1, 40), name(rng));
    spec(
        [("v", format!("{v} {per}")), ("t", format!("{t} {time}")), ("name", name)],
        [format!("Distance: speed {v} times time {t}.")],
        rounded(&format!("{v} * {t}"), 4),
        [
            format!("The distance is **@** {long}."),
            format!("It is **@** {long}."),
            format!("**@** {long}."),
        ],
    )
}

/// Something covers `{d}` (with its unit, such as `240 km`) at `{v}` (with its unit). Asked: how
/// long it takes, in the time unit of the speed. `{name}` may be the one who moves.
fn travel_time(rng: &mut Rng) -> Spec {
    let (per, long, time) = *rng.pick(MOTION);
    let (v, d, name) = (measure(rng, 2, 900), measure(rng, 5, 9_000), name(rng));
    spec(
        [("d", format!("{} {long}", shown(&d, rng))), ("v", format!("{v} {per}")), ("name", name)],
        [format!("Time: distance {d} divided by speed {v}.")],
        rounded(&format!("{d} / {v}"), 4),
        [format!("It takes **@** {time}."), format!("The time is **@** {time}.")],
    )
}

/// Something covers `{d}` (with its unit) in `{t}` (with its unit). Asked: its speed, in the units
/// of the two. `{name}` may be the one who moves.
fn speed(rng: &mut Rng) -> Spec {
    let (per, long, time) = *rng.pick(MOTION);
    let (t, d, name) = (measure(rng, 2, 60), measure(rng, 5, 9_000), name(rng));
    spec(
        [("d", format!("{} {long}", shown(&d, rng))), ("t", format!("{t} {time}")), ("name", name)],
        [format!("Speed: distance {d} divided by time {t}.")],
        rounded(&format!("{d} / {t}"), 4),
        [format!("The speed is **@** {per}."), format!("That is **@** {per}.")],
    )
}

/// First `{d}` are covered in `{t}`, then `{e}` in `{u}` (distances and times with their units, the
/// same on both legs). Asked: the average speed over the whole way.
fn average_speed(rng: &mut Rng) -> Spec {
    let (per, long, time) = *rng.pick(MOTION);
    let (d, e) = (measure(rng, 5, 900), measure(rng, 5, 900));
    let (t, u) = (measure(rng, 1, 20), measure(rng, 1, 20));
    spec(
        [
            ("d", format!("{d} {long}")),
            ("t", format!("{t} {time}")),
            ("e", format!("{e} {long}")),
            ("u", format!("{u} {time}")),
        ],
        [format!("Average speed: ({d} + {e}) over ({t} + {u}).")],
        rounded(&format!("({d} + {e}) / ({t} + {u})"), 4),
        [format!("The average speed is **@** {per}."), format!("On average **@** {per}.")],
    )
}

/// Two trains (cars, people …) `{d}` apart (with its unit) go towards each other at `{v}` and `{w}`
/// (with their unit); `{x}` and `{y}` are the two places. Asked: after how long they meet, in the
/// time unit of the speed.
fn meet(rng: &mut Rng) -> Spec {
    let (per, long, time) = *rng.pick(MOTION);
    let d = measure(rng, 20, 3_000);
    let (v, w) = (rng.int(3, 200), rng.int(3, 200));
    let (x, y) = (place(rng), place(rng));
    spec(
        [
            ("d", format!("{} {long}", shown(&d, rng))),
            ("v", format!("{v} {per}")),
            ("w", format!("{w} {per}")),
            ("x", x),
            ("y", y),
        ],
        [format!("They close {d} at {v} + {w}: divide for the time.")],
        rounded(&format!("{d} / ({v} + {w})"), 4),
        [format!("They meet after **@** {time}."), format!("It takes **@** {time}.")],
    )
}

/// A slower one is `{d}` ahead (with its unit) and goes at `{w}`; a faster one follows in the same
/// direction at `{v}` (with their unit). Asked: after how long the faster catches up, in the time
/// unit of the speed.
fn catch_up(rng: &mut Rng) -> Spec {
    let (per, long, time) = *rng.pick(MOTION);
    let d = measure(rng, 2, 900);
    let w = rng.int(3, 150);
    let v = w + rng.int(1, 80);
    spec(
        [("d", format!("{d} {long}")), ("v", format!("{v} {per}")), ("w", format!("{w} {per}"))],
        [format!("The lead {d} shrinks at {v} - {w}: divide for the time.")],
        rounded(&format!("{d} / ({v} - {w})"), 4),
        [format!("It takes **@** {time} to catch up."), format!("After **@** {time}.")],
    )
}

/// `{x}` alone needs `{a}` hours for a job and `{y}` alone `{b}` hours (both are names). Asked: how
/// many hours they need together.
fn work_together(rng: &mut Rng) -> Spec {
    let (a, b, (x, y)) = (rng.int(2, 60), rng.int(2, 60), two_names(rng));
    let reply = format!("{x} and {y} need **@** hours together.");
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("x", x), ("y", y)],
        [format!("Alone {a} and {b} hours: together {a} * {b} / ({a} + {b}).")],
        rounded(&format!("{a} * {b} / ({a} + {b})"), 4),
        ["Together it takes **@** hours.".into(), reply],
    )
}

/// `{k}` workers (machines, pumps …) need `{d}` days for a job. Asked: how many days `{m}` of them
/// need for the same job.
fn workers(rng: &mut Rng) -> Spec {
    let (k, d, m) = (rng.int(2, 40), rng.int(2, 90), rng.int(2, 60));
    let m = if m == k { k + 1 } else { m };
    spec(
        [("k", count(k, rng)), ("d", count(d, rng)), ("m", count(m, rng))],
        [format!("{k} need {d} days, so {m} need {k} * {d} / {m}.")],
        rounded(&format!("{k} * {d} / {m}"), 4),
        [format!("{m} need **@** days."), "It takes **@** days.".into()],
    )
}

/// A recipe for `{n}` people (portions, cookies …) takes `{a}` of `{stuff}` (`{a}` with its unit,
/// such as `250 g`). Asked: how much `{stuff}` for `{m}` of them, in the same unit.
fn recipe(rng: &mut Rng) -> Spec {
    let (n, m) = (rng.int(2, 24), rng.int(1, 120));
    let m = if m == n { n + 1 } else { m };
    let (unit, fine) = *rng.pick(&[
        ("g", true),
        ("grams", true),
        ("ml", true),
        ("millilitres", true),
        ("cups", false),
        ("tablespoons", false),
        ("ounces", false),
        ("kg", false),
    ]);
    let a = if fine { (rng.int(1, 90) * 10).to_string() } else { measure(rng, 1, 20) };
    let stuff = *rng.pick(STUFF);
    spec(
        [
            ("n", count(n, rng)),
            ("a", format!("{a} {unit}")),
            ("m", count(m, rng)),
            ("stuff", stuff.to_owned()),
        ],
        [format!("{a} for {n}, so for {m}: {a} * {m} / {n}.")],
        rounded(&format!("{a} * {m} / {n}"), 4),
        [
            format!("You need **@** {unit} of {stuff}."),
            format!("**@** {unit}."),
            format!("For {m} it takes **@** {unit}."),
        ],
    )
}

const STUFF: &[&str] = &[
    "flour", "sugar", "butter", "rice", "milk", "water", "cream", "oats", "honey", "yeast",
    "cheese", "pasta", "cocoa", "salt", "oil", "yoghurt", "lentils", "beans", "beef", "tofu",
];

/// `{a}` `{things}` (plural) are made (packed, sold …) in `{h}` hours. Asked: how many in `{j}` hours
/// at the same rate.
fn rate_of_work(rng: &mut Rng) -> Spec {
    let (a, h, j, (_, many)) = (some(rng, 4), rng.int(2, 24), rng.int(2, 60), thing(rng));
    let j = if j == h { h + 1 } else { j };
    spec(
        [
            ("a", count(a, rng)),
            ("h", count(h, rng)),
            ("j", count(j, rng)),
            ("things", many.clone()),
        ],
        [format!("{a} in {h} hours, so in {j} hours {a} * {j} / {h}.")],
        rounded(&format!("{a} * {j} / {h}"), 4),
        [format!("**@** {many} in {j} hours."), "It makes **@**.".into(), "**@**.".into()],
    )
}

/// A tank of `{n}` litres is empty; `{a}` litres flow in every minute while `{b}` flow out. Asked:
/// after how many minutes it is full.
fn tank(rng: &mut Rng) -> Spec {
    let b = rng.int(1, 60);
    let (a, n) = (b + rng.int(1, 90), some(rng, 4) + 20);
    spec(
        [("n", integer(n, rng)), ("a", count(a, rng)), ("b", count(b, rng))],
        [format!("{n} litres at {a} - {b} a minute: divide.")],
        rounded(&format!("{n} / ({a} - {b})"), 4),
        ["It is full after **@** minutes.".into(), "It takes **@** minutes.".into()],
    )
}

/// `{name}` is `{a}` years old now. Asked: how old `{name}` is in `{b}` years.
fn age_later(rng: &mut Rng) -> Spec {
    let (a, b, name) = (rng.int(1, 95), rng.int(1, 70), name(rng));
    let reply = format!("{name} will be **@** years old.");
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("name", name)],
        [format!("{a} now, {b} years later: add.")],
        print(&format!("{a} + {b}")),
        [reply, "**@** years old.".into()],
    )
}

/// `{x}` is `{a}` years old and `{y}`, younger, is `{b}` (both are names). Asked: in how many years
/// `{x}` is exactly `{k}` times as old as `{y}`. It comes out whole and not negative.
fn age_times(rng: &mut Rng) -> Spec {
    let (k, then, (x, y)) = (rng.int(2, 6), rng.int(2, 25), two_names(rng));
    let t = rng.int(0, then - 1);
    let (a, b) = (k * then - t, then - t);
    let reply = format!("{x} is {k} times as old as {y} in **@** years.");
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("k", count(k, rng)), ("x", x), ("y", y)],
        [format!("{a} + t = {k} * ({b} + t): solve for t.")],
        print(&format!("({a} - {k} * {b}) // ({k} - 1)")),
        ["In **@** years.".into(), reply],
    )
}

/// `{x}` is `{a}` years old, `{y}` is `{b}` years older (both are names). Asked: how old the two are
/// together in `{c}` years.
fn age_sum(rng: &mut Rng) -> Spec {
    let (a, b, c, (x, y)) = (rng.int(1, 70), rng.int(1, 30), rng.int(1, 30), two_names(rng));
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("c", count(c, rng)), ("x", x), ("y", y)],
        [format!("Ages {a} and {a} + {b}, each {c} years more: add.")],
        print(&format!("{a} + {a} + {b} + 2 * {c}")),
        ["Together they will be **@** years old.".into(), "The sum of their ages is **@**.".into()],
    )
}

/// Two amounts (two people's `{things}`, plural) add up to `{s}` and differ by `{d}`; `{x}` has the
/// more, `{y}` the fewer (both are names). Asked: how many `{x}` has, and then how many `{y}` has.
fn sum_difference(rng: &mut Rng) -> Spec {
    let (low, d) = (some(rng, 3), some(rng, 3));
    let (s, (x, y), (_, many)) = (2 * low + d, two_names(rng), thing(rng));
    let reply = format!("{x} has **@** and {y} has **@**.");
    spec(
        [("s", count(s, rng)), ("d", count(d, rng)), ("x", x), ("y", y), ("things", many)],
        [format!("Sum {s}, difference {d}: ({s} + {d}) / 2 and ({s} - {d}) / 2.")],
        print(&format!("({s} + {d}) // 2, ({s} - {d}) // 2")),
        [reply, "**@** and **@**.".into()],
    )
}

/// The scores so far are `{a}`, `{b}` and `{c}`; `{name}` may be who got them. Asked: what the next,
/// fourth one has to be for an average of exactly `{m}`.
fn needed_score(rng: &mut Rng) -> Spec {
    let (a, b, c) = (rng.int(20, 100), rng.int(20, 100), rng.int(20, 100));
    let (m, name) = (((a + b + c) / 3 + rng.int(-6, 8)).max(1), name(rng));
    let reply = format!("{name} needs **@**.");
    spec(
        [
            ("a", a.to_string()),
            ("b", b.to_string()),
            ("c", c.to_string()),
            ("m", m.to_string()),
            ("name", name),
        ],
        [format!("Four scores with mean {m}: 4 * {m} minus {a}, {b} and {c}.")],
        print(&format!("4 * {m} - ({a} + {b} + {c})")),
        [reply, "The fourth score must be **@**.".into()],
    )
}

/// Units of length as `(one, squared, cubed)`.
const LENGTHS: &[(&str, &str, &str)] = &[
    ("m", "square meters", "cubic meters"),
    ("meters", "square meters", "cubic meters"),
    ("metres", "square metres", "cubic metres"),
    ("cm", "cm²", "cm³"),
    ("centimeters", "square centimeters", "cubic centimeters"),
    ("feet", "square feet", "cubic feet"),
    ("ft", "square feet", "cubic feet"),
    ("inches", "square inches", "cubic inches"),
    ("mm", "mm²", "mm³"),
    ("yards", "square yards", "cubic yards"),
    ("units", "square units", "cubic units"),
];

/// A rectangle (room, field, sheet …) of `{a}` by `{b}`, both in `{u}` (plural or short). Asked: its
/// area.
fn area(rng: &mut Rng) -> Spec {
    let ((u, squared, _), a, b) = (*rng.pick(LENGTHS), measure(rng, 1, 900), measure(rng, 1, 900));
    spec(
        [("a", a.clone()), ("b", b.clone()), ("u", u.to_owned())],
        [format!("Area of the rectangle: {a} times {b}.")],
        rounded(&format!("{a} * {b}"), 4),
        [format!("The area is **@** {squared}."), format!("It is **@** {squared}.")],
    )
}

/// A rectangle (room, field, frame …) of `{a}` by `{b}`, both in `{u}` (plural or short). Asked: its
/// perimeter, the way once around it.
fn perimeter(rng: &mut Rng) -> Spec {
    let ((u, ..), a, b) = (*rng.pick(LENGTHS), measure(rng, 1, 900), measure(rng, 1, 900));
    spec(
        [("a", a.clone()), ("b", b.clone()), ("u", u.to_owned())],
        [format!("Perimeter: 2 times the sum of {a} and {b}.")],
        rounded(&format!("2 * ({a} + {b})"), 4),
        [format!("The perimeter is **@** {u}."), format!("It is **@** {u}.")],
    )
}

/// A circle (pond, pizza, table …) with a radius of `{r}` in `{u}` (plural or short). Asked: its
/// area, rounded to 2 decimals.
fn circle_area(rng: &mut Rng) -> Spec {
    let ((u, squared, _), r) = (*rng.pick(LENGTHS), measure(rng, 1, 300));
    spec(
        [("r", r.clone()), ("u", u.to_owned())],
        [format!("Area of a circle with radius {r}: pi * r².")],
        format!("import math; {}", rounded(&format!("math.pi * {r}**2"), 2)),
        [format!("The area is **@** {squared}."), format!("About **@** {squared}.")],
    )
}

/// A circle (wheel, track, pond …) with a diameter of `{d}` in `{u}` (plural or short). Asked: its
/// circumference, rounded to 2 decimals.
fn circumference(rng: &mut Rng) -> Spec {
    let ((u, ..), d) = (*rng.pick(LENGTHS), measure(rng, 1, 300));
    spec(
        [("d", d.clone()), ("u", u.to_owned())],
        [format!("Circumference of a circle with diameter {d}: pi * d.")],
        format!("import math; {}", rounded(&format!("math.pi * {d}"), 2)),
        [format!("The circumference is **@** {u}."), format!("About **@** {u}.")],
    )
}

/// A triangle with a base of `{b}` and a height of `{h}`, both in `{u}` (plural or short). Asked:
/// its area.
fn triangle_area(rng: &mut Rng) -> Spec {
    let ((u, squared, _), b, h) = (*rng.pick(LENGTHS), measure(rng, 1, 300), measure(rng, 1, 300));
    spec(
        [("b", b.clone()), ("h", h.clone()), ("u", u.to_owned())],
        [format!("Area of the triangle: {b} times {h} over 2.")],
        rounded(&format!("{b} * {h} / 2"), 4),
        [format!("The area is **@** {squared}."), format!("It is **@** {squared}.")],
    )
}

/// A right triangle (a ladder, a screen, two streets …) with legs `{a}` and `{b}`, both in `{u}`
/// (plural or short). Asked: the hypotenuse (diagonal, straight way), rounded to 4 decimals.
fn hypotenuse(rng: &mut Rng) -> Spec {
    let ((u, ..), a, b) = (*rng.pick(LENGTHS), rng.int(1, 300), rng.int(1, 300));
    spec(
        [("a", a.to_string()), ("b", b.to_string()), ("u", u.to_owned())],
        [format!("Hypotenuse of the legs {a} and {b}.")],
        format!("import math; {}", rounded(&format!("math.hypot({a}, {b})"), 4)),
        [format!("It is **@** {u}."), format!("The length is **@** {u}.")],
    )
}

/// A box (tank, pool, room …) of `{a}` by `{b}` by `{c}`, all in `{u}` (plural or short). Asked: its
/// volume.
fn box_volume(rng: &mut Rng) -> Spec {
    let (u, _, cubed) = *rng.pick(LENGTHS);
    let (a, b, c) = (measure(rng, 1, 200), measure(rng, 1, 200), measure(rng, 1, 90));
    spec(
        [("a", a.clone()), ("b", b.clone()), ("c", c.clone()), ("u", u.to_owned())],
        [format!("Volume of the box: {a} times {b} times {c}.")],
        rounded(&format!("{a} * {b} * {c}"), 4),
        [format!("The volume is **@** {cubed}."), format!("It is **@** {cubed}.")],
    )
}

/// A floor (wall …) of `{a}` by `{b}` metres is covered with square tiles of `{s}` cm side; it comes
/// out even. Asked: how many tiles.
fn tiles(rng: &mut Rng) -> Spec {
    let s = *rng.pick(&[5, 10, 20, 25, 50, 100]);
    let (a, b) = (rng.int(1, 40), rng.int(1, 40));
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("s", s.to_string())],
        [format!("Tiles of {s} cm on {a} by {b} m: along one side times along the other.")],
        print(&format!("({a} * 100 // {s}) * ({b} * 100 // {s})")),
        ["You need **@** tiles.".into(), "It takes **@** tiles.".into()],
    )
}

/// Posts (trees, lamps …) stand along a straight line of `{l}` metres, one every `{s}` metres, with
/// one at each end; it comes out even. Asked: how many there are.
fn fence_line(rng: &mut Rng) -> Spec {
    let (s, gaps) = (rng.int(2, 25), rng.int(2, 200));
    let l = s * gaps;
    spec(
        [("l", integer(l, rng)), ("s", count(s, rng))],
        [format!("{l} m with one every {s} m and both ends: divide and add 1.")],
        print(&format!("{l} // {s} + 1")),
        ["**@** are needed.".into(), "There are **@**.".into()],
    )
}

/// A rectangle of `{a}` by `{b}` metres gets posts (trees, lamps …) all around, one every `{s}`
/// metres; it comes out even. Asked: how many there are.
fn fence_round(rng: &mut Rng) -> Spec {
    let s = rng.int(2, 10);
    let (a, b) = (s * rng.int(2, 40), s * rng.int(2, 40));
    spec(
        [("a", integer(a, rng)), ("b", integer(b, rng)), ("s", count(s, rng))],
        [format!("Around {a} by {b} m, one every {s} m: perimeter divided by {s}.")],
        print(&format!("2 * ({a} + {b}) // {s}")),
        ["**@** are needed.".into(), "There are **@**.".into()],
    )
}

/// A wall of `{a}` by `{b}` metres is painted, and one can (bucket, litre …) is enough for `{c}`
/// square metres. Asked: how many whole cans are needed.
fn paint(rng: &mut Rng) -> Spec {
    let (a, b, c) = (rng.int(2, 60), rng.int(2, 30), rng.int(2, 25));
    spec(
        [("a", count(a, rng)), ("b", count(b, rng)), ("c", count(c, rng))],
        [format!("{a} * {b} square meters, {c} for each can: divide and round up.")],
        print(&format!("-(-{a} * {b} // {c})")),
        ["**@** cans are needed.".into(), "You need **@**.".into()],
    )
}

/// A car burns `{c}` litres per 100 km and goes `{d}` km. Asked: how many litres it burns.
fn fuel_needed(rng: &mut Rng) -> Spec {
    let (c, d) = (measure(rng, 3, 30), some(rng, 4));
    spec(
        [("c", c.clone()), ("d", integer(d, rng))],
        [format!("{c} litres per 100 km over {d} km.")],
        rounded(&format!("{d} * {c} / 100"), 4),
        ["It burns **@** litres.".into(), "**@** litres.".into()],
    )
}

/// A car burns `{c}` litres per 100 km and goes `{d}` km; a litre costs `{p}` (with its currency).
/// Asked: what the fuel for the trip costs.
fn fuel_cost(rng: &mut Rng) -> Spec {
    let (c, d) = (measure(rng, 3, 30), some(rng, 4));
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 60, 300));
    let bold = cash.bold();
    spec(
        [("c", c.clone()), ("d", integer(d, rng)), ("p", cash.show(&p, rng))],
        [format!("{c} litres per 100 km over {d} km, {p} for a litre.")],
        cents(&format!("{d} * {c} / 100 * {p}")),
        [format!("The fuel costs {bold}."), format!("It costs {bold}.")],
    )
}

/// A car burned `{l}` litres on `{d}` km. Asked: how many litres per 100 km, rounded to 2 decimals.
fn fuel_per_100(rng: &mut Rng) -> Spec {
    let (l, d) = (measure(rng, 2, 90), rng.int(30, 1_500));
    spec(
        [("l", l.clone()), ("d", integer(d, rng))],
        [format!("{l} litres on {d} km: per 100 km.")],
        rounded(&format!("{l} / {d} * 100"), 2),
        ["It is **@** litres per 100 km.".into(), "**@** litres per 100 km.".into()],
    )
}

/// `{t}` `{things}` (plural) are shared by `{x}` and `{y}` (names) in the ratio `{a}` to `{b}`; it
/// comes out whole. Asked: how many `{x}` gets, and then how many `{y}` gets.
fn ratio(rng: &mut Rng) -> Spec {
    let (a, b) = (rng.int(1, 12), rng.int(1, 12));
    let (t, (x, y), (_, many)) = ((a + b) * some(rng, 3), two_names(rng), thing(rng));
    let reply = format!("{x} gets **@** and {y} gets **@**.");
    spec(
        [
            ("t", count(t, rng)),
            ("a", a.to_string()),
            ("b", b.to_string()),
            ("x", x),
            ("y", y),
            ("things", many),
        ],
        [format!("Share {t} in the ratio {a} to {b}.")],
        print(&format!("{t} * {a} // ({a} + {b}), {t} * {b} // ({a} + {b})")),
        [reply, "**@** and **@**.".into()],
    )
}

/// `{a}` litres of a solution of `{p}` percent are mixed with `{b}` litres of one of `{q}` percent
/// (no signs or units in the slots). Asked: the percentage of the mixture, rounded to 2 decimals.
fn mixture(rng: &mut Rng) -> Spec {
    let (a, b) = (rng.int(1, 60), rng.int(1, 60));
    let (p, q) = (rate(rng, 95), rate(rng, 95));
    spec(
        [("a", count(a, rng)), ("p", p.clone()), ("b", count(b, rng)), ("q", q.clone())],
        [format!("{a} of {p} percent and {b} of {q} percent: the weighted mean.")],
        rounded(&format!("({a} * {p} + {b} * {q}) / ({a} + {b})"), 2),
        ["The mixture has **@** percent.".into(), "It is **@** percent.".into()],
    )
}

/// On a farm there are `{two}` (plural, two legs each) and `{four}` (plural, four legs each), `{h}`
/// heads and `{l}` legs in all. Asked: how many `{two}`, and then how many `{four}`.
fn heads_legs(rng: &mut Rng) -> Spec {
    let (birds, beasts) = (some(rng, 3), some(rng, 3));
    let (h, l) = (birds + beasts, 2 * birds + 4 * beasts);
    let two = *rng.pick(&["chickens", "ducks", "geese", "hens", "turkeys", "pigeons", "ostriches"]);
    let four =
        *rng.pick(&["cows", "rabbits", "sheep", "goats", "pigs", "horses", "dogs", "donkeys"]);
    spec(
        [
            ("two", two.to_owned()),
            ("four", four.to_owned()),
            ("h", integer(h, rng)),
            ("l", integer(l, rng)),
        ],
        [format!("{h} heads, {l} legs: four-legged ones are ({l} - 2 * {h}) / 2.")],
        format!("f = ({l} - 2 * {h}) // 2; print({h} - f, f)"),
        [
            format!("**@** {two} and **@** {four}."),
            format!("There are **@** {two} and **@** {four}."),
        ],
    )
}

/// There are `{a}` of something (bacteria, followers …), and their number doubles every hour (day …).
/// Asked: how many there are after `{n}` hours (days …).
fn doubling(rng: &mut Rng) -> Spec {
    let (a, n) = (some(rng, 3) - 1, rng.int(2, 30));
    spec(
        [("a", count(a, rng)), ("n", count(n, rng))],
        [format!("{a} doubled {n} times.")],
        print(&format!("{a} * 2**{n}")),
        ["There are **@** then.".into(), "It grows to **@**.".into()],
    )
}

/// A snail climbs a wall (well, pole) of `{h}` metres: `{u}` metres up by day, `{d}` metres down by
/// night. Asked: on which day it reaches the top.
fn snail(rng: &mut Rng) -> Spec {
    let d = rng.int(1, 9);
    let u = d + rng.int(1, 8);
    let h = u + rng.int(1, 90);
    spec(
        [("h", count(h, rng)), ("u", count(u, rng)), ("d", count(d, rng))],
        [format!("Height {h}, up {u}, down {d}: the last day is a climb without a slide.")],
        print(&format!("-(-({h} - {u}) // ({u} - {d})) + 1")),
        ["It gets there on day **@**.".into(), "It takes **@** days.".into()],
    )
}
