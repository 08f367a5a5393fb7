//! What the script computes with Python, and how it writes up what came out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::numbers::grouped;

/// Lines that support a part of the answer.
#[derive(Debug, Clone)]
pub struct Source {
    pub about: String,
    /// The mark, as it stands in an answer.
    pub citation: String,
}

/// All that was read.
#[derive(Debug, Clone)]
pub struct Findings {
    pub printed: BTreeMap<u32, (String, Vec<f64>)>,
    pub revised: BTreeMap<u32, Vec<f64>>,
    pub degree_days: BTreeMap<u32, f64>,
    pub customers: BTreeMap<u32, f64>,
    pub solar: BTreeMap<u32, f64>,
    pub provisional: Option<String>,
    /// What the press claims, as `15 %`.
    pub claim: Option<String>,
    pub sources: Vec<Source>,
    /// What Python printed.
    pub results: Value,
}

/// The first cell: the series as one table, and as a file.
pub fn join(found: &Findings) -> String {
    let map = |values: &BTreeMap<u32, f64>| {
        let pairs = values.iter().map(|(year, value)| format!("{year}: {value}"));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
    };
    let months = |values: &[f64]| format!("{values:?}");
    let mut printed = String::from("{\n");
    for (year, (unit, values)) in &found.printed {
        let _ = writeln!(printed, "    {year}: (\"{unit}\", {}),", months(values));
    }
    printed.push('}');
    let revised = found.revised.iter().map(|(year, values)| format!("{year}: {}", months(values)));
    let revised = revised.collect::<Vec<_>>().join(", ");
    format!(
        r#"import json
import numpy as np
import pandas as pd

# June to September, as each year's page prints it.
printed = {printed}
revised = {{{revised}}}  # the erratum, in GWh
degree_days = {}
customers = {}  # thousand
solar = {}  # GW, measured in the chart

load = {{year: sum(v) / (1000 if unit == "MWh" else 1) for year, (unit, v) in printed.items()}}
load.update({{year: sum(v) for year, v in revised.items()}})
df = pd.DataFrame({{
    "load_gwh": pd.Series(load, dtype=float),
    "cooling_degree_days": pd.Series(degree_days, dtype=float),
    "customers_thousand": pd.Series(customers, dtype=float),
    "solar_gw": pd.Series(solar, dtype=float),
}}).rename_axis("year")
df.to_csv("calderon_summers.csv")
print(df.to_string())"#,
        map(&found.degree_days),
        map(&found.customers),
        map(&found.solar)
    )
}

/// Takes the text out of a PDF that does not pack it.
pub const PDF: &str = r#"import re
text = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", open("FILE", "rb").read())
print("\n".join(t.decode("latin-1") for t in text))"#;

/// The second cell: it goes on with the table.
pub const FIT: &str = r#"drivers = ["cooling_degree_days", "customers_thousand", "solar_gw"]
known, last, ahead = df.dropna(), 2025, 2026

def design(rows):
    return np.column_stack([np.ones(len(rows)), rows[drivers]])

def fit(rows):
    return np.linalg.lstsq(design(rows), rows["load_gwh"].to_numpy(), rcond=None)[0]

b = fit(known)
X, x = design(known), design(df.loc[[ahead]])[0]
rest = known["load_gwh"].to_numpy() - X @ b
t = 2.201  # Student's t at 97.5 %, 15 - 4 = 11 degrees of freedom
margin = t * np.sqrt(rest @ rest / (len(X) - 4) * (1 + x @ np.linalg.inv(X.T @ X) @ x))
forecast, before = x @ b, known.loc[last, "load_gwh"]
errors = []
for year in range(2021, 2026):
    told = design(known.loc[[year]])[0] @ fit(known.loc[: year - 1])
    errors.append(abs(told / known.loc[year, "load_gwh"] - 1) * 100)
