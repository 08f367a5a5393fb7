//! Prices, pay, interest and change. Money is printed with two decimals, always.

use super::words::{Amount, Cash, measure, name, rate, thing, up_to};
use super::{Spec, cents, print, rounded, spec};
use crate::surface::count;
use crate::{Kind, Rng};

pub(super) fn kinds() -> Vec<Kind> {
    super::table![
        "money/discount" 12 discount,
        "money/saved" 7 saved,
        "money/two_discounts" 5 two_discounts,
        "money/percent_off" 6 percent_off,
        "money/original_price" 6 original_price,
        "money/with_tax" 9 with_tax,
        "money/tax_only" 7 tax_only,
        "money/before_tax" 6 before_tax,
        "money/discount_tax" 5 discount_tax,
        "money/tip" 8 tip,
        "money/with_tip" 7 with_tip,
        "money/split" 7 split,
        "money/split_tip" 7 split_tip,
        "money/simple_interest" 8 simple_interest,
        "money/compound" 9 compound,
        "money/compound_interest" 6 compound_interest,
        "money/unit_price" 7 unit_price,
        "money/best_buy" 6 best_buy,
        "money/profit" 6 profit,
        "money/margin" 6 margin,
        "money/markup" 5 markup,
        "money/exchange" 8 exchange,
        "money/exchange_back" 6 exchange_back,
        "money/wage" 8 wage,
        "money/overtime" 6 overtime,
        "money/yearly" 7 yearly,
        "money/monthly" 6 monthly,
        "money/raise" 6 raise,
        "money/commission" 5 commission,
        "money/loan_total" 6 loan_total,
        "money/loan_interest" 5 loan_interest,
        "money/loan_payment" 5 loan_payment,
        "money/change" 8 change,
        "money/change_items" 7 change_items,
        "money/coins_value" 5 coins_value,
        "money/coins_fewest" 5 coins_fewest,
        "money/inflation" 6 inflation,
        "money/depreciation" 5 depreciation,
        "money/budget_left" 7 budget_left,
        "money/receipt" 7 receipt,
        "money/save_total" 5 save_total,
    ]
}

/// `{p}` is a price (with its currency), `{r}` a percentage (a number without the sign), `{thing}` a
/// noun in the singular. Asked: the price after a discount of `{r}` percent.
fn discount(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::new(rng, 200, 500_000), rate(rng, 90));
    let (bold, (thing, _)) = (cash.bold(), thing(rng));
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("thing", thing)],
        [format!("{p} minus {r} percent.")],
        cents(&format!("{p} * (1 - {r} / 100)")),
        [
            format!("The new price is {bold}."),
            format!("It costs {bold} now."),
            format!("You pay {bold}."),
        ],
    )
}

/// `{p}` is a price (with its currency), `{r}` a percentage (a number without the sign), `{thing}` a
/// noun in the singular. Asked: how much money a discount of `{r}` percent takes off.
fn saved(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::new(rng, 200, 500_000), rate(rng, 90));
    let (bold, (thing, _)) = (cash.bold(), thing(rng));
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("thing", thing)],
        [format!("The discount: {r} percent of {p}.")],
        cents(&format!("{p} * {r} / 100")),
        [format!("You save {bold}."), format!("The discount is {bold}.")],
    )
}

/// `{p}` is a price (with its currency), `{r}` and `{s}` are percentages (numbers without the sign).
/// Asked: the price after a discount of `{r}` percent and then one of `{s}` percent on the reduced
/// price.
fn two_discounts(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 500, 300_000));
    let (r, s, bold) = (rate(rng, 60), rate(rng, 40), cash.bold());
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("s", s.clone())],
        [format!("{p} minus {r} percent, then minus {s} percent.")],
        cents(&format!("{p} * (1 - {r} / 100) * (1 - {s} / 100)")),
        [format!("The final price is {bold}."), format!("It costs {bold} in the end.")],
    )
}

/// A price went from `{p}` down to `{q}` (both with their currency). Asked: the discount in percent
/// of `{p}`, rounded to at most 2 decimals.
fn percent_off(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 500, 300_000));
    let q = Amount::new(rng, p.cents / 4, p.cents - 10);
    let (shown, sale) = (cash.show(&p, rng), cash.show(&q, rng));
    spec(
        [("p", shown), ("q", sale)],
        [format!("From {p} down to {q}: the discount in percent.")],
        rounded(&format!("({p} - {q}) / {p} * 100"), 2),
        ["The discount is **@** %.".into(), "It is **@** percent off.".into()],
    )
}

