//! How a good model goes about the question, and how one does that makes mistakes on its way.
//!
//! Everything that it says of Calderon it has read in what the tools returned: the numbers of a
//! page, the axis and the bars of the chart, what Python printed. [`Seen::call`] ends a turn with
//! the next call, so that [`story`] reads as one story.

use std::collections::BTreeMap;

use serde_json::json;

use crate::answer::{self, Findings, Source};
use crate::numbers::numbers;
use crate::seen::{Act, Call, Hit, Opened, Seen, hits};

pub const QUESTION: &str = "Today is 2026-06-15. How will this summer's electricity use in Calderon \
    compare with last year's? Show the forecast and say what drives it.";

/// How the script plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Right,
    /// With mistakes, after each of which it finds back.
    Clumsy,
}

const MONTHS: [&str; 4] = ["June", "July", "August", "September"];
const NEXT: u32 = 2026;

/// What the script says next.
pub fn next(manner: Manner, mut seen: Seen) -> Act {
    match story(manner, &mut seen) {
        Ok(act) | Err(act) => act,
    }
}

fn story(manner: Manner, seen: &mut Seen) -> Result<Act, Act> {
    let clumsy = manner == Manner::Clumsy;
    if !seen.tools.iter().any(|name| name == "web_search") {
        return Err(give_up(
            "There is no tool to search pages with, and I know nothing of Calderon.",
        ));
    }
    let load = loads(seen, clumsy)?;
    let drivers = drivers(seen)?;
    let (solar, solar_source) = solar(seen, &drivers.registry, clumsy)?;
    let mut found = Findings {
        printed: load.printed,
        revised: load.revised,
        degree_days: drivers.degree_days,
        customers: drivers.customers,
        solar,
        provisional: load.provisional,
        claim: drivers.claim,
        sources: load.sources.into_iter().chain(drivers.sources).chain([solar_source]).collect(),
        results: serde_json::Value::Null,
    };
    let join = answer::join(&found);
    let first = "I have all four series. I join them in a table, with the units made equal and the \
                 erratum applied.";
    seen.call(first, python(&join))?;
    if clumsy {
        let code =
            "import urllib.request\nurllib.request.urlopen(\"http://grid.test/\", timeout=3)";
        let calls = vec![python("fit = df[\"load\"]"), python(code)];
        seen.calls("Now the model; and perhaps there is newer data on the net.", calls)?;
    }
    let second = "Least squares on the three drivers, with a 95 % interval and a test on the last \
                  five years, each told from the years before it.";
    let mut printed = seen.call(second, python(answer::FIT))?;
    if printed.contains("NameError") {
        // The kernel was lost with the process, and its variables with it.
        seen.call("The variables are gone: I join the series again.", python(&join))?;
        printed = seen.call("And the model again.", python(answer::FIT))?;
    }
    let results = printed.lines().find_map(|line| line.trim().strip_prefix("RESULT "));
    found.results = results
        .and_then(|line| serde_json::from_str(line).ok())
        .ok_or_else(|| give_up(&format!("Python gave no result:\n{printed}")))?;
    let mut drawn = seen.call("Now the chart.", python(answer::CHART))?;
    if drawn.contains("NameError") {
        let again = format!("{join}\n{}\n{}", answer::FIT, answer::CHART);
        drawn = seen.call("The variables are gone: all again.", python(&again))?;
    }
    let text = answer::text(&found, &drawn);
    Ok(Act::Answer { thought: "Everything is there; I write it up with its sources.".into(), text })
}

fn python(code: &str) -> Call {
    Call::new("python", json!({ "code": code }))
}

fn search(queries: &[&str]) -> Call {
    Call::new("web_search", json!({ "queries": queries }))
}

fn open(id: u64) -> Call {
    Call::new("web_open", json!({"id": id.to_string()}))
}

fn open_url(url: &str) -> Call {
    Call::new("web_open", json!({ "url": url }))
}

fn give_up(why: &str) -> Act {
    Act::Answer { thought: String::new(), text: format!("I cannot answer this. {why}") }
}

/// Opens a page, again if the first time fails.
fn opened(seen: &mut Seen, thought: &str, call: Call) -> Result<Opened, Act> {
    let first = seen.call(thought, call.clone())?;
    if let Some(page) = Opened::of(&first) {
        return Ok(page);
    }
    let again = seen.call("That failed; I try it once more.", call)?;
    Opened::of(&again).ok_or_else(|| give_up(&format!("A page could not be opened: {first}")))
}

