//! Dates, weekdays, clock times and calendars.

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Slots, bold_yes_no, call, either, plain, yes_no};
use crate::grade::{number, text};
use crate::surface::{self, MONTHS, WEEKDAYS};
use crate::{Answer, Draw, Kind, Rng, Step, Value, python};

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("date/between", 18, between),
        kind("date/until", 12, until),
        kind("date/weeks-between", 8, weeks_between),
        kind("date/weekday", 16, weekday),
        kind("date/add-days", 12, add_days),
        kind("date/subtract-days", 12, subtract_days),
        kind("date/add-weeks", 8, add_weeks),
        kind("date/subtract-weeks", 8, subtract_weeks),
        kind("date/add-months", 10, add_months),
        kind("date/subtract-months", 8, subtract_months),
        kind("date/add-years", 6, add_years),
        kind("date/leap", 12, leap),
        kind("date/leaps-between", 10, leaps_between),
        kind("date/days-in-month", 12, days_in_month),
        kind("date/days-in-year", 8, days_in_year),
        kind("date/day-of-year", 12, day_of_year),
        kind("date/from-day-of-year", 8, from_day_of_year),
        kind("date/left-in-year", 8, left_in_year),
        kind("date/age", 12, age),
        kind("date/earlier", 12, earlier),
        kind("date/later", 10, later),
        kind("date/count-weekday", 10, count_weekday),
        kind("date/workdays", 10, workdays),
        kind("date/clock-add", 12, clock_add),
        kind("date/clock-subtract", 10, clock_subtract),
        kind("date/duration", 12, duration),
        kind("date/minutes-between", 10, minutes_between),
        kind("date/zone", 12, zone),
        kind("date/zone-ahead", 8, zone_ahead),
        kind("date/zone-behind", 8, zone_behind),
        kind("date/span", 12, span),
        kind("date/quarter", 8, quarter),
        kind("date/iso-week", 10, iso_week),
        kind("date/friday-13ths", 10, friday_13ths),
        kind("date/to-iso", 6, to_iso),
        kind("date/to-form", 8, to_form),
        kind("date/nth-weekday", 12, nth_weekday),
        kind("date/last-weekday", 8, last_weekday),
        kind("date/next-weekday", 8, next_weekday),
        kind("date/weekday-after", 10, weekday_after),
        kind("date/weekday-before", 6, weekday_before),
        kind("date/month-after", 8, month_after),
        kind("date/same-weekday", 8, same_weekday),
        kind("date/weekend", 8, weekend),
        kind("date/century", 5, century),
        kind("date/years-between", 8, years_between),
        kind("date/easter", 5, easter),
        kind("date/to-24", 6, to_24),
        kind("date/to-12", 6, to_12),
        kind("date/month-number", 5, month_number),
        kind("date/month-name", 5, month_name),
    ]
}

/// `date(2026, 11, 22)`
pub(super) fn py(d: Date) -> String {
    format!("date({}, {}, {})", d.year(), d.month(), d.day())
}

pub(super) fn plus(d: Date, days: i64) -> Date {
    d.checked_add(days.days()).expect("drawn dates lie far from the ends of the calendar")
}

pub(super) fn days_from(a: Date, b: Date) -> i64 {
    i64::from((b - a).get_days())
}

fn weekday_name(d: Date) -> &'static str {
    WEEKDAYS[d.weekday().to_monday_zero_offset() as usize]
}

fn month_of(d: Date) -> &'static str {
    MONTHS[d.month() as usize - 1]
}

/// Two different dates, the earlier one first: near or far from each other.
pub(super) fn two_dates(rng: &mut Rng) -> (Date, Date) {
    let a = surface::any_date(rng);
    let b = match rng.below(4) {
        0 => plus(a, rng.int(1, 60)),
        1 => plus(a, rng.int(1, 800)),
        _ => surface::any_date(rng),
    };
    match a.cmp(&b) {
        std::cmp::Ordering::Less => (a, b),
        std::cmp::Ordering::Equal => (a, plus(a, 1)),
        std::cmp::Ordering::Greater => (b, a),
    }
}

fn year(rng: &mut Rng) -> i64 {
    match rng.below(10) {
        0 => rng.int(1583, 1899),
        1 => rng.int(2101, 2600),
        2 => *rng.pick(&[1600, 1700, 1800, 1900, 2000, 2100, 2200, 2400]),
        _ => rng.int(1900, 2100),
    }
}

fn plural(n: i64) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// The days between the dates `{a}` and `{b}`, not counting one of the two; either may be the
/// earlier one, mostly `{a}`. The answer is never negative.
fn between(rng: &mut Rng) -> Draw {
    let (mut a, mut b) = two_dates(rng);
    if rng.chance(0.12) {
        (a, b) = (b, a);
    }
    let n = days_from(a, b).abs();
    let think = either(
        rng,
        [format!("Days between {a} and {b}."), format!("I need the days between {a} and {b}.")],
    );
    let reply = either(
        rng,
        [
            format!("There are **{n}** days between {a} and {b}."),
            format!("It is **{n}** days."),
            format!("{a} and {b} are **{n}** days apart."),
        ],
    );
    call(
        vec![("a", surface::date(a, rng)), ("b", surface::date(b, rng))],
        Step::new(think, days_code(a, b), n.to_string()),
        vec![number(n)],
        reply,
    )
}

/// The canonical code for the days between two dates.
pub(super) fn days_code(a: Date, b: Date) -> String {
    format!("from datetime import date; print(abs({} - {}).days)", py(a), py(b))
}

/// Today is `{a}` (stated in the question); how many days until `{b}`, which is later?
fn until(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let b = plus(a, if rng.chance(0.7) { rng.int(1, 400) } else { rng.int(1, 9000) });
    let n = days_from(a, b);
    let think = format!("Days between {a} and {b}.");
    let reply = either(
        rng,
        [
            format!("There are **{n}** days until {b}."),
            format!("**{n}** days are left until {b}."),
            format!("It is **{n}** days from {a} to {b}."),
        ],
    );
    call(
        vec![("a", surface::date(a, rng)), ("b", surface::date(b, rng))],
        Step::new(think, days_code(a, b), n.to_string()),
        vec![number(n)],
        reply,
    )
}