/// After a discount of `{r}` percent (a number without the sign) something costs `{q}` (with its
/// currency). Asked: the price before the discount.
fn original_price(rng: &mut Rng) -> Spec {
    let (cash, q, r) = (Cash::new(rng), Amount::new(rng, 300, 300_000), rate(rng, 80));
    let (bold, shown) = (cash.bold(), cash.show(&q, rng));
    spec(
        [("q", shown), ("r", r.clone())],
        [format!("{q} is what is left after {r} percent off: divide.")],
        cents(&format!("{q} / (1 - {r} / 100)")),
        [format!("The original price was {bold}."), format!("It was {bold} before.")],
    )
}

/// `{p}` is a price without tax (with its currency), `{r}` a tax rate in percent (a number without
/// the sign). Asked: the price with the tax added.
fn with_tax(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::new(rng, 100, 900_000), rate(rng, 27));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown), ("r", r.clone())],
        [format!("{p} plus {r} percent tax.")],
        cents(&format!("{p} * (1 + {r} / 100)")),
        [format!("With tax it is {bold}."), format!("The total with tax is {bold}.")],
    )
}

/// `{p}` is a price without tax (with its currency), `{r}` a tax rate in percent (a number without
/// the sign). Asked: the tax alone.
fn tax_only(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::new(rng, 100, 900_000), rate(rng, 27));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown), ("r", r.clone())],
        [format!("The tax: {r} percent of {p}.")],
        cents(&format!("{p} * {r} / 100")),
        [format!("The tax is {bold}."), format!("That is {bold} in tax.")],
    )
}

/// `{g}` is a price that includes a tax of `{r}` percent (`{g}` with its currency, `{r}` without the
/// sign). Asked: the price without the tax.
fn before_tax(rng: &mut Rng) -> Spec {
    let (cash, g, r) = (Cash::new(rng), Amount::new(rng, 100, 900_000), rate(rng, 27));
    let (bold, shown) = (cash.bold(), cash.show(&g, rng));
    spec(
        [("g", shown), ("r", r.clone())],
        [format!("{g} includes {r} percent tax: divide.")],
        cents(&format!("{g} / (1 + {r} / 100)")),
        [format!("Without tax it is {bold}."), format!("The net price is {bold}.")],
    )
}

/// `{p}` is a price (with its currency), `{r}` a discount in percent, `{t}` a tax rate in percent
/// (numbers without the sign). Asked: what is paid when first the discount is taken off and then the
/// tax is added.
fn discount_tax(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 500, 300_000));
    let (r, t, bold) = (rate(rng, 70), rate(rng, 25), cash.bold());
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("t", t.clone())],
        [format!("{p} minus {r} percent, then plus {t} percent.")],
        cents(&format!("{p} * (1 - {r} / 100) * (1 + {t} / 100)")),
        [format!("The final price is {bold}."), format!("You pay {bold}.")],
    )
}

/// `{p}` is a bill (with its currency), `{r}` a percentage (a number without the sign). Asked: the
/// tip of `{r}` percent alone.
fn tip(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::new(rng, 300, 60_000), rate(rng, 30));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown), ("r", r.clone())],
        [format!("The tip: {r} percent of {p}.")],
        cents(&format!("{p} * {r} / 100")),
        [format!("The tip is {bold}."), format!("Tip {bold}.")],
    )
}

/// `{p}` is a bill (with its currency), `{r}` a tip in percent (a number without the sign). Asked:
/// the bill and the tip together.
fn with_tip(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::new(rng, 300, 60_000), rate(rng, 30));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown), ("r", r.clone())],
        [format!("{p} plus {r} percent tip.")],
        cents(&format!("{p} * (1 + {r} / 100)")),
        [format!("With the tip it is {bold}."), format!("You pay {bold} in all.")],
    )
}

/// `{p}` is a bill (with its currency) that `{n}` people share equally. Asked: what each one pays.
fn split(rng: &mut Rng) -> Spec {
    let (cash, p, n) = (Cash::new(rng), Amount::new(rng, 500, 300_000), rng.int(2, 24));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown), ("n", count(n, rng))],
        [format!("{p} shared by {n}: divide.")],
        cents(&format!("{p} / {n}")),
        [format!("Each pays {bold}."), format!("It is {bold} for each.")],
    )
}