step = df.loc[ahead, drivers] - df.loc[last, drivers]
result = {
    "last": round(before), "forecast": round(forecast), "margin": round(margin),
    "low": round(forecast - margin), "high": round(forecast + margin),
    "change_gwh": round(forecast - before), "change_percent": round((forecast / before - 1) * 100, 1),
    "mape_percent": round(float(np.mean(errors)), 2),
    "steps": {name: round(float(step[name]), 2) for name in drivers},
    "effects_gwh": {name: round(float(b[i + 1] * step[name])) for i, name in enumerate(drivers)},
    "per_unit": {name: round(float(b[i + 1]), 2) for i, name in enumerate(drivers)},
    "unexplained_gwh": round(float(rest[-1])),
    "from": {name: round(float(df.loc[last, name]), 2) for name in drivers},
    "to": {name: round(float(df.loc[ahead, name]), 2) for name in drivers},
}
print("95 % interval, R2 =", round(1 - rest @ rest / ((known["load_gwh"] - known["load_gwh"].mean()) ** 2).sum(), 3))
print("RESULT", json.dumps(result))"#;

/// The third cell.
pub const CHART: &str = r##"import matplotlib.pyplot as plt

fig, (ax, why) = plt.subplots(1, 2, figsize=(12, 5.2), width_ratios=[2.2, 1], layout="constrained")
years = known.index.to_numpy()
ax.axvspan(ahead - 0.5, ahead + 0.5, color="#f3efe6", zorder=0)
ax.plot(years, known["load_gwh"], color="#1f4e79", marker="o", lw=2, label="June to September, measured")
ax.plot(years, X @ b, color="#9aa5b1", ls="--", lw=1.4, label="the model on the same years")
ax.plot([last, ahead], [before, forecast], color="#c8501e", ls=":", lw=2)
ax.errorbar([ahead], [forecast], yerr=[margin], color="#c8501e", marker="D", ms=8, capsize=7, lw=2,
            label="forecast with its 95 % interval")
ax.annotate(f"{forecast:,.0f} GWh\n({forecast / before - 1:+.1%})", (ahead, forecast + margin),
            xytext=(-8, 12), textcoords="offset points", ha="right", color="#c8501e", weight="bold")
ax.set_xticks(range(2011, 2027, 3))
ax.set_xlim(2010.4, ahead + 0.6)
lowest, highest = known["load_gwh"].min(), max(known["load_gwh"].max(), forecast + margin)
ax.set_ylim(min(lowest, forecast - margin) - 150, highest + 0.3 * (highest - lowest))
ax.yaxis.set_major_formatter("{x:,.0f}")
ax.set_ylabel("GWh")
ax.set_title("Summer electricity use in Calderon", loc="left", weight="bold")
ax.grid(axis="y", color="#e6e6e6")
ax.legend(loc="upper left", frameon=False)
effects = b[1:] * step.to_numpy(dtype=float)
names = ["heat", "customers", "rooftop solar"]
bars = why.barh(names, effects, color=["#c8501e" if e > 0 else "#2e7d5b" for e in effects])
why.bar_label(bars, [f"{e:+,.0f}" for e in effects], padding=4)
why.axvline(0, color="#444444", lw=1)
why.margins(x=0.32)
why.invert_yaxis()
why.xaxis.set_major_formatter("{x:,.0f}")
why.set_title("What drives it, GWh against 2025", loc="left", weight="bold")
for a in (ax, why):
    a.spines[["top", "right"]].set_visible(False)
fig.savefig("calderon_forecast.png", dpi=110)
plt.close(fig)
print("wrote calderon_forecast.png and calderon_summers.csv")"##;