fn hit<'a>(hits: &'a [Hit], host: &str, title: &str) -> Result<&'a Hit, Act> {
    let is_it = |hit: &&Hit| hit.host == host && hit.title.to_lowercase().contains(title);
    let missing =
        || give_up(&format!("The search found no page about {title} at {host}: {hits:?}"));
    hits.iter().find(is_it).ok_or_else(missing)
}

fn link(page: &Opened, text: &str) -> Result<u64, Act> {
    let missing = || give_up(&format!("{} has no link `{text}`.", page.url));
    page.link(text).ok_or_else(missing)
}

/// What a script has read of the grid.
struct Loads {
    /// Of each year the unit, and the four months as they are printed.
    printed: BTreeMap<u32, (String, Vec<f64>)>,
    /// GWh.
    revised: BTreeMap<u32, Vec<f64>>,
    provisional: Option<String>,
    sources: Vec<Source>,
}

fn loads(seen: &mut Seen, clumsy: bool) -> Result<Loads, Act> {
    let queries = ["Calderon monthly electricity load archive page 1"];
    let thought = "I know nothing of Calderon, so I look for its load by month first.";
    let output = seen.call(thought, search(&queries))?;
    if clumsy {
        let again = vec![search(&queries); 3];
        seen.calls("Once more, to be sure, and again.", again)?;
        let raw = Call { name: "web_open", arguments: "{\"id\": \"1\", ".to_owned() };
        seen.call("I open the first one.", raw)?;
        seen.call("I open another.", open(99))?;
    }
    let found = hits(&output);
    let archive = hit(&found, "grid.test", "archive, page 1")?.number;
    let mut page = opened(seen, "The operator has an archive.", open(archive))?;
    if clumsy {
        let beyond = json!({"url": page.url, "line": 4000});
        seen.call("I look further down.", Call::new("web_open", beyond))?;
        let all = link(&page, "hourly.csv")?;
        seen.call("Or should I add up the hours?", open(all))?;
        page =
            opened(seen, "That is far too much; back to the list.", open_url(&page.url.clone()))?;
    }
    let mut years = years_of(&page);
    while page.link("older years").is_some() {
        let older = link(&page, "older years")?;
        page = opened(seen, "It goes on with older years.", open(older))?;
        years.extend(years_of(&page));
    }
    let thought = "The archive speaks of an erratum, which I must not miss.";
    let erratum = link(&page, "erratum")?;
    let erratum = opened(seen, thought, open(erratum))?;
    let pattern = found.iter().find_map(|hit| {
        let year = hit.title.strip_prefix("Monthly electricity load ")?.get(..4)?.to_owned();
        hit.url.contains(&year).then(|| (hit.url.clone(), year))
    });
    let (sample, of) = pattern.ok_or_else(|| give_up("The search found no year's page."))?;
    let url = |year: u32| sample.replace(&of, &year.to_string());
    let thought = "The search shows how the years' pages are addressed: I open them all at once.";
    let outputs = seen.calls(thought, years.iter().map(|year| open_url(&url(*year))).collect())?;
    let mut loads = Loads {
        printed: BTreeMap::new(),
        revised: BTreeMap::new(),
        provisional: None,
        sources: vec![],
    };
    for (year, output) in years.iter().zip(&outputs) {
        let page = Opened::of(output)
            .ok_or_else(|| give_up(&format!("The page of {year} cannot be opened: {output}")))?;
        loads.year(*year, &page);
    }
    let cut: Vec<u32> =
        loads.printed.iter().filter(|(_, (_, months))| months.len() < 4).map(|(y, _)| *y).collect();
    for year in cut {
        let look = json!({"pattern": "Next", "url": url(year)});
        let thought = format!("The table of {year} breaks off before September.");
        let output = seen.call(&thought, Call::new("web_find", look))?;
        let page = Opened::of(&output)
            .ok_or_else(|| give_up(&format!("The rest of {year} is not found: {output}")))?;
        let next = link(&page, "next")?;
        let page = opened(seen, "Its second half is on a page of its own.", open(next))?;
        loads.year(year, &page);
    }
    loads.revisions(&erratum);
    Ok(loads)
}