/// `{p}` is a bill (with its currency); a tip of `{r}` percent (a number without the sign) is added,
/// and `{n}` people share it all equally. Asked: what each one pays.
fn split_tip(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::new(rng, 500, 100_000), rate(rng, 30));
    let (bold, shown, n) = (cash.bold(), cash.show(&p, rng), rng.int(2, 16));
    spec(
        [("p", shown), ("r", r.clone()), ("n", count(n, rng))],
        [format!("{p} plus {r} percent tip, shared by {n}.")],
        cents(&format!("{p} * (1 + {r} / 100) / {n}")),
        [format!("Each pays {bold}."), format!("It is {bold} per person.")],
    )
}

/// `{p}` (with its currency) earns simple interest of `{r}` percent a year (a number without the
/// sign) for `{n}` years. Asked: the interest alone.
fn simple_interest(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::whole(rng, 50, 200_000));
    let (r, n, bold) = (rate(rng, 15), rng.int(1, 30), cash.bold());
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("n", count(n, rng))],
        [format!("Simple interest on {p} at {r} percent for {n} years.")],
        cents(&format!("{p} * {r} / 100 * {n}")),
        [format!("The interest is {bold}."), format!("It earns {bold} of interest.")],
    )
}

/// `{p}` (with its currency) earns compound interest of `{r}` percent a year (a number without the
/// sign), compounded yearly. Asked: the whole amount after `{n}` years.
fn compound(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::whole(rng, 50, 200_000));
    let (r, n, bold) = (rate(rng, 15), rng.int(2, 40), cash.bold());
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("n", count(n, rng))],
        [format!("{p} grows {r} percent a year for {n} years.")],
        cents(&format!("{p} * (1 + {r} / 100)**{n}")),
        [
            format!("After {n} years it is {bold}."),
            format!("It grows to {bold}."),
            format!("The amount is {bold}."),
        ],
    )
}

/// `{p}` (with its currency) earns compound interest of `{r}` percent a year (a number without the
/// sign), compounded yearly, for `{n}` years. Asked: the interest alone, without `{p}`.
fn compound_interest(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::whole(rng, 50, 200_000));
    let (r, n, bold) = (rate(rng, 15), rng.int(2, 30), cash.bold());
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("n", count(n, rng))],
        [format!("{p} grows {r} percent a year for {n} years; only the interest.")],
        cents(&format!("{p} * (1 + {r} / 100)**{n} - {p}")),
        [format!("The interest is {bold}."), format!("It earns {bold}.")],
    )
}

/// `{n}` `{things}` (plural) cost `{p}` together (with its currency); `{thing}` is the singular.
/// Asked: the price of one.
fn unit_price(rng: &mut Rng) -> Spec {
    let (cash, p, n) = (Cash::new(rng), Amount::new(rng, 100, 90_000), rng.int(2, 144));
    let (bold, shown, (thing, things)) = (cash.bold(), cash.show(&p, rng), thing(rng));
    spec(
        [("n", count(n, rng)), ("p", shown), ("things", things), ("thing", thing.clone())],
        [format!("{p} for {n}: divide for one.")],
        cents(&format!("{p} / {n}")),
        [format!("One costs {bold}."), format!("It is {bold} for each {thing}.")],
    )
}

/// Pack A has `{n}` `{things}` (plural) for `{p}`, pack B has `{m}` for `{q}` (prices with their
/// currency). Asked: which pack is cheaper for each one. The answer is `A` or `B`: the wordings name
/// the two packs (shops, offers) A and B.
fn best_buy(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 100, 9_000));
    let (n, m) = (rng.int(2, 60), rng.int(2, 60));
    let near = p.cents * m / n;
    let q = Amount::new(rng, (near * 7 / 10).max(10), (near * 14 / 10).max(20));
    let (a, b, (_, things)) = (cash.show(&p, rng), cash.show(&q, rng), thing(rng));
    spec(
        [("n", count(n, rng)), ("p", a), ("m", count(m, rng)), ("q", b), ("things", things)],
        [format!("A is {p} for {n}, B is {q} for {m}: compare the price of one.")],
        print(&format!("'A' if {p} / {n} < {q} / {m} else 'B'")),
        ["**@** is cheaper for each one.".into(), "**@** is the better buy.".into()],
    )
}