/// The answer, with its marks. `drawn` is what the last cell printed.
pub fn text(found: &Findings, drawn: &str) -> String {
    let result =
        |path: &str| found.results.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let whole = |path: &str| grouped(result(path).abs().round() as u64);
    let signed =
        |path: &str| format!("{}{}", if result(path) < 0.0 { "−" } else { "+" }, whole(path));
    let cite = |about: &str| {
        let source = found.sources.iter().find(|source| source.about == about);
        source.map_or(String::new(), |source| format!(" {}", source.citation))
    };
    let change = result("/change_percent");
    let direction = if change < 0.0 { "less" } else { "more" };
    let mut text = format!(
        "**Calderon will use about {} GWh from June to September 2026: {} % {direction} than the {} \
         GWh of last summer**{}. The 95 % interval is {} to {} GWh. Tried on 2021 to 2025, each \
         year told from those before it, the model was off by {} % on average.\n\n",
        whole("/forecast"),
        change.abs(),
        whole("/last"),
        cite("load 2025"),
        whole("/low"),
        whole("/high"),
        result("/mape_percent"),
    );
    let row = |text: &mut String, name: &str, key: &str, unit: &str, about: [&str; 2]| {
        let _ = writeln!(
            text,
            "| {name}{}{} | {} | {} | {} |",
            cite(about[0]),
            cite(about[1]),
            value(result(&format!("/from/{key}")), unit),
            value(result(&format!("/to/{key}")), unit),
            signed(&format!("/effects_gwh/{key}")),
        );
    };
    text.push_str("| What drives it | 2025 | 2026 | effect, GWh |\n| --- | --- | --- | --- |\n");
    row(&mut text, "Cooling degree days", "cooling_degree_days", "", ["degree days", "outlook"]);
    row(&mut text, "Customers", "customers_thousand", " thousand", ["customers", ""]);
    row(&mut text, "Rooftop solar", "solar_gw", " GW", ["solar", ""]);
    let _ = write!(
        text,
        "\n{} matters most. What the three do not explain of last summer is {} GWh. ",
        most(&result),
        signed("/unexplained_gwh")
    );
    let revised: Vec<String> = found.revised.keys().map(u32::to_string).collect();
    let in_mwh = found.printed.iter().filter(|(_, (unit, _))| unit == "MWh");
    let in_mwh: Vec<String> = in_mwh.map(|(year, _)| year.to_string()).collect();
    let _ = write!(
        text,
        "The solar figures are measured in the registry's chart, which has no numbers at its \
         bars.\n\n**How far to trust it.** The loads of {} are those of the operator's erratum, not of \
         its first print{}; the pages of {} are in MWh and were converted",
        listed(&revised),
        cite("erratum"),
        listed(&in_mwh),
    );
    for year in found.printed.iter().filter(|(_, (unit, _))| unit == "MWh").map(|(year, _)| year) {
        text.push_str(&cite(&format!("load {year}")));
    }
    text.push('.');
    if found.provisional.is_some() {
        text.push_str(" June 2025 is provisional, so the comparison may still move a little.");
    }
    if let Some(claim) = &found.claim {
        let _ = write!(
            text,
            " A news article claims a rise of {claim}{} and does not say how it knows; I do not rely \
             on it.",
            cite("press")
        );
    }
    if drawn.contains("wrote") {
        text.push_str(
            "\n\nThe chart is calderon_forecast.png, the joined data are calderon_summers.csv.",
        );
    }
    text
}

/// `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// The driver with the largest effect.
fn most(result: &impl Fn(&str) -> f64) -> &'static str {
    let drivers = [
        ("cooling_degree_days", "The heat that is expected"),
        ("customers_thousand", "The number of customers"),
        ("solar_gw", "The growth of rooftop solar"),
    ];
    let size = |key: &str| result(&format!("/effects_gwh/{key}")).abs();
    let largest = drivers.into_iter().max_by(|a, b| size(a.0).total_cmp(&size(b.0)));
    largest.map_or("None of them", |(_, told)| told)
}

fn value(number: f64, unit: &str) -> String {
    let told = match unit {
        "" => grouped(number.round() as u64),
        " GW" => format!("{number:.2}"),
        _ => {
            let tenths = (number * 10.0).round() as u64;
            format!("{}.{}", grouped(tenths / 10), tenths % 10)
        }
    };
    format!("{told}{unit}")
}
