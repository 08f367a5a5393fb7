//! What the shipped model is trained to read is what the tools print.

use std::collections::BTreeSet;
use std::time::Duration;

use ozone_imagebench::{Case, Family};
use ozone_tasks::{Call, Generator, IMAGE_TOOLS, Split, families};
use ozone_tools::image::{Album, CANNOT_SEE, Profile, image_tools};
use tokio_util::sync::CancellationToken;

use crate::reader;

/// Of the shipped model.
const CONTEXT_TOKENS: u64 = 2_048;

/// Each number as `#`; of a reading the words that are read are left out.
fn form(text: &str) -> String {
    let mut form = String::new();
    for line in text.lines() {
        let sure = line.starts_with('(').then(|| line.find(") ").map(|at| &line[..at])).flatten();
        let mut number = false;
        for c in sure.unwrap_or(line).chars() {
            let goes_on = number && c == '.';
            let digit = c.is_ascii_digit() || c == '-';
            if digit && !number {
                form.push('#');
            } else if !digit && !goes_on {
                form.push(c);
            }
            number = digit || goes_on;
        }
        form.push('\n');
    }
    form
}

/// The first line of each sort.
fn forms(name: &str, text: &str) -> Vec<String> {
    let form = form(text);
    match name {
        "image_ocr" => form.lines().map(str::to_owned).collect(),
        _ => vec![form],
    }
}

#[tokio::test]
async fn the_tools_print_what_the_traces_say() {
    let traces = Generator::pictures(Split::Train, 5).unwrap();
    let mut known = BTreeSet::new();
    let mut asked = BTreeSet::new();
    for step in (0..4_000).flat_map(|index| traces.question(index).steps) {
        let Call::Image { name, arguments } = step.call else { panic!("{:?}", step.call) };
        known.extend(forms(&name, &step.output).into_iter().map(|form| (name.clone(), form)));
        asked.insert((name, arguments));
    }
    let told = format!("\n{CANNOT_SEE}");
    assert!(traces.question(0).text.contains(told.trim()) && families::CANNOT_SEE == CANNOT_SEE);

    let ocr = reader();
    let picture = Case { family: Family::Receipt, seed: 7, index: 0 }.draw().paint();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(picture.name), &picture.bytes).unwrap();
    let profile = Profile::new(false).of_context(CONTEXT_TOKENS);
    let album = Album::open(folder.path(), &[picture.name.to_owned()], profile).unwrap();
    let mut tools = image_tools(album, ocr.clone());
    let names: Vec<&str> = tools.iter().map(|tool| tool.spec().name.as_str()).collect();
    assert_eq!(names, IMAGE_TOOLS);
    // Only of the picture itself: others may not be there.
    for (name, arguments) in asked.iter().filter(|(_, of)| of.contains("img_0")) {
        if name == "image_ocr" && ocr.program().is_none() {
            continue;
        }
        let tool = tools.iter_mut().find(|tool| tool.spec().name == *name).unwrap();
        let call = ozone_tools::Call {
            key: "key".into(),
            arguments: arguments.clone(),
            timeout: Duration::from_secs(120),
            output_chars_max: 16_000,
            cancel: CancellationToken::new(),
        };
        let text = match tool.call(call, &mut |_| {}).await {
            Ok(output) => output.text,
            Err(ozone_tools::ToolError::BadArguments(text)) => text,
            Err(e) => panic!("{name} {arguments}: {e}"),
        };
        for form in forms(name, &text) {
            let known = known.contains(&(name.clone(), form.clone()));
            assert!(known, "{name} {arguments} printed {form:?}: {text}");
        }
    }
}