/// The full weeks and the remaining days (0 to 6) between the dates `{a}` and `{b}`, two values.
fn weeks_between(rng: &mut Rng) -> Draw {
    let (a, b) = two_dates(rng);
    let n = days_from(a, b);
    let (w, d) = (n / 7, n % 7);
    let code =
        format!("from datetime import date; print(divmod(abs({} - {}).days, 7))", py(a), py(b));
    let reply = either(
        rng,
        [
            format!("It is **{w}** weeks and **{d}** days."),
            format!("Between {a} and {b} lie **{w}** weeks and **{d}** days."),
        ],
    );
    call(
        vec![("a", surface::date(a, rng)), ("b", surface::date(b, rng))],
        Step::new(format!("Weeks and days between {a} and {b}."), code, format!("({w}, {d})")),
        vec![number(w), number(d)],
        reply,
    )
}

/// The weekday of the date `{a}`.
fn weekday(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let w = weekday_name(a);
    let think = either(rng, [format!("Weekday of {a}."), format!("I need the weekday of {a}.")]);
    let reply = either(
        rng,
        [
            format!("{a} is a **{w}**."),
            format!("It is a **{w}**."),
            format!("The weekday of {a} is **{w}**."),
        ],
    );
    let code = format!("from datetime import date; print({}.strftime('%A'))", py(a));
    call(vec![("a", surface::date(a, rng))], Step::new(think, code, w), vec![text(w)], reply)
}

/// One date and a count of something, moved by it.
fn moved(rng: &mut Rng, a: Date, n: i64, to: Date, [unit, sign]: [&str; 2], code: String) -> Draw {
    let s = plural(n);
    let word = if sign == "+" { "after" } else { "before" };
    let think = either(
        rng,
        [
            format!("{a} {} {n} {unit}{s}.", if sign == "+" { "plus" } else { "minus" }),
            format!("I need the date {n} {unit}{s} {word} {a}."),
        ],
    );
    let reply = either(
        rng,
        [
            format!("{n} {unit}{s} {word} {a} is **{to}**."),
            format!("It is **{to}**."),
            format!("The date is **{to}**."),
        ],
    );
    call(
        vec![("a", surface::date(a, rng)), ("n", surface::integer(n, rng))],
        Step::new(think, code, to.to_string()),
        vec![text(to.to_string())],
        reply,
    )
}

fn timedelta_code(a: Date, sign: &str, unit: &str, n: i64) -> String {
    format!("from datetime import date, timedelta; print({} {sign} timedelta({unit}={n}))", py(a))
}

fn relative_code(a: Date, sign: &str, unit: &str, n: i64) -> String {
    format!(
        "from datetime import date; from dateutil.relativedelta import relativedelta; \
         print({} {sign} relativedelta({unit}={n}))",
        py(a)
    )
}

/// At least 2, so that "days" fits.
fn several(rng: &mut Rng, digits: u32) -> i64 {
    rng.magnitude(digits).max(2)
}

/// The date `{n}` days (2 or more) after the date `{a}`.
fn add_days(rng: &mut Rng) -> Draw {
    let (a, n) = (surface::any_date(rng), several(rng, 5));
    moved(rng, a, n, plus(a, n), ["day", "+"], timedelta_code(a, "+", "days", n))
}

/// The date `{n}` days (2 or more) before the date `{a}`.
fn subtract_days(rng: &mut Rng) -> Draw {
    let (a, n) = (surface::any_date(rng), several(rng, 5));
    moved(rng, a, n, plus(a, -n), ["day", "-"], timedelta_code(a, "-", "days", n))
}

/// The date `{n}` weeks (2 or more) after the date `{a}`.
fn add_weeks(rng: &mut Rng) -> Draw {
    let (a, n) = (surface::any_date(rng), several(rng, 3));
    moved(rng, a, n, plus(a, 7 * n), ["week", "+"], timedelta_code(a, "+", "weeks", n))
}

/// The date `{n}` weeks (2 or more) before the date `{a}`.
fn subtract_weeks(rng: &mut Rng) -> Draw {
    let (a, n) = (surface::any_date(rng), several(rng, 3));
    moved(rng, a, n, plus(a, -7 * n), ["week", "-"], timedelta_code(a, "-", "weeks", n))
}

/// The date `{n}` months (2 or more) after the date `{a}`: the same day of the month, or the last
/// one where the month is too short.
fn add_months(rng: &mut Rng) -> Draw {
    let (a, n) = (surface::any_date(rng), several(rng, 2));
    moved(rng, a, n, shifted(a, n), ["month", "+"], relative_code(a, "+", "months", n))
}

/// The date `{n}` months (2 or more) before the date `{a}`, as in `add-months`.
fn subtract_months(rng: &mut Rng) -> Draw {
    let (a, n) = (surface::any_date(rng), several(rng, 2));
    moved(rng, a, n, shifted(a, -n), ["month", "-"], relative_code(a, "-", "months", n))
}

/// The date `{n}` years (2 or more) after the date `{a}`.
fn add_years(rng: &mut Rng) -> Draw {
    let (a, n) = (surface::any_date(rng), several(rng, 2));
    moved(rng, a, n, shifted(a, 12 * n), ["year", "+"], relative_code(a, "+", "years", n))
}

fn shifted(a: Date, months: i64) -> Date {
    a.checked_add(months.months()).expect("drawn dates lie far from the ends of the calendar")
}

fn is_leap(y: i64) -> bool {
    (y % 4 == 0 && y % 100 != 0) || y % 400 == 0
}

/// Is the year `{y}` a leap year? Yes or no.
fn leap(rng: &mut Rng) -> Draw {
    let y = if rng.chance(0.3) { year(rng) / 4 * 4 } else { year(rng) };
    let leap = is_leap(y);
    let not = if leap { "" } else { "not " };
    let reply = either(
        rng,
        [
            format!("{}, {y} is {not}a leap year.", bold_yes_no(leap)),
            format!("{}. The year {y} is {not}a leap year.", bold_yes_no(leap)),
        ],
    );
    call(
        vec![("y", y.to_string())],
        Step::new(
            format!("Is {y} a leap year?"),
            format!("import calendar; print(calendar.isleap({y}))"),
            python::boolean(leap),
        ),
        vec![text(yes_no(leap))],
        reply,
    )
}