fn years_of(page: &Opened) -> Vec<u32> {
    let year = |text: String| text.to_lowercase().strip_prefix("monthly load ")?.parse().ok();
    page.link_texts().into_iter().filter_map(year).collect()
}

impl Loads {
    /// Reads the summer's months in the table of a year, or in what is there of it.
    fn year(&mut self, year: u32, page: &Opened) {
        let rows = page.rows();
        let unit = match rows.first().and_then(|(_, cells)| cells.get(1)) {
            Some(head) if head.contains("MWh") => "MWh",
            _ => "GWh",
        };
        let entry = self.printed.entry(year).or_insert_with(|| (unit.to_owned(), vec![]));
        let mut lines = vec![];
        for (number, cells) in &rows {
            let is_summer = cells.first().is_some_and(|cell| MONTHS.contains(&cell.as_str()));
            let Some(value) = cells.get(1).and_then(|cell| numbers(cell).first().copied()) else {
                continue;
            };
            if is_summer {
                entry.1.push(value);
                lines.push(*number);
            }
        }
        if let Some((_, line)) = page.line("is provisional") {
            self.provisional = Some(line.trim().to_owned());
        }
        if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
            let citation = page.cite(*first, *last);
            self.sources.push(Source { about: format!("load {year}"), citation });
        }
    }

    fn revisions(&mut self, page: &Opened) {
        let mut lines = vec![];
        for (number, cells) in page.rows() {
            let year = cells.first().and_then(|cell| cell.parse::<u32>().ok());
            let value = cells.get(3).and_then(|cell| numbers(cell).first().copied());
            if let (Some(year), Some(value)) = (year, value) {
                self.revised.entry(year).or_default().push(value);
                lines.push(number);
            }
        }
        if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
            let citation = page.cite(*first, *last);
            self.sources.push(Source { about: "erratum".into(), citation });
        }
    }
}

/// What a script has read of weather, people and press.
struct Drivers {
    degree_days: BTreeMap<u32, f64>,
    customers: BTreeMap<u32, f64>,
    claim: Option<String>,
    /// Where the registry of rooftop solar is.
    registry: String,
    sources: Vec<Source>,
}

fn drivers(seen: &mut Seen) -> Result<Drivers, Act> {
    let queries = [
        "summer outlook 2026 cooling degree days Calderon",
        "electricity customers of Calderon at midyear",
        "rooftop solar capacity of Calderon",
        "Calderon record summer electricity use experts",
    ];
    let thought = "Heat, the number of customers and solar roofs may drive it: I look for these.";
    let found = hits(&seen.call(thought, search(&queries))?);
    let registry = hit(&found, "energy.test", "rooftop solar")?.url.clone();
    let (outlook, customers, press) = (
        hit(&found, "weather.test", "outlook")?.clone(),
        hit(&found, "census.test", "customers")?.clone(),
        hit(&found, "news.test", "record")?.clone(),
    );
    let mut sources = vec![];
    let page = opened(seen, "The weather service has an outlook.", open_url(&outlook.url))?;
    // The number stands before the words, on a line of its own perhaps.
    let (line, _) = page
        .line("expected to bring")
        .ok_or_else(|| give_up("The outlook says nothing of this summer."))?;
    let after = page.lines.iter().filter(|(at, _)| at >= line).map(|(_, text)| text.as_str());
    let after = after.collect::<Vec<_>>().join(" ");
    let told = after.split_once("expected to bring").map_or("", |(_, told)| told);
    let expected = numbers(told).first().copied();
    let expected = expected.ok_or_else(|| give_up("The outlook has no number."))?;
    sources.push(Source { about: "outlook".into(), citation: page.cite(*line, *line + 1) });
    let past = link(&page, "cooling-degree-days.csv")?;
    let page = opened(seen, "The past summers are in a file.", open(past))?;
    let mut degree_days = BTreeMap::from([(NEXT, expected)]);
    let mut lines = vec![];
    for (number, cells) in page.rows() {
        let [year, days] = cells.as_slice() else { continue };
        if let (Ok(year), Ok(days)) = (year.parse(), days.parse()) {
            degree_days.insert(year, days);
            lines.push(number);
        }
    }
    sources.extend(source("degree days", &page, &lines));
    let page = opened(seen, "Next the customers.", open_url(&customers.url))?;
    let report = link(&page, "report")?;
    let (customers, read) = report_of(seen, &page, report)?;
    sources.push(read);
    let thought = "The press writes of a record; I look at what it rests on.";
    let page = opened(seen, thought, open_url(&press.url))?;
    let claim = page.line("experts say").filter(|(_, line)| line.contains('%'));
    let claim = claim.or_else(|| page.line("will rise by"));
    sources.extend(
        claim.map(|(line, _)| Source { about: "press".into(), citation: page.cite(*line, *line) }),
    );
    let claim = claim
        .and_then(|(_, line)| line.split('%').next())
        .and_then(|line| numbers(line).last().map(|percent| format!("{percent} %")));
    Ok(Drivers { degree_days, customers, claim, registry, sources })
}

