//! Questions that the shipped model answers, and what is printed where.

use ozone_tasks::{Answer, grade};
use serde_json::{Value, json};

use crate::support::{Home, object, runs, says, stderr, stdout};

const HEADLINE: &str =
    "How many days lie between 1969-07-20 and 2026-11-22, and is that number prime?";

#[test]
fn the_shipped_model_answers_the_headline_question_with_python() {
    let output = Home::new().run(&["ask", "--json", HEADLINE]);
    assert!(output.status.success(), "{}", stderr(&output));
    let response = object(&output);
    assert_eq!(response["object"], "response");
    assert_eq!(response["status"], "completed");
    assert_eq!(response["model"], "ozone-mini");
    let items = response["output"].as_array().unwrap();
    let calls: Vec<_> = items.iter().filter(|i| i["type"] == "code_interpreter_call").collect();
    assert!(!calls.is_empty(), "it reckons with Python");
    assert!(calls[0]["outputs"][0]["logs"].as_str().unwrap().contains("20944"));
    let text = items.last().unwrap()["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("20944") && text.to_lowercase().contains("no"), "{text}");
    let usage = &response["usage"];
    assert!(usage["input_tokens_details"]["cached_tokens"].as_u64().unwrap() > 0);
    assert!(usage["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap() > 0);
}

/// It sees nothing: it chooses among the image tools, and reads what they print.
#[test]
fn the_shipped_model_reads_print_in_pictures_with_the_image_tools() {
    if std::process::Command::new("tesseract").arg("--version").output().is_err() {
        eprintln!("skipped: tesseract is not installed");
        return;
    }
    let home = Home::new();
    let drawn = ["eval", "images", "--family", "degraded,receipt", "-n", "3", "--pictures", "."];
    assert!(home.run(&drawn).status.success());
    let questions = std::fs::read_to_string(home.path().join("questions.jsonl")).unwrap();
    let mut right = 0;
    for line in questions.lines() {
        let question: Value = serde_json::from_str(line).unwrap();
        let (picture, text) = (&question["picture"], &question["text"]);
        let asked = ["ask", "--json", "-i", picture.as_str().unwrap(), text.as_str().unwrap()];
        let output = home.run(&asked);
        assert!(output.status.success(), "{}", stderr(&output));
        let response = object(&output);
        let items = response["output"].as_array().unwrap();
        assert!(items.iter().any(|item| item["server_label"] == "image"), "{response}");
        let reply = items.last().unwrap()["content"][0]["text"].as_str().unwrap();
        let answer: Answer = serde_json::from_value(question["answer"].clone()).unwrap();
        right += usize::from(grade(&answer, reply));
    }
    // Versions of Tesseract differ.
    assert!(right >= 4, "{right} of 6");
}

#[test]
fn a_question_beyond_its_world_is_declined() {
    let output = Home::new().run(&["ask", "Who wrote the novel Moby Dick?"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer = stdout(&output).to_lowercase();
    assert!(grade(&Answer::Declined, &answer), "{answer}");
}

/// The answer is the result; all else is progress. Neither has colour in a pipe.
#[test]
fn the_answer_goes_to_stdout_and_the_way_to_stderr() {
    let home = Home::scripted(json!([runs("print(6 * 7)"), says("It is **42**.")]), 0);
    let output = home.run(&["ask", "six", "times", "seven?"]);
    assert_eq!(stdout(&output), "It is **42**.\n");
    let progress = stderr(&output);
    assert!(!progress.contains('\x1b') && !progress.contains('\r'), "{progress:?}");
    let lines: Vec<&str> = progress.lines().collect();
    assert_eq!(lines[1..4], ["I compute it.", "▶ print(6 * 7)", "  42"]);
    let last = lines.last().unwrap();
    assert!(last.contains("1 tool call ·") && last.contains("tokens in"), "{last}");
    assert!(last.ends_with("$0 (local model)"), "{last}");
}

#[test]
fn a_price_gives_a_cost() {
    let home = Home::scripted(json!([says("hello")]), 0);
    let config = home.path().join("ozone.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("price = { input_per_million = \"0\", output_per_million = \"2\" }\n");
    std::fs::write(&config, text).unwrap();
    let last = stderr(&home.run(&["ask", "hi"]));
    assert!(last.trim_end().ends_with("$0.00001"), "five tokens at $2 a million: {last}");
}

#[test]
fn state_lasts_from_call_to_call_and_files_come_and_go() {
    let script = json!([
        runs("import csv; rows = list(csv.reader(open('in.csv'))); n = len(rows); print(n)"),
        runs("open('out.txt', 'w').write(str(n * 2)); print(n * 2)"),
        says("**6**"),
    ]);
    let home = Home::scripted(script, 0);
    std::fs::write(home.path().join("in.csv"), "a,b\n1,2\n3,4\n").unwrap();
    let output = home.run(&["ask", "-f", "in.csv", "twice the rows?"]);
    assert_eq!(stdout(&output), "**6**\n", "{}", stderr(&output));
    let progress = stderr(&output);
    let file = progress.lines().find(|l| l.starts_with("file: ") && l.ends_with("out.txt"));
    let path = file.unwrap().strip_prefix("file: ").unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "6");
}

#[test]
fn the_question_may_be_piped_in() {
    use std::io::Write as _;
    let home = Home::scripted(json!([says("heard")]), 0);
    let mut child = home
        .command(&["ask"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"What was said?").unwrap();
    assert_eq!(stdout(&child.wait_with_output().unwrap()), "heard\n");
}

#[test]
fn the_doctor_finds_all_parts_well() {
    let output = Home::new().run(&["doctor", "--json"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let parts = object(&output);
    assert!(parts.as_array().unwrap().iter().all(|p| p["ok"] == true), "{parts}");
}

/// A model that cannot see is told so, and finds out by measuring.
#[test]
fn a_model_without_eyes_works_on_a_picture_by_its_tools() {
    let call =
        json!({"name": "image_measure", "arguments": {"what": "components", "colour": "#0000ff"}});
    let measures =
        says(&format!("<think>\nI count.\n</think>\n\n<tool_call>\n{call}\n</tool_call>"));
    let home = Home::scripted(json!([measures, says("There are 2 blue squares.")]), 0);
    let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200">
        <rect x="20" y="20" width="60" height="60" fill="blue"/>
        <rect x="200" y="90" width="50" height="50" fill="blue"/></svg>"#;
    std::fs::write(home.path().join("squares.svg"), svg).unwrap();
    let output = home.run(&["ask", "--json", "-i", "squares.svg", "How many blue squares?"]);
    let response = object(&output);
    assert_eq!(response["status"], "completed", "{}", stderr(&output));
    let call = response["output"].as_array().unwrap().iter().find(|i| i["type"] == "mcp_call");
    let call = call.unwrap();
    assert_eq!((&call["server_label"], &call["name"]), (&json!("image"), &json!("measure")));
    let text = call["output"].as_str().unwrap();
    assert!(text.starts_with("2 shapes"), "{text}");
    assert!(!response.to_string().contains("base64"));
}

/// A PDF with one line of text on each of its pages.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
    let kids: Vec<String> = (0..pages.len()).map(|i| format!("{} 0 R", 3 + 2 * i)).collect();
    let mut pdf = format!(
        "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[{}]\
         /Count {}>>\nendobj\n",
        kids.join(" "),
        pages.len()
    );
    for (text, index) in pages.iter().zip(0..) {
        let content = format!("BT /F1 40 Tf 72 700 Td ({text}) Tj ET");
        let (page, stream) = (3 + 2 * index, 4 + 2 * index);
        pdf.push_str(&format!(
            "{page} 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {stream} 0 R\
             /Resources<</Font<</F1 {font}>>>>>>\nendobj\n{stream} 0 obj\n<</Length {}>>stream\n\
             {content}\nendstream\nendobj\n",
            content.len()
        ));
    }
    // Readers find the objects of a PDF without a table, too.
    pdf.push_str("trailer<</Root 1 0 R>>\n%%EOF");
    pdf.into_bytes()
}

/// What does not fit into the question is opened, and cited by its page.
#[test]
fn a_long_document_is_searched_and_cited() {
    let call = |name: &str, arguments: serde_json::Value| {
        let call = json!({"name": name, "arguments": arguments});
        says(&format!("<think>\nI look.\n</think>\n\n<tool_call>\n{call}\n</tool_call>"))
    };
    let mark = ozone_tools::file_search::mark("contract.pdf", "contract.pdf", Some(170));
    let script = json!([
        call("file_find", json!({"pattern": "terminated"})),
        call("file_open", json!({"name": "contract.pdf", "page": 170})),
        call("file_search", json!({"queries": ["termination"]})),
        says(&format!("In May{mark}.")),
    ]);
    let home = Home::scripted(script, 0);
    let filler = "word ".repeat(50);
    let mut pages = vec![filler.as_str(); 200];
    pages[169] = "It can be terminated in May.";
    std::fs::write(home.path().join("contract.pdf"), pdf(&pages)).unwrap();
    let output = home.run(&["ask", "--json", "-f", "contract.pdf", "When can it be terminated?"]);
    let response = object(&output);
    assert_eq!(response["status"], "completed", "{}", stderr(&output));
    let items = response["output"].as_array().unwrap();
    let outputs: Vec<&str> = items.iter().filter_map(|item| item["output"].as_str()).collect();
    let [found, opened] = outputs[..] else { panic!("{response}") };
    assert!(found.contains("`contract.pdf`, page 170 (part 170), L1: It can be"), "{found}");
    assert!(opened.contains("[page 170; part 170 of 200]\nL1: It can be"), "{opened}");
    let answer = &items.last().unwrap()["content"][0];
    assert_eq!(answer["text"], "In May.");
    assert_eq!(answer["annotations"][0]["page"], 170, "{answer}");
}

/// A page of a PDF is a picture where one is asked for.
#[test]
fn a_page_of_a_pdf_is_looked_at() {
    let call =
        json!({"name": "image_measure", "arguments": {"what": "components", "colour": "#000000"}});
    let measures =
        says(&format!("<think>\nI count.\n</think>\n\n<tool_call>\n{call}\n</tool_call>"));
    let home = Home::scripted(json!([measures, says("Three letters.")]), 0);
    std::fs::write(home.path().join("scan.pdf"), pdf(&["nothing", "LLL"])).unwrap();
    let output = home.run(&["ask", "--json", "-i", "scan.pdf#2", "How many letters?"]);
    let response = object(&output);
    assert_eq!(response["status"], "completed", "{}", stderr(&output));
    let items = response["output"].as_array().unwrap();
    let text = items.iter().find_map(|item| item["output"].as_str()).unwrap();
    assert!(text.starts_with("3 shapes"), "{text}");
    let refused = home.run(&["ask", "-i", "scan.pdf#3", "How many letters?"]);
    assert!(stderr(&refused).contains("pages 1 to 2"), "{}", stderr(&refused));
}