/// Something is bought (made) for `{c}` and sold for `{s}` (both with their currency). Asked: the
/// profit, `{s}` minus `{c}`; a loss is negative.
fn profit(rng: &mut Rng) -> Spec {
    let (cash, c) = (Cash::new(rng), Amount::new(rng, 100, 900_000));
    let s = Amount::new(rng, c.cents / 2, c.cents * 3);
    let (bold, buys, sells) = (cash.bold(), cash.show(&c, rng), cash.show(&s, rng));
    spec(
        [("c", buys), ("s", sells)],
        [format!("Profit: {s} minus {c}.")],
        cents(&format!("{s} - {c}")),
        [format!("The profit is {bold}."), format!("It is {bold}.")],
    )
}

/// Something costs the seller `{c}` and is sold for `{s}` (both with their currency). Asked: the
/// profit margin, the profit in percent of the selling price `{s}`, rounded to at most 2 decimals.
fn margin(rng: &mut Rng) -> Spec {
    let (cash, c) = (Cash::new(rng), Amount::new(rng, 100, 300_000));
    let s = Amount::new(rng, c.cents + 10, c.cents * 3);
    let (buys, sells) = (cash.show(&c, rng), cash.show(&s, rng));
    spec(
        [("c", buys), ("s", sells)],
        [format!("Margin: profit {s} - {c} in percent of {s}.")],
        rounded(&format!("({s} - {c}) / {s} * 100"), 2),
        ["The margin is **@** %.".into(), "It is **@** percent.".into()],
    )
}

/// Something costs the seller `{c}` and is sold for `{s}` (both with their currency). Asked: the
/// markup, the profit in percent of the cost `{c}`, rounded to at most 2 decimals.
fn markup(rng: &mut Rng) -> Spec {
    let (cash, c) = (Cash::new(rng), Amount::new(rng, 100, 300_000));
    let s = Amount::new(rng, c.cents + 10, c.cents * 3);
    let (buys, sells) = (cash.show(&c, rng), cash.show(&s, rng));
    spec(
        [("c", buys), ("s", sells)],
        [format!("Markup: profit {s} - {c} in percent of {c}.")],
        rounded(&format!("({s} - {c}) / {c} * 100"), 2),
        ["The markup is **@** %.".into(), "It is **@** percent.".into()],
    )
}

/// Two currencies, of which words and codes are mixed freely.
const CURRENCIES: &[&str] = &[
    "euros", "dollars", "pounds", "yen", "francs", "rupees", "pesos", "kronor", "yuan", "won",
    "rand", "lira", "zloty", "reais", "EUR", "USD", "GBP", "JPY", "CHF", "INR", "SEK", "CAD",
    "AUD",
];

fn currencies(rng: &mut Rng) -> (&'static str, &'static str) {
    let two = rng.sample(CURRENCIES, 2);
    (two[0], two[1])
}

/// `{a}` (a number only) of the currency `{u}` are changed into `{v}`, at `{k}` `{v}` for one `{u}`
/// (currencies as plural words or codes). Asked: how many `{v}` one gets.
fn exchange(rng: &mut Rng) -> Spec {
    let (a, k, (u, v)) = (Amount::new(rng, 100, 900_000), exchange_rate(rng), currencies(rng));
    spec(
        [("a", a.plain()), ("k", k.clone()), ("u", u.to_owned()), ("v", v.to_owned())],
        [format!("{a} {u} at {k} {v} each: multiply.")],
        cents(&format!("{a} * {k}")),
        [format!("You get **@** {v}."), format!("{a} {u} are **@** {v}.")],
    )
}

/// `{a}` (a number only) of the currency `{v}` are changed into `{u}`, where one `{u}` is `{k}` `{v}`
/// (currencies as plural words or codes). Asked: how many `{u}` one gets.
fn exchange_back(rng: &mut Rng) -> Spec {
    let (a, k, (u, v)) = (Amount::new(rng, 100, 900_000), exchange_rate(rng), currencies(rng));
    spec(
        [("a", a.plain()), ("k", k.clone()), ("u", u.to_owned()), ("v", v.to_owned())],
        [format!("{a} {v}, with {k} {v} for one {u}: divide.")],
        cents(&format!("{a} / {k}")),
        [format!("You get **@** {u}."), format!("{a} {v} are **@** {u}.")],
    )
}