fn source(about: &str, page: &Opened, lines: &[u64]) -> Option<Source> {
    let citation = page.cite(*lines.first()?, *lines.last()?);
    Some(Source { about: about.to_owned(), citation })
}

/// The customers by year, from the lines of the report; where it is kept as a file alone, Python
/// takes the text out of it.
fn report_of(
    seen: &mut Seen,
    page: &Opened,
    report: u64,
) -> Result<(BTreeMap<u32, f64>, Source), Act> {
    let about = "customers";
    let output = seen.call("The figures are in a PDF.", open(report))?;
    if let Some(pdf) = Opened::of(&output) {
        let (values, lines) = yearly(&pdf);
        if let Some(source) = source(about, &pdf, &lines).filter(|_| values.len() > 10) {
            return Ok((values, source));
        }
    }
    let kept = output.split_once("kept for Python as ").map(|(_, rest)| rest);
    let file = kept.and_then(|rest| rest.split([';', ' ']).next());
    let file = file.ok_or_else(|| give_up(&format!("The report cannot be opened: {output}")))?;
    let code = answer::PDF.replace("FILE", file);
    let printed = seen.call("The report is a file: I take its text out of it.", python(&code))?;
    let lines = printed.lines().map(|line| (0, line.to_owned())).collect();
    let (values, _) = yearly(&Opened { lines, ..Opened::default() });
    if values.len() < 10 {
        return Err(give_up(&format!("The report cannot be read: {printed}")));
    }
    let line = page.line("report").map_or(1, |(line, _)| *line);
    Ok((values, Source { about: about.to_owned(), citation: page.cite(line, line) }))
}

/// A table of years and numbers in whatever form a page has it: in each line a year, then a number,
/// or each on a line of its own.
fn yearly(page: &Opened) -> (BTreeMap<u32, f64>, Vec<u64>) {
    let (mut values, mut lines, mut year) = (BTreeMap::new(), vec![], None);
    for (at, line) in &page.lines {
        for number in numbers(line) {
            let is_year = number.fract() == 0.0 && (2011.0..=2026.0).contains(&number);
            match year.filter(|year| !values.contains_key(year)) {
                Some(of) if !is_year => {
                    values.insert(of, number);
                    lines.push(*at);
                }
                _ if is_year => year = Some(number as u32),
                _ => {}
            }
        }
    }
    (values, lines)
}

