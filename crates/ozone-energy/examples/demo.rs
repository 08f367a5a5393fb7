//! `make demo-energy`: the question about Calderon, asked of `ozone` before your eyes.
//!
//! `demo OZONE OUT [MODEL]`: without a model the script answers; a model of the configuration, or a
//! GGUF file, is shown the same web. The chart and the data are left in `OUT`.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use ozone_energy::{Forecast, Manner, QUESTION, Stage};
use serde_json::Value;

/// Between two words of the script: as fast as one reads.
const PACE: Duration = Duration::from_millis(12);
const SEED: u64 = 3;

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match show() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("demo-energy: {e}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<bool, Failed> {
    let mut args = std::env::args().skip(1);
    let ozone = PathBuf::from(args.next().ok_or("where is ozone?")?);
    let out = PathBuf::from(args.next().ok_or("where do the files go?")?);
    let home = std::env::temp_dir().join(format!("ozone-energy-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let shown = play(&ozone, &out, &home, args.next().filter(|name| !name.is_empty()));
    let _ = std::fs::remove_dir_all(&home);
    shown
}

fn play(ozone: &Path, out: &Path, home: &Path, model: Option<String>) -> Result<bool, Failed> {
    let stage = Stage::set(home, SEED, Manner::Right, vec![], PACE)?;
    let model = match model {
        Some(model) => one_of_yours(&stage, model)?,
        None => ozone_energy::MODEL.to_owned(),
    };
    println!("Calderon is made up, and its web is served on {}.", stage.web.address());
    println!("\n\x1b[1m{QUESTION}\x1b[0m\n");
    let status = stage
        .command(ozone)
        .arg("ask")
        .args(["-m", &model])
        .arg(QUESTION)
        .stdin(Stdio::null())
        .status()?;
    let response = last(&stage, ozone)?;
    println!("\n\x1b[1mSources\x1b[0m");
    for (title, url) in sources(&response) {
        println!("  {title}\n    {url}");
    }
    std::fs::create_dir_all(out)?;
    let files = stage.files(&response)?;
    println!("\n\x1b[1mFiles\x1b[0m");
    for (name, bytes) in files.iter().filter(|(name, _)| is_made(name)) {
        let path = out.join(name);
        std::fs::write(&path, bytes)?;
        println!("  {}", path.display());
    }
    println!("\n\x1b[1mChecks\x1b[0m");
    let findings = stage.judge(&response, &files);
    for finding in &findings {
        match &finding.wrong {
            None => println!("  \x1b[32m✓\x1b[0m {}", finding.check),
            Some(why) => println!("  \x1b[31m✗\x1b[0m {}: {why}", finding.check),
        }
    }
    let right = Forecast::of(&stage.world);
    println!(
        "\nThe data say {:.0} ± {:.0} GWh, {:+.1} % against last summer.",
        right.value,
        right.margin,
        right.change()
    );
    Ok(status.success() && findings.iter().all(|finding| finding.wrong.is_none()))
}

/// What was fetched lies in a folder of its own, so that all else was made.
fn is_made(name: &str) -> bool {
    let is_view = name.starts_with("img_");
    !is_view && !name.starts_with('.')
}

/// Takes the models of the user's configuration into the stage's. Gives what the model is called there.
fn one_of_yours(stage: &Stage, model: String) -> Result<String, Failed> {
    if Path::new(&model).is_file() {
        return Ok(std::fs::canonicalize(&model)?.display().to_string());
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let named = std::env::var_os("OZONE_CONFIG").map(PathBuf::from);
    let places = [named, Some("ozone.toml".into()), Some(home.join(".config/ozone/ozone.toml"))];
    if let Some(path) = places.into_iter().flatten().find(|path| path.is_file()) {
        let folder = std::path::absolute(&path)?.parent().map(Path::to_owned).unwrap_or_default();
        let models = models(&std::fs::read_to_string(path)?, &folder);
        let own = std::fs::read_to_string(stage.config())?;
        std::fs::write(stage.config(), format!("{own}\n{models}"))?;
    }
    Ok(model)
}

/// The `[[model]]` tables of a configuration, with the paths of their files from its folder.
fn models(toml: &str, folder: &Path) -> String {
    let (mut models, mut within) = (String::new(), false);
    for line in toml.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            within = trimmed.starts_with("[[model]]") || trimmed.starts_with("[model.");
        }
        let path = trimmed.strip_prefix("path").and_then(|rest| rest.split('"').nth(1));
        match path.filter(|_| within) {
            Some(path) => models.push_str(&format!("path = {:?}\n", folder.join(path))),
            None if within => models.push_str(&format!("{line}\n")),
            None => {}
        }
    }
    models
}

/// The only response of the data folder.
fn last(stage: &Stage, ozone: &Path) -> Result<Value, Failed> {
    let none = |_| "nothing came of it";
    let mut ids = std::fs::read_dir(stage.data().join("files")).map_err(none)?;
    let id = ids.next().ok_or("nothing was asked")??.file_name();
    let told = stage.command(ozone).args(["ask", "--json", "--resume"]).arg(id).output()?;
    Ok(serde_json::from_slice(&told.stdout)?)
}

fn sources(response: &Value) -> Vec<(String, String)> {
    let items = response["output"].as_array().into_iter().flatten();
    let parts = items.flat_map(|item| item["content"].as_array().into_iter().flatten());
    let all = parts.flat_map(|part| part["annotations"].as_array().into_iter().flatten());
    let mut sources = vec![];
    for citation in all.filter(|annotation| annotation["type"] == "url_citation") {
        let of = |key: &str| citation[key].as_str().unwrap_or_default().to_owned();
        let source = (of("title"), of("url"));
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}