fn exchange_rate(rng: &mut Rng) -> String {
    match rng.below(3) {
        0 => format!("0.{}", rng.int(2, 99)),
        1 => format!("1.{:02}", rng.int(1, 99)),
        _ => measure(rng, 2, 160),
    }
}

/// `{name}` earns `{p}` an hour (with its currency) and works `{h}` hours (a number). Asked: the pay.
fn wage(rng: &mut Rng) -> Spec {
    let (cash, p, h) = (Cash::new(rng), Amount::new(rng, 500, 15_000), measure(rng, 2, 200));
    let (bold, shown, name) = (cash.bold(), cash.show(&p, rng), name(rng));
    let reply = format!("{name} earns {bold}.");
    spec(
        [("p", shown), ("h", h.clone()), ("name", name)],
        [format!("{h} hours at {p} each: multiply.")],
        cents(&format!("{h} * {p}")),
        [format!("The pay is {bold}."), reply],
    )
}

/// `{name}` earns `{p}` an hour (with its currency) and works `{h}` normal hours and `{o}` hours of
/// overtime (numbers), which are paid one and a half times. Asked: the whole pay.
fn overtime(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 500, 9_000));
    let (h, o, name) = (rng.int(10, 180), rng.int(1, 30), name(rng));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    let reply = format!("{name} earns {bold}.");
    spec(
        [("p", shown), ("h", h.to_string()), ("o", count(o, rng)), ("name", name)],
        [format!("{h} hours and {o} hours times 1.5, at {p} each.")],
        cents(&format!("({h} + {o} * 1.5) * {p}")),
        [format!("The pay is {bold}."), reply],
    )
}

/// `{p}` (with its currency) is paid or earned each month. Asked: how much that is in a year.
fn yearly(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 100, 1_500_000));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown)],
        [format!("{p} a month for 12 months.")],
        cents(&format!("{p} * 12")),
        [format!("It is {bold} a year."), format!("In a year it is {bold}.")],
    )
}

/// `{p}` (with its currency) is paid or earned each year. Asked: how much that is in a month.
fn monthly(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 1_000, 15_000_000));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown)],
        [format!("{p} a year over 12 months.")],
        cents(&format!("{p} / 12")),
        [format!("It is {bold} a month."), format!("Each month it is {bold}.")],
    )
}

/// A salary (rent, fee) of `{p}` (with its currency) goes up by `{r}` percent (a number without the
/// sign). Asked: the new one.
fn raise(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::whole(rng, 100, 90_000), rate(rng, 30));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown), ("r", r.clone())],
        [format!("{p} plus {r} percent.")],
        cents(&format!("{p} * (1 + {r} / 100)")),
        [format!("It is {bold} now."), format!("The new amount is {bold}.")],
    )
}

/// `{name}` sells for `{p}` (with its currency) and gets a commission of `{r}` percent (a number
/// without the sign). Asked: the commission.
fn commission(rng: &mut Rng) -> Spec {
    let (cash, p, r) = (Cash::new(rng), Amount::whole(rng, 100, 900_000), rate(rng, 20));
    let (bold, shown, name) = (cash.bold(), cash.show(&p, rng), name(rng));
    let reply = format!("{name} gets {bold}.");
    spec(
        [("p", shown), ("r", r.clone()), ("name", name)],
        [format!("The commission: {r} percent of {p}.")],
        cents(&format!("{p} * {r} / 100")),
        [format!("The commission is {bold}."), reply],
    )
}

/// A loan (or a purchase by instalments) is paid back in `{n}` monthly payments of `{p}` each (with
/// its currency). Asked: how much is paid in all.
fn loan_total(rng: &mut Rng) -> Spec {
    let (cash, p, n) = (Cash::new(rng), Amount::new(rng, 1_000, 300_000), rng.int(3, 360));
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    spec(
        [("p", shown), ("n", count(n, rng))],
        [format!("{n} payments of {p}: multiply.")],
        cents(&format!("{n} * {p}")),
        [format!("In all {bold} is paid."), format!("The total is {bold}.")],
    )
}