/// Reads the chart: its axis by the text beside it, its bars by their colour.
fn solar(
    seen: &mut Seen,
    registry: &str,
    clumsy: bool,
) -> Result<(BTreeMap<u32, f64>, Source), Act> {
    let thought = "Rooftop solar lowers what the grid sees. The registry publishes a chart.";
    let page = opened(seen, thought, open_url(registry))?;
    let line = page.line("chart").map_or(1, |(line, _)| *line);
    let source = Source { about: "solar".into(), citation: page.cite(line, line) };
    let image = picture(seen, &page)?;
    if clumsy {
        let outside = json!({"bbox_2d": [5000, 5000, 6000, 6000], "img_idx": image});
        seen.call("I zoom in on the axis.", Call::new("image_zoom_in_tool", outside))?;
    }
    let ocr = Call::new("image_ocr", json!({"image": image, "psm": 11, "orientations": "none"}));
    let colours = Call::new("image_measure", json!({"image": image, "what": "colours"}));
    let thought = "The values stand in the picture alone: I read the axis and measure the bars.";
    let outputs = seen.calls(thought, vec![ocr, colours])?;
    let words = boxes(&outputs[0]);
    let ticks: Vec<(f64, [f64; 4])> = words
        .iter()
        .filter(|(_, text)| {
            text.contains('.') && text.chars().all(|c| c.is_ascii_digit() || c == '.')
        })
        .filter_map(|(rect, text)| Some((text.parse().ok()?, *rect)))
        .collect();
    if ticks.len() < 2 {
        return Err(give_up(&format!("The chart's axis cannot be read: {}", outputs[0])));
    }
    let scale =
        scale(&ticks).ok_or_else(|| give_up(&format!("The axis gives no scale: {ticks:?}")))?;
    let measure = |colour: String| {
        let what = json!({"image": image, "what": "components", "colour": colour, "tolerance": 40,
            "area_min": 30});
        Call::new("image_measure", what)
    };
    let calls = vivid(&outputs[1]).into_iter().map(measure).collect();
    let outputs =
        seen.calls("The axis gives the scale, the coloured shapes are the bars.", calls)?;
    let shapes: Vec<[f64; 4]> =
        outputs.iter().flat_map(|output| boxes(output)).map(|(rect, _)| rect).collect();
    let floor = shapes.iter().map(|r| r[3]).fold(0.0, f64::max);
    let mut bars: Vec<[f64; 4]> =
        shapes.into_iter().filter(|r| (r[3] - floor).abs() < 4.0).collect();
    bars.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let first = NEXT + 1 - bars.len() as u32;
    let value = |rect: &[f64; 4]| ((scale.0 * rect[1] + scale.1) * 1000.0).round() / 1000.0;
    Ok(((first..).zip(bars.iter().map(value)).collect(), source))
}

/// The picture's id: of the user's, or of the one that opening the page's picture gives.
fn picture(seen: &mut Seen, page: &Opened) -> Result<String, Act> {
    if let Some(id) = picture_id(&seen.question) {
        return Ok(id);
    }
    let number = page.link("chart").or(page.link("picture")).or(page.link("capacity"));
    let number = number.ok_or_else(|| give_up("The page leads to no picture."))?;
    let output = seen.call("I open the picture itself.", open(number))?;
    picture_id(&output).ok_or_else(|| give_up(&format!("The chart cannot be opened: {output}")))
}

/// `img_3`, where a text names it, or the file's name by which it says that tools know it.
fn picture_id(text: &str) -> Option<String> {
    if let Some((_, name)) = text.split_once("{\"image\": \"") {
        return name.split('"').next().map(str::to_owned);
    }
    let rest = text.split_once("img_")?.1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("img_{digits}"))
}

/// Lines that begin with a box, with what follows a confidence in brackets.
fn boxes(output: &str) -> Vec<([f64; 4], String)> {
    let read = |line: &str| {
        let (rect, rest) = line.strip_prefix('[')?.split_once(']')?;
        let rect: Vec<f64> = rect.split(',').filter_map(|n| n.trim().parse().ok()).collect();
        let rest = rest.trim();
        let text = match rest.starts_with('(') {
            true => rest.split_once(')')?.1,
            false => rest,
        };
        Some((rect.try_into().ok()?, text.trim().to_owned()))
    };
    output.lines().filter_map(read).collect()
}

/// The colours that are no grey, as `#e08a00 8.20 %` tells them.
fn vivid(output: &str) -> Vec<String> {
    let is_vivid = |colour: &&str| {
        let part = |at: usize| colour.get(at..at + 2).and_then(|d| u8::from_str_radix(d, 16).ok());
        let parts = [1, 3, 5].map(|at| part(at).unwrap_or(0));
        let spread = parts.iter().max().zip(parts.iter().min()).map_or(0, |(a, b)| a - b);
        spread > 60
    };
    let colours = output.lines().filter_map(|line| line.split(' ').next());
    let colours = colours.filter(|colour| colour.starts_with('#') && colour.len() == 7);
    colours.filter(is_vivid).take(2).map(str::to_owned).collect()
}

/// Slope and offset from y to value, by least squares over the ticks.
fn scale(ticks: &[(f64, [f64; 4])]) -> Option<(f64, f64)> {
    let middle = |rect: &[f64; 4]| (rect[1] + rect[3]) / 2.0;
    let points: Vec<(f64, f64)> = ticks.iter().map(|(value, r)| (middle(r), *value)).collect();
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let top: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mx).powi(2)).sum();
    (below > 1.0).then(|| (top / below, my - top / below * mx))
}
