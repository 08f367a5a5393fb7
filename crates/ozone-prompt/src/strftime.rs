//! `strftime_now` of chat templates: the conversation's day, at midnight, in C's directives.

use crate::Day;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// An unknown directive is copied as it stands, as glibc does.
pub fn strftime(format: &str, day: Day) -> String {
    let mut out = String::new();
    let mut chars = format.chars();
    let month = MONTHS[(day.month.clamp(1, 12) - 1) as usize];
    let weekday = WEEKDAYS[day.weekday()];
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = chars.next();
        let unpadded = directive == Some('-');
        if unpadded {
            directive = chars.next();
        }
        let two = |n: u32| if unpadded { n.to_string() } else { format!("{n:02}") };
        let text = match directive {
            Some('Y') => day.year.to_string(),
            Some('y') => two(day.year.rem_euclid(100) as u32),
            Some('m') => two(day.month),
            Some('d') => two(day.day),
            Some('e') => format!("{:>2}", day.day),
            Some('B') => month.to_string(),
            Some('b' | 'h') => month[..3].to_string(),
            Some('A') => weekday.to_string(),
            Some('a') => weekday[..3].to_string(),
            Some('j') if unpadded => day.day_of_year().to_string(),
            Some('j') => format!("{:03}", day.day_of_year()),
            Some('F') => format!("{}-{:02}-{:02}", day.year, day.month, day.day),
            Some('D') => {
                format!("{:02}/{:02}/{:02}", day.month, day.day, day.year.rem_euclid(100))
            }
            Some('H' | 'M' | 'S') => two(0),
            Some('I') => "12".to_string(),
            Some('p') => "AM".to_string(),
            Some('T') => "00:00:00".to_string(),
            Some('Z') => "UTC".to_string(),
            Some('z') => "+0000".to_string(),
            Some('%') => "%".to_string(),
            Some(other) => format!("%{other}"),
            None => "%".to_string(),
        };
        out.push_str(&text);
    }
    out
}