/// A loan of `{l}` is paid back in `{n}` monthly payments of `{p}` each (both with their currency).
/// Asked: how much more than `{l}` is paid, that is, what the loan costs.
fn loan_interest(rng: &mut Rng) -> Spec {
    let (cash, p, n) = (Cash::new(rng), Amount::new(rng, 2_000, 200_000), rng.int(6, 240));
    let l = Amount::whole(rng, (p.cents * n / 200).max(1), (p.cents * n / 105).max(2));
    let (bold, shown, loan) = (cash.bold(), cash.show(&p, rng), cash.show(&l, rng));
    spec(
        [("p", shown), ("n", count(n, rng)), ("l", loan)],
        [format!("{n} payments of {p}, minus the loan of {l}.")],
        cents(&format!("{n} * {p} - {l}")),
        [format!("The loan costs {bold}."), format!("That is {bold} of interest.")],
    )
}

/// A loan of `{l}` (with its currency) at `{r}` percent a year (a number without the sign, a twelfth
/// of it for each month) is paid back in `{n}` equal monthly payments. Asked: one payment, by the
/// annuity formula.
fn loan_payment(rng: &mut Rng) -> Spec {
    let (cash, l) = (Cash::new(rng), Amount::whole(rng, 500, 600_000));
    let (r, n, bold) = (rate(rng, 15), rng.int(1, 30) * 12, cash.bold());
    let shown = cash.show(&l, rng);
    spec(
        [("l", shown), ("r", r.clone()), ("n", n.to_string())],
        [format!("Annuity: loan {l}, {r} percent a year, {n} months.")],
        format!("i = {r} / 1200; {}", cents(&format!("{l} * i / (1 - (1 + i)**-{n})"))),
        [format!("The monthly payment is {bold}."), format!("It is {bold} a month.")],
    )
}

/// Something costs `{p}`, and it is paid with `{b}` (both with their currency; `{b}` is more). Asked:
/// the change that comes back.
fn change(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 25, 19_900));
    let notes: Vec<i64> =
        [5, 10, 20, 50, 100, 200].into_iter().filter(|n| n * 100 > p.cents).collect();
    let b = *rng.pick(&notes);
    let (bold, shown) = (cash.bold(), cash.show(&p, rng));
    let note = cash.show(&Amount::whole(rng, b, b), rng);
    spec(
        [("p", shown), ("b", note)],
        [format!("Change: {b} minus {p}.")],
        cents(&format!("{b} - {p}")),
        [format!("The change is {bold}."), format!("You get {bold} back.")],
    )
}

/// `{n}` `{things}` (plural) at `{p}` each are paid with `{b}` (amounts with their currency). Asked:
/// the change that comes back.
fn change_items(rng: &mut Rng) -> Spec {
    let (cash, p, n) = (Cash::new(rng), Amount::new(rng, 25, 1_500), rng.int(2, 12));
    let notes: Vec<i64> =
        [5, 10, 20, 50, 100, 200].into_iter().filter(|b| b * 100 > n * p.cents).collect();
    let b = *rng.pick(&notes);
    let (bold, shown, (_, things)) = (cash.bold(), cash.show(&p, rng), thing(rng));
    let note = cash.show(&Amount::whole(rng, b, b), rng);
    spec(
        [("n", count(n, rng)), ("p", shown), ("b", note), ("things", things)],
        [format!("Change: {b} minus {n} times {p}.")],
        cents(&format!("{b} - {n} * {p}")),
        [format!("The change is {bold}."), format!("You get {bold} back.")],
    )
}

/// `{q}` quarters (25 cents), `{d}` dimes (10), `{n}` nickels (5) and `{p}` pennies (1), numbers
/// only. Asked: what they are worth in dollars.
fn coins_value(rng: &mut Rng) -> Spec {
    let (q, d, n, p) = (rng.int(1, 40), rng.int(1, 40), rng.int(1, 40), rng.int(1, 60));
    spec(
        [("q", count(q, rng)), ("d", count(d, rng)), ("n", count(n, rng)), ("p", count(p, rng))],
        [format!("{q} quarters, {d} dimes, {n} nickels, {p} pennies in dollars.")],
        cents(&format!("({q} * 25 + {d} * 10 + {n} * 5 + {p}) / 100")),
        ["They are worth **$@**.".into(), "It is **$@**.".into()],
    )
}