/// How many leap years are there from the year `{a}` to the later year `{b}`, both included?
fn leaps_between(rng: &mut Rng) -> Draw {
    let a = year(rng);
    let b = a + rng.magnitude(3);
    let n = (a..=b).filter(|y| is_leap(*y)).count();
    let reply = either(
        rng,
        [
            format!("There are **{n}** leap years from {a} to {b}."),
            format!("From {a} to {b} I count **{n}** leap years."),
        ],
    );
    call(
        vec![("a", a.to_string()), ("b", b.to_string())],
        Step::new(
            format!("Leap years from {a} to {b}, both included."),
            format!("import calendar; print(calendar.leapdays({a}, {b} + 1))"),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

/// How many days has the month `{m}` (a name) in the year `{y}`?
fn days_in_month(rng: &mut Rng) -> Draw {
    let (m, y) = (if rng.chance(0.4) { 2 } else { rng.int(1, 12) }, year(rng));
    let d = Date::new(y as i16, m as i8, 1).expect("a first of a month exists");
    let (name, n) = (month_of(d), d.days_in_month());
    let reply = either(
        rng,
        [format!("{name} {y} has **{n}** days."), format!("There are **{n}** days in {name} {y}.")],
    );
    call(
        vec![("m", name.to_owned()), ("y", y.to_string())],
        Step::new(
            format!("Days in {name} {y}."),
            format!("import calendar; print(calendar.monthrange({y}, {m})[1])"),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

/// How many days has the year `{y}`?
fn days_in_year(rng: &mut Rng) -> Draw {
    let y = year(rng);
    let n = 365 + i64::from(is_leap(y));
    let reply =
        either(rng, [format!("The year {y} has **{n}** days."), format!("{y} has **{n}** days.")]);
    call(
        vec![("y", y.to_string())],
        Step::new(
            format!("Days in the year {y}."),
            format!("import calendar; print(365 + calendar.isleap({y}))"),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

/// Which day of its year is the date `{a}`? 1 January is day 1.
fn day_of_year(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let n = a.day_of_year();
    let reply = either(
        rng,
        [
            format!("{a} is day **{n}** of the year."),
            format!("It is day number **{n}** of {}.", a.year()),
        ],
    );
    call(
        vec![("a", surface::date(a, rng))],
        Step::new(
            format!("Day of the year of {a}."),
            format!("from datetime import date; print({}.timetuple().tm_yday)", py(a)),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

/// Which date is day number `{n}` of the year `{y}`?
fn from_day_of_year(rng: &mut Rng) -> Draw {
    let (n, y) = (rng.int(2, 365), year(rng));
    let first = Date::new(y as i16, 1, 1).expect("a first of January exists");
    let d = plus(first, n - 1);
    let reply =
        either(rng, [format!("Day {n} of {y} is **{d}**."), format!("The date is **{d}**.")]);
    call(
        vec![("n", n.to_string()), ("y", y.to_string())],
        Step::new(
            format!("Date of day {n} of {y}."),
            format!(
                "from datetime import date, timedelta; print({} + timedelta(days={n} - 1))",
                py(first)
            ),
            d.to_string(),
        ),
        vec![text(d.to_string())],
        reply,
    )
}

/// How many days are left in its year after the date `{a}` (until 31 December of that year)?
fn left_in_year(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let end = Date::new(a.year(), 12, 31).expect("a last of December exists");
    let n = days_from(a, end);
    let reply = either(
        rng,
        [
            format!("**{n}** days are left in {} after {a}.", a.year()),
            format!("There are **{n}** days left in the year."),
        ],
    );
    call(
        vec![("a", surface::date(a, rng))],
        Step::new(format!("Days between {a} and {end}."), days_code(a, end), n.to_string()),
        vec![number(n)],
        reply,
    )
}

/// The age in full years, on the later date `{b}`, of somebody (`{name}`) born on the date `{a}`.
fn age(rng: &mut Rng) -> Draw {
    let mut a = surface::any_date(rng);
    if a.month() == 2 && a.day() == 29 {
        a = plus(a, 1);
    }
    let b = plus(a, rng.int(400, 36000));
    let passed = (b.month(), b.day()) >= (a.month(), a.day());
    let n = i64::from(b.year() - a.year()) - i64::from(!passed);
    let name = *rng.pick(surface::NAMES);
    let code = format!(
        "from datetime import date; from dateutil.relativedelta import relativedelta; \
         print(relativedelta({}, {}).years)",
        py(b),
        py(a)
    );
    let reply = either(
        rng,
        [
            format!("On {b} the age is **{n}** years."),
            format!("**{n}** years old."),
            format!("Born on {a}, one is **{n}** years old on {b}."),
        ],
    );
    call(
        vec![("a", surface::date(a, rng)), ("b", surface::date(b, rng)), ("name", name.to_owned())],
        Step::new(format!("Full years on {b} since {a}."), code, n.to_string()),
        vec![number(n)],
        reply,
    )
}

fn some_dates(rng: &mut Rng) -> Vec<Date> {
    let n = if rng.chance(0.7) { 2 } else { rng.int(3, 5) };
    let mut dates: Vec<Date> = vec![surface::any_date(rng)];
    while dates.len() < n as usize {
        let d = if rng.chance(0.5) {
            plus(dates[0], rng.int(-500, 500))
        } else {
            surface::any_date(rng)
        };
        if !dates.contains(&d) {
            dates.push(d);
        }
    }
    dates
}

fn extreme(rng: &mut Rng, function: &str, word: &str) -> Draw {
    let dates = some_dates(rng);
    let d = if function == "min" { dates.iter().min() } else { dates.iter().max() };
    let d = d.expect("there are at least two");
    let shown: Vec<String> = dates.iter().map(|d| surface::date(*d, rng)).collect();
    let shown = match shown.as_slice() {
        [a, b] => {
            let link = *rng.pick(&[" or ", " and ", "; "]);
            format!("{a}{link}{b}")
        }
        all => all.join("; "),
    };
    let calls: Vec<String> = dates.iter().map(|d| py(*d)).collect();
    let iso: Vec<String> = dates.iter().map(Date::to_string).collect();
    let reply = either(
        rng,
        [
            format!("**{d}** is the {word} date."),
            format!("The {word} one is **{d}**."),
            format!("It is **{d}**."),
        ],
    );
    call(
        vec![("dates", shown)],
        Step::new(
            format!("The {word} of {}.", iso.join(", ")),
            format!("from datetime import date; print({function}({}))", calls.join(", ")),
            d.to_string(),
        ),
        vec![text(d.to_string())],
        reply,
    )
}

/// Which of `{dates}` (two to five, as "A or B", "A and B" or "A; B; C") is the earliest?
fn earlier(rng: &mut Rng) -> Draw {
    extreme(rng, "min", "earliest")
}

/// Which of `{dates}` (as in `earlier`) is the latest?
fn later(rng: &mut Rng) -> Draw {
    extreme(rng, "max", "latest")
}

/// How many `{w}` (a weekday in the plural, as "Sundays") lie from the date `{a}` to the later date
/// `{b}`, both included?
fn count_weekday(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let b = plus(a, if rng.chance(0.6) { rng.int(7, 100) } else { rng.int(7, 1500) });
    let w = *rng.pick(&WEEKDAYS);
    let n = (0..=days_from(a, b)).filter(|i| weekday_name(plus(a, *i)) == w).count();
    let code = format!(
        "from datetime import date, timedelta; a, b = {}, {}; \
         print(sum((a + timedelta(days=i)).strftime('%A') == '{w}' for i in range((b - a).days + 1)))",
        py(a),
        py(b)
    );
    let reply = either(
        rng,
        [format!("There are **{n}** {w}s from {a} to {b}."), format!("I count **{n}** {w}s.")],
    );
    call(
        vec![("a", surface::date(a, rng)), ("b", surface::date(b, rng)), ("w", format!("{w}s"))],
        Step::new(format!("{w}s from {a} to {b}, both included."), code, n.to_string()),
        vec![number(n)],
        reply,
    )
}

/// How many working days (Monday to Friday, holidays left aside) lie from the date `{a}` to the
/// later date `{b}`, both included?
fn workdays(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let b = plus(a, if rng.chance(0.6) { rng.int(3, 60) } else { rng.int(3, 1500) });
    let n =
        (0..=days_from(a, b)).filter(|i| plus(a, *i).weekday().to_monday_zero_offset() < 5).count();
    let code = format!(
        "from datetime import date, timedelta; a, b = {}, {}; \
         print(sum((a + timedelta(days=i)).weekday() < 5 for i in range((b - a).days + 1)))",
        py(a),
        py(b)
    );
    let reply = either(
        rng,
        [
            format!("There are **{n}** working days from {a} to {b}."),
            format!("**{n}** days from Monday to Friday."),
        ],
    );
    call(
        vec![("a", surface::date(a, rng)), ("b", surface::date(b, rng))],
        Step::new(format!("Working days from {a} to {b}, both included."), code, n.to_string()),
        vec![number(n)],
        reply,
    )
}

/// A clock time in minutes after midnight.
fn clock(rng: &mut Rng) -> i64 {
    match rng.below(4) {
        0 => rng.int(0, 23) * 60,
        1 => rng.int(0, 95) * 15,
        _ => rng.int(0, 1439),
    }
}

fn hhmm(t: i64) -> String {
    format!("{:02}:{:02}", t / 60, t % 60)
}

/// `2:35 PM`
fn twelve(t: i64) -> String {
    let h = if t / 60 % 12 == 0 { 12 } else { t / 60 % 12 };
    format!("{h}:{:02} {}", t % 60, if t < 720 { "AM" } else { "PM" })
}

/// A clock time as people write it.
fn clock_text(t: i64, rng: &mut Rng) -> String {
    let (h, half) = (t / 60, twelve(t));
    match rng.below(10) {
        0 => half,
        1 => half.to_lowercase(),
        2 => half.replace(' ', "").to_lowercase(),
        3 if t % 60 == 0 => half.replace(":00", "").to_lowercase(),
        4 if t == 0 => "midnight".into(),
        4 if t == 720 => "noon".into(),
        4 if h < 10 => format!("{h}:{:02}", t % 60),
        _ => hhmm(t),
    }
}

/// A stretch of time: its text, its arguments for `timedelta`, its minutes.
fn stretch(rng: &mut Rng) -> (String, String, i64) {
    let (h, m) = match rng.below(4) {
        0 => (rng.int(1, 30), 0),
        1 => (0, if rng.chance(0.5) { rng.int(1, 59) } else { rng.int(60, 500) }),
        _ => (rng.int(1, 30), rng.int(1, 59)),
    };
    let minutes = h * 60 + m;
    let (hs, ms) = (plural(h), plural(m));
    let brief = rng.chance(0.3);
    match (h, m) {
        (_, 0) if brief => (format!("{h} h"), format!("hours={h}"), minutes),
        (_, 0) => (format!("{h} hour{hs}"), format!("hours={h}"), minutes),
        (0, _) if brief => (format!("{m} min"), format!("minutes={m}"), minutes),
        (0, _) => (format!("{m} minute{ms}"), format!("minutes={m}"), minutes),
        _ => {
            let shown = match rng.below(4) {
                0 => format!("{h} h {m} min"),
                1 => format!("{h} hour{hs} {m} minute{ms}"),
                2 => format!("{h}h{m:02}"),
                _ => format!("{h} hour{hs} and {m} minute{ms}"),
            };
            (shown, format!("hours={h}, minutes={m}"), minutes)
        }
    }
}

fn clock_code(t: i64, sign: &str, arguments: &str) -> String {
    format!(
        "from datetime import datetime, timedelta; print((datetime(2000, 1, 1, {}, {}) {sign} \
         timedelta({arguments})).strftime('%H:%M'))",
        t / 60,
        t % 60
    )
}

fn clock_reply(t: &str, rng: &mut Rng) -> String {
    either(rng, [format!("It is **{t}**."), format!("The time is **{t}**."), format!("**{t}**")])
}

/// The clock time `{d}` (a duration, as "2 hours and 50 minutes") after the clock time `{t}`.
fn clock_add(rng: &mut Rng) -> Draw {
    let (t, (d, arguments, minutes)) = (clock(rng), stretch(rng));
    let to = hhmm((t + minutes) % 1440);
    call(
        vec![("t", clock_text(t, rng)), ("d", d.clone())],
        Step::new(format!("{} plus {d}.", hhmm(t)), clock_code(t, "+", &arguments), to.clone()),
        vec![text(to.clone())],
        clock_reply(&to, rng),
    )
}

/// The clock time `{d}` (a duration, as "2 hours and 50 minutes") before the clock time `{t}`.
fn clock_subtract(rng: &mut Rng) -> Draw {
    let (t, (d, arguments, minutes)) = (clock(rng), stretch(rng));
    let to = hhmm((t - minutes).rem_euclid(1440));
    call(
        vec![("t", clock_text(t, rng)), ("d", d.clone())],
        Step::new(format!("{} minus {d}.", hhmm(t)), clock_code(t, "-", &arguments), to.clone()),
        vec![text(to.clone())],
        clock_reply(&to, rng),
    )
}

/// Two clock times less than a day apart and the code for the minutes between them.
fn two_clocks(rng: &mut Rng) -> (i64, i64, String) {
    let a = clock(rng);
    let mut b = clock(rng);
    if a == b {
        b = (a + 75) % 1440;
    }
    let code = format!("({} * 60 + {} - {} * 60 - {}) % 1440", b / 60, b % 60, a / 60, a % 60);
    (a, b, code)
}

/// The hours and minutes from the clock time `{a}` to the clock time `{b}` (two values); when `{b}`
/// is the smaller one, it is on the next day.
fn duration(rng: &mut Rng) -> Draw {
    let (a, b, code) = two_clocks(rng);
    let minutes = (b - a).rem_euclid(1440);
    let (h, m) = (minutes / 60, minutes % 60);
    let reply = either(
        rng,
        [
            format!("It is **{h}** hours and **{m}** minutes."),
            format!("From {} to {} it is **{h}** hours and **{m}** minutes.", hhmm(a), hhmm(b)),
            format!("**{h}** hours **{m}** minutes"),
        ],
    );
    call(
        vec![("a", clock_text(a, rng)), ("b", clock_text(b, rng))],
        Step::new(
            format!("Hours and minutes from {} to {}.", hhmm(a), hhmm(b)),
            format!("print(divmod({code}, 60))"),
            format!("({h}, {m})"),
        ),
        vec![number(h), number(m)],
        reply,
    )
}

/// The minutes (one value) from the clock time `{a}` to the clock time `{b}`, as in `duration`.
fn minutes_between(rng: &mut Rng) -> Draw {
    let (a, b, code) = two_clocks(rng);
    let n = (b - a).rem_euclid(1440);
    let reply = either(
        rng,
        [
            format!("It is **{n}** minutes."),
            format!("From {} to {} it is **{n}** minutes.", hhmm(a), hhmm(b)),
        ],
    );
    call(
        vec![("a", clock_text(a, rng)), ("b", clock_text(b, rng))],
        Step::new(
            format!("Minutes from {} to {}.", hhmm(a), hhmm(b)),
            format!("print({code})"),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

fn offset(h: i64, rng: &mut Rng) -> String {
    let base = if rng.chance(0.75) { "UTC" } else { "GMT" };
    let space = if rng.chance(0.15) { " " } else { "" };
    match h {
        0 if rng.chance(0.5) => base.to_owned(),
        _ => format!("{base}{space}{h:+}"),
    }
}

/// It is `{t}` in the time zone `{x}` (as "UTC+2"); which time is it in the time zone `{y}`?
fn zone(rng: &mut Rng) -> Draw {
    let (t, x, y) = (clock(rng), rng.int(-11, 13), rng.int(-11, 13));
    let to = hhmm((t + 60 * (y - x)).rem_euclid(1440));
    call(
        vec![("t", clock_text(t, rng)), ("x", offset(x, rng)), ("y", offset(y, rng))],
        Step::new(
            format!("{} at UTC{x:+}, told at UTC{y:+}.", hhmm(t)),
            clock_code(t, "+", &format!("hours={y} - {x}")),
            to.clone(),
        ),
        vec![text(to.clone())],
        clock_reply(&to, rng),
    )
}

const PLACES: &[&str] = &[
    "Lisbon",
    "Berlin",
    "Tokyo",
    "New York",
    "Chicago",
    "Denver",
    "Sydney",
    "Delhi",
    "Cairo",
    "Lagos",
    "Lima",
    "Moscow",
    "Seoul",
    "Hanoi",
    "Madrid",
    "Oslo",
    "Rome",
    "Paris",
    "London",
    "Toronto",
    "Mexico City",
    "Beijing",
    "Dubai",
    "Nairobi",
    "Auckland",
    "Honolulu",
    "Athens",
];

fn two_places(rng: &mut Rng) -> (String, String) {
    let places = rng.sample(PLACES, 2);
    (places[0].to_owned(), places[1].to_owned())
}

/// The city `{x}` is `{n}` hours ahead of the city `{y}`; it is `{t}` in `{y}`. Which time is it in
/// `{x}`? (So `{n}` hours are added.)
fn zone_ahead(rng: &mut Rng) -> Draw {
    let (t, n, (x, y)) = (clock(rng), rng.int(2, 14), two_places(rng));
    let to = hhmm((t + 60 * n).rem_euclid(1440));
    let think = format!("{x} is {n} hours ahead: {} plus {n} hours.", hhmm(t));
    let reply = either(rng, [format!("It is **{to}** in {x}."), format!("**{to}**")]);
    call(
        vec![("t", clock_text(t, rng)), ("n", surface::count(n, rng)), ("x", x), ("y", y)],
        Step::new(think, clock_code(t, "+", &format!("hours={n}")), to.clone()),
        vec![text(to.clone())],
        reply,
    )
}

/// The city `{x}` is `{n}` hours behind the city `{y}`; it is `{t}` in `{y}`. Which time is it in
/// `{x}`? (So `{n}` hours are subtracted.)
fn zone_behind(rng: &mut Rng) -> Draw {
    let (t, n, (x, y)) = (clock(rng), rng.int(2, 14), two_places(rng));
    let to = hhmm((t - 60 * n).rem_euclid(1440));
    let think = format!("{x} is {n} hours behind: {} minus {n} hours.", hhmm(t));
    let reply = either(rng, [format!("It is **{to}** in {x}."), format!("**{to}**")]);
    call(
        vec![("t", clock_text(t, rng)), ("n", surface::count(n, rng)), ("x", x), ("y", y)],
        Step::new(think, clock_code(t, "-", &format!("hours={n}")), to.clone()),
        vec![text(to.clone())],
        reply,
    )
}

/// How many `{to}` (a smaller unit of time, plural) are `{n}` `{from}` (a larger unit, plural)?
/// The units are weeks, days, hours, minutes and seconds; `{n}` is 2 or more.
fn span(rng: &mut Rng) -> Draw {
    const UNITS: [(&str, i64); 5] =
        [("weeks", 604_800), ("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1)];
    let from = rng.int(0, 3) as usize;
    let to = rng.int(from as i64 + 1, 4) as usize;
    let n = several(rng, 4);
    let ((from, long), (to, short)) = (UNITS[from], UNITS[to]);
    let value = n * long / short;
    // As in the other conversions: by way of the base unit, and rounded.
    let (over, value) = match short {
        1 => (String::new(), value.to_string()),
        _ => (format!(" / {short}"), format!("{value}.0")),
    };
    let reply = either(
        rng,
        [
            format!("{n} {from} are **{value}** {to}."),
            format!("{n} {from} = **{value}** {to}"),
            format!("That is **{value}** {to}."),
        ],
    );
    call(
        vec![("n", surface::integer(n, rng)), ("from", from.to_owned()), ("to", to.to_owned())],
        Step::new(
            format!("Convert {n} {from} to {to}."),
            format!("print(round({n} * {long}{over}, 4))"),
            value.clone(),
        ),
        vec![number(value)],
        reply,
    )
}

/// The quarter of the year (1 to 4) in which the date `{a}` lies.
fn quarter(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let (m, q) = (a.month(), (a.month() - 1) / 3 + 1);
    let reply = either(
        rng,
        [format!("{a} lies in quarter **{q}**."), format!("It is in quarter **{q}**.")],
    );
    call(
        vec![("a", surface::date(a, rng))],
        Step::new(
            format!("Quarter of {a}: month {m}."),
            format!("print(({m} - 1) // 3 + 1)"),
            q.to_string(),
        ),
        vec![number(q)],
        reply,
    )
}

/// The ISO week number of the date `{a}`.
fn iso_week(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let w = a.iso_week_date().week();
    let reply =
        either(rng, [format!("{a} is in week **{w}**."), format!("It is ISO week **{w}**.")]);
    call(
        vec![("a", surface::date(a, rng))],
        Step::new(
            format!("ISO week of {a}."),
            format!("from datetime import date; print({}.isocalendar().week)", py(a)),
            w.to_string(),
        ),
        vec![number(w)],
        reply,
    )
}

/// How many Fridays the 13th has the year `{y}`?
fn friday_13ths(rng: &mut Rng) -> Draw {
    let y = year(rng);
    let n = (1..=12)
        .filter(|m| {
            let d = Date::new(y as i16, *m, 13).expect("a 13th exists");
            weekday_name(d) == "Friday"
        })
        .count();
    let reply = either(
        rng,
        [
            format!("{y} has **{n}** Fridays the 13th."),
            format!("Number of Fridays the 13th in {y}: **{n}**."),
        ],
    );
    call(
        vec![("y", y.to_string())],
        Step::new(
            format!("Fridays the 13th in {y}."),
            format!(
                "from datetime import date; \
                 print(sum(date({y}, m, 13).strftime('%A') == 'Friday' for m in range(1, 13)))"
            ),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

/// The date `{a}` (written in words, never in ISO form) in ISO 8601 form, YYYY-MM-DD.
fn to_iso(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let mut shown = surface::date(a, rng);
    while shown == a.to_string() {
        shown = surface::date(a, rng);
    }
    let reply = either(rng, [format!("**{a}**"), format!("In ISO form it is **{a}**.")]);
    call(
        vec![("a", shown)],
        Step::new(
            format!("{a} in ISO form."),
            format!("from datetime import date; print({})", py(a)),
            a.to_string(),
        ),
        vec![text(a.to_string())],
        reply,
    )
}

/// The date `{a}` in the form `{form}`, one of DD.MM.YYYY, DD/MM/YYYY, MM/DD/YYYY, YYYY/MM/DD,
/// YYYYMMDD.
fn to_form(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let (y, m, d) = (a.year(), a.month(), a.day());
    let (form, code, value) = match rng.below(5) {
        0 => ("DD.MM.YYYY", "%d.%m.%Y", format!("{d:02}.{m:02}.{y}")),
        1 => ("DD/MM/YYYY", "%d/%m/%Y", format!("{d:02}/{m:02}/{y}")),
        2 => ("MM/DD/YYYY", "%m/%d/%Y", format!("{m:02}/{d:02}/{y}")),
        3 => ("YYYY/MM/DD", "%Y/%m/%d", format!("{y}/{m:02}/{d:02}")),
        _ => ("YYYYMMDD", "%Y%m%d", format!("{y}{m:02}{d:02}")),
    };
    let shown = if rng.chance(0.8) { form.to_owned() } else { form.to_lowercase() };
    let reply = either(rng, [format!("**{value}**"), format!("As {form} it is **{value}**.")]);
    call(
        vec![("a", surface::date(a, rng)), ("form", shown)],
        Step::new(
            format!("{a} as {form}."),
            format!("from datetime import date; print({}.strftime('{code}'))", py(a)),
            value.clone(),
        ),
        vec![text(value)],
        reply,
    )
}

const RELATIVE: &str = "from datetime import date; from dateutil.relativedelta import \
                        relativedelta";

/// `MO` to `SU`, as dateutil calls the weekday number `w` (0 is Monday).
fn short(w: usize) -> String {
    WEEKDAYS[w][..2].to_uppercase()
}

/// The date of the `{n}` (as "2nd" or "second", first to fourth) `{w}` (a weekday) of the month
/// `{m}` (a name) of the year `{y}`.
fn nth_weekday(rng: &mut Rng) -> Draw {
    let (y, m, w, n) = (year(rng), rng.int(1, 12), rng.below(7) as usize, rng.int(1, 4));
    let first = Date::new(y as i16, m as i8, 1).expect("a first of a month exists");
    let d = (0..31).map(|i| plus(first, i)).filter(|d| weekday_name(*d) == WEEKDAYS[w]);
    let d = d.clone().nth(n as usize - 1).expect("a month has four of each weekday");
    let (name, day, code) = (month_of(first), WEEKDAYS[w], short(w));
    let nth = if rng.chance(0.6) {
        ["first", "second", "third", "fourth"][n as usize - 1].to_owned()
    } else {
        format!("{n}{}", surface::ordinal(n))
    };
    let reply = either(
        rng,
        [format!("It is **{d}**."), format!("{day} number {n} of {name} {y} is **{d}**.")],
    );
    call(
        vec![("n", nth), ("w", day.to_owned()), ("m", name.to_owned()), ("y", y.to_string())],
        Step::new(
            format!("{day} number {n} of {name} {y}."),
            format!(
                "{RELATIVE}, {code}; print({} + relativedelta(weekday={code}({n})))",
                py(first)
            ),
            d.to_string(),
        ),
        vec![text(d.to_string())],
        reply,
    )
}

/// The date of the last `{w}` (a weekday) of the month `{m}` (a name) of the year `{y}`.
fn last_weekday(rng: &mut Rng) -> Draw {
    let (y, m, w) = (year(rng), rng.int(1, 12), rng.below(7) as usize);
    let first = Date::new(y as i16, m as i8, 1).expect("a first of a month exists");
    let days = i64::from(first.days_in_month());
    let d = (0..days).rev().map(|i| plus(first, i)).find(|d| weekday_name(*d) == WEEKDAYS[w]);
    let d = d.expect("a month has each weekday");
    let (name, day, code) = (month_of(first), WEEKDAYS[w], short(w));
    let reply = either(
        rng,
        [format!("It is **{d}**."), format!("The last {day} of {name} {y} is **{d}**.")],
    );
    call(
        vec![("w", day.to_owned()), ("m", name.to_owned()), ("y", y.to_string())],
        Step::new(
            format!("Last {day} of {name} {y}."),
            format!(
                "{RELATIVE}, {code}; print({} + relativedelta(day=31, weekday={code}(-1)))",
                py(first)
            ),
            d.to_string(),
        ),
        vec![text(d.to_string())],
        reply,
    )
}

/// The date of the first `{w}` (a weekday) after the date `{a}`, that day itself not counted.
fn next_weekday(rng: &mut Rng) -> Draw {
    let (a, w) = (surface::any_date(rng), rng.below(7) as usize);
    let d = (1..=7).map(|i| plus(a, i)).find(|d| weekday_name(*d) == WEEKDAYS[w]);
    let d = d.expect("a week has each weekday");
    let (day, code) = (WEEKDAYS[w], short(w));
    let reply =
        either(rng, [format!("It is **{d}**."), format!("The first {day} after {a} is **{d}**.")]);
    call(
        vec![("w", day.to_owned()), ("a", surface::date(a, rng))],
        Step::new(
            format!("First {day} after {a}."),
            format!("{RELATIVE}, {code}; print({} + relativedelta(days=1, weekday={code}))", py(a)),
            d.to_string(),
        ),
        vec![text(d.to_string())],
        reply,
    )
}

/// A place in a ring of names, moved by `n`.
fn ring(list: &str, names: &[&'static str], from: &str, n: i64) -> (String, &'static str) {
    let at = names.iter().position(|x| *x == from).expect("it was drawn from these") as i64;
    let to = names[(at + n).rem_euclid(names.len() as i64) as usize];
    let sign = if n < 0 { '-' } else { '+' };
    let code = format!(
        "import calendar; d = list({list}); print(d[(d.index('{from}') {sign} {}) % {}])",
        n.abs(),
        names.len()
    );
    (code, to)
}

fn ring_draw(slots: Slots, think: String, (code, to): (String, &str), reply: String) -> Draw {
    call(slots, Step::new(think, code, to), vec![text(to)], reply)
}

/// Which weekday is it `{n}` days (2 or more) after a `{w}` (a weekday)?
fn weekday_after(rng: &mut Rng) -> Draw {
    let (w, n) = (*rng.pick(&WEEKDAYS), several(rng, 4));
    let moved = ring("calendar.day_name", &WEEKDAYS, w, n);
    let to = moved.1;
    let reply = either(
        rng,
        [format!("{n} days after a {w} it is **{to}**."), format!("It will be a **{to}**.")],
    );
    let slots = vec![("w", w.to_owned()), ("n", surface::integer(n, rng))];
    ring_draw(slots, format!("{w} plus {n} days."), moved, reply)
}

/// Which weekday was it `{n}` days (2 or more) before a `{w}` (a weekday)?
fn weekday_before(rng: &mut Rng) -> Draw {
    let (w, n) = (*rng.pick(&WEEKDAYS), several(rng, 4));
    let moved = ring("calendar.day_name", &WEEKDAYS, w, -n);
    let to = moved.1;
    let reply = either(
        rng,
        [format!("{n} days before a {w} it was **{to}**."), format!("It was a **{to}**.")],
    );
    let slots = vec![("w", w.to_owned()), ("n", surface::integer(n, rng))];
    ring_draw(slots, format!("{w} minus {n} days."), moved, reply)
}

/// Which month is it `{n}` months (2 or more) after the month `{m}` (a name)?
fn month_after(rng: &mut Rng) -> Draw {
    let (m, n) = (*rng.pick(&MONTHS), several(rng, 3));
    let moved = ring("calendar.month_name[1:]", &MONTHS, m, n);
    let to = moved.1;
    let reply =
        either(rng, [format!("{n} months after {m} it is **{to}**."), format!("It is **{to}**.")]);
    let slots = vec![("m", m.to_owned()), ("n", surface::integer(n, rng))];
    ring_draw(slots, format!("{m} plus {n} months."), moved, reply)
}

/// Do the dates `{a}` and `{b}` fall on the same weekday? Yes or no.
fn same_weekday(rng: &mut Rng) -> Draw {
    let (a, mut b) = two_dates(rng);
    if rng.chance(0.4) {
        b = plus(a, rng.int(1, 900) * 7);
    }
    let same = weekday_name(a) == weekday_name(b);
    let reply = if same {
        format!("**Yes**, {a} and {b} fall on the same weekday.")
    } else {
        format!("**No**, {a} and {b} fall on different weekdays.")
    };
    call(
        vec![("a", surface::date(a, rng)), ("b", surface::date(b, rng))],
        Step::new(
            format!("Same weekday: {a} and {b}?"),
            format!("from datetime import date; print({}.weekday() == {}.weekday())", py(a), py(b)),
            python::boolean(same),
        ),
        vec![text(yes_no(same))],
        reply,
    )
}

/// Does the date `{a}` fall on a weekend (Saturday or Sunday)? Yes or no.
fn weekend(rng: &mut Rng) -> Draw {
    let mut a = surface::any_date(rng);
    let is = |d: Date| d.weekday().to_monday_zero_offset() >= 5;
    if rng.chance(0.3) {
        a = (0..7).map(|i| plus(a, i)).find(|d| is(*d)).expect("a week has a weekend");
    }
    let yes = is(a);
    let reply = either(
        rng,
        [
            format!(
                "{}, {a} is {}.",
                bold_yes_no(yes),
                ["on a weekday", "on a weekend"][usize::from(yes)]
            ),
            format!(
                "{}. {a} is {}a weekend day.",
                bold_yes_no(yes),
                ["not ", ""][usize::from(yes)]
            ),
        ],
    );
    call(
        vec![("a", surface::date(a, rng))],
        Step::new(
            format!("Is {a} on a weekend?"),
            format!("from datetime import date; print({}.weekday() >= 5)", py(a)),
            python::boolean(yes),
        ),
        vec![text(yes_no(yes))],
        reply,
    )
}

/// The number of the century in which the year `{y}` lies (1901 to 2000 is the 20th).
fn century(rng: &mut Rng) -> Draw {
    let y = if rng.chance(0.2) { rng.int(1, 30) * 100 } else { rng.int(1, 2999) };
    let c = (y + 99) / 100;
    let reply = either(
        rng,
        [format!("The year {y} is in century **{c}**."), format!("Century number **{c}**.")],
    );
    call(
        vec![("y", y.to_string())],
        Step::new(
            format!("Century of the year {y}."),
            format!("print(({y} + 99) // 100)"),
            c.to_string(),
        ),
        vec![number(c)],
        reply,
    )
}

/// How many years lie between the years `{a}` and `{b}` (mostly `{b}` is the later one)?
fn years_between(rng: &mut Rng) -> Draw {
    let (mut a, mut b) = (rng.int(1000, 2100), rng.int(1800, 2200));
    if a == b {
        b += 1;
    }
    if (a > b) != rng.chance(0.1) {
        (a, b) = (b, a);
    }
    let n = (a - b).abs();
    let reply = either(
        rng,
        [format!("There are **{n}** years between {a} and {b}."), format!("It is **{n}** years.")],
    );
    call(
        vec![("a", a.to_string()), ("b", b.to_string())],
        Step::new(
            format!("Years between {a} and {b}."),
            format!("print(abs({a} - {b}))"),
            n.to_string(),
        ),
        vec![number(n)],
        reply,
    )
}

/// On which date is (Western) Easter Sunday in the year `{y}`?
fn easter(rng: &mut Rng) -> Draw {
    let y = rng.int(1900, 2200);
    let d = easter_sunday(y);
    let reply =
        either(rng, [format!("Easter Sunday {y} is **{d}**."), format!("It is on **{d}**.")]);
    call(
        vec![("y", y.to_string())],
        Step::new(
            format!("Easter Sunday of {y}."),
            format!("from dateutil.easter import easter; print(easter({y}))"),
            d.to_string(),
        ),
        vec![text(d.to_string())],
        reply,
    )
}

/// The Gregorian computus, as in Butcher's algorithm.
fn easter_sunday(y: i64) -> Date {
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e, f) = (b / 4, b % 4, (b + 8) / 25);
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let l = (32 + 2 * e + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    Date::new(y as i16, (n / 31) as i8, (n % 31 + 1) as i8).expect("Easter is in March or April")
}

/// The 12-hour clock time `{t}` (as "2:35 pm") on the 24-hour clock, as 14:35.
fn to_24(rng: &mut Rng) -> Draw {
    let t = clock(rng);
    let half = twelve(t);
    let shown = match rng.below(4) {
        0 => half.clone(),
        1 => half.replace(' ', "").to_lowercase(),
        2 => half.replace(" AM", " a.m.").replace(" PM", " p.m."),
        _ => half.to_lowercase(),
    };
    let value = hhmm(t);
    let reply = either(rng, [format!("**{value}**"), format!("That is **{value}**.")]);
    call(
        vec![("t", shown)],
        Step::new(
            format!("{half} on the 24-hour clock."),
            format!(
                "from datetime import datetime; \
                 print(datetime.strptime('{half}', '%I:%M %p').strftime('%H:%M'))"
            ),
            value.clone(),
        ),
        vec![text(value)],
        reply,
    )
}

/// The 24-hour clock time `{t}` (as "14:35") on the 12-hour clock, as 2:35 PM.
fn to_12(rng: &mut Rng) -> Draw {
    let t = clock(rng);
    let (shown, value) = (hhmm(t), twelve(t));
    let reply = either(rng, [format!("**{value}**"), format!("That is **{value}**.")]);
    call(
        vec![("t", shown.clone())],
        Step::new(
            format!("{shown} on the 12-hour clock."),
            format!(
                "from datetime import datetime; \
                 print(datetime.strptime('{shown}', '%H:%M').strftime('%-I:%M %p'))"
            ),
            value.clone(),
        ),
        vec![text(value)],
        reply,
    )
}

/// The number (1 to 12) of the month `{m}` (a name). No tool.
fn month_number(rng: &mut Rng) -> Draw {
    let n = rng.int(1, 12);
    let m = MONTHS[n as usize - 1];
    fact(
        "m",
        m.to_owned(),
        format!("{m} is month {n}."),
        number(n),
        format!("{m} is month **{n}**."),
    )
}

/// The name of month number `{n}` (as "7", "7th" or "seventh"). No tool.
fn month_name(rng: &mut Rng) -> Draw {
    const NTH: [&str; 12] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth", "eleventh", "twelfth",
    ];
    let n = rng.int(1, 12);
    let m = MONTHS[n as usize - 1];
    let nth = if rng.chance(0.5) {
        format!("{n}{}", surface::ordinal(n))
    } else {
        NTH[n as usize - 1].to_owned()
    };
    fact("n", nth, format!("Month {n} is {m}."), text(m), format!("Month {n} is **{m}**."))
}

fn fact(slot: &'static str, shown: String, think: String, value: Value, reply: String) -> Draw {
    plain(vec![(slot, shown)], think, Answer::Values(vec![value]), reply)
}