/// `{c}` is a number of cents. Asked: the fewest coins of 25, 10, 5 and 1 cents (quarters, dimes,
/// nickels, pennies) that make it.
fn coins_fewest(rng: &mut Rng) -> Spec {
    let c = up_to(rng, 2, &[99, 99, 500]);
    spec(
        [("c", c.to_string())],
        [format!("{c} cents in the fewest coins of 25, 10, 5 and 1.")],
        print(&format!("{c} // 25 + {c} % 25 // 10 + {c} % 25 % 10 // 5 + {c} % 5")),
        ["**@** coins are enough.".into(), "The fewest is **@** coins.".into()],
    )
}

/// Something costs `{p}` today (with its currency) and prices rise by `{r}` percent a year (a number
/// without the sign). Asked: what it costs in `{n}` years.
fn inflation(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::new(rng, 100, 500_000));
    let (r, n, bold) = (rate(rng, 12), rng.int(2, 40), cash.bold());
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("n", count(n, rng))],
        [format!("{p} grows {r} percent a year for {n} years.")],
        cents(&format!("{p} * (1 + {r} / 100)**{n}")),
        [format!("It will cost {bold}."), format!("The price will be {bold}.")],
    )
}

/// Something worth `{p}` (with its currency) loses `{r}` percent of its value every year (a number
/// without the sign). Asked: what it is worth after `{n}` years.
fn depreciation(rng: &mut Rng) -> Spec {
    let (cash, p) = (Cash::new(rng), Amount::whole(rng, 20, 90_000));
    let (r, n, bold) = (rate(rng, 40), rng.int(2, 15), cash.bold());
    let shown = cash.show(&p, rng);
    spec(
        [("p", shown), ("r", r.clone()), ("n", count(n, rng))],
        [format!("{p} shrinks {r} percent a year for {n} years.")],
        cents(&format!("{p} * (1 - {r} / 100)**{n}")),
        [format!("It is worth {bold}."), format!("The value is {bold} then.")],
    )
}

/// `{name}` has `{t}` and spends `{a}`, `{b}` and `{c}` (all with their currency). Asked: what is
/// left.
fn budget_left(rng: &mut Rng) -> Spec {
    let cash = Cash::new(rng);
    let amounts = [(); 3].map(|()| Amount::new(rng, 50, 60_000));
    let spent: i64 = amounts.iter().map(|a| a.cents).sum();
    let t = Amount::whole(rng, spent / 100 + 1, spent / 40 + 2);
    let [a, b, c] = amounts;
    let (bold, name) = (cash.bold(), name(rng));
    let reply = format!("{name} has {bold} left.");
    spec(
        [
            ("t", cash.show(&t, rng)),
            ("a", cash.show(&a, rng)),
            ("b", cash.show(&b, rng)),
            ("c", cash.show(&c, rng)),
            ("name", name),
        ],
        [format!("{t} minus {a}, {b} and {c}.")],
        cents(&format!("{t} - {a} - {b} - {c}")),
        [format!("{bold} is left."), reply],
    )
}

/// Prices of `{a}`, `{b}`, `{c}` and `{d}` (all with their currency). Asked: their sum.
fn receipt(rng: &mut Rng) -> Spec {
    let cash = Cash::new(rng);
    let amounts = [(); 4].map(|()| Amount::new(rng, 20, 40_000));
    let bold = cash.bold();
    let [a, b, c, d] = amounts;
    spec(
        [
            ("a", cash.show(&a, rng)),
            ("b", cash.show(&b, rng)),
            ("c", cash.show(&c, rng)),
            ("d", cash.show(&d, rng)),
        ],
        [format!("Add {a}, {b}, {c} and {d}.")],
        cents(&format!("{a} + {b} + {c} + {d}")),
        [format!("The total is {bold}."), format!("Together it is {bold}.")],
    )
}

/// `{name}` puts aside `{p}` (with its currency) every week. Asked: how much that is after `{n}`
/// weeks.
fn save_total(rng: &mut Rng) -> Spec {
    let (cash, p, n) = (Cash::new(rng), Amount::new(rng, 50, 50_000), rng.int(2, 260));
    let (bold, shown, name) = (cash.bold(), cash.show(&p, rng), name(rng));
    let reply = format!("{name} has {bold}.");
    spec(
        [("p", shown), ("n", count(n, rng)), ("name", name)],
        [format!("{n} weeks at {p} each: multiply.")],
        cents(&format!("{n} * {p}")),
        [format!("It is {bold}."), reply],
    )
}
