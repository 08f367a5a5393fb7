//! Documents in requests and in vector stores: read in a process of their own, page by page.

use std::io::{Cursor, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_model::{ScriptedBackend, Turn};
use ozone_prompt::Message;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::{Setup, TestServer, says};

/// A PDF with a line of text on each page.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
    let kids: Vec<String> = (0..pages.len()).map(|i| format!("{} 0 R", 3 + 2 * i)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Kids[{}]/Count {}>>", kids.join(" "), pages.len()),
    ];
    for (text, index) in pages.iter().zip(0..) {
        let content = format!("BT /F1 12 Tf 72 700 Td ({text}) Tj ET");
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {} 0 R\
             /Resources<</Font<</F1 {font}>>>>>>",
            4 + 2 * index
        ));
        objects.push(format!("<</Length {}>>stream\n{content}\nendstream", content.len()));
    }
    let mut pdf = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (object, number) in objects.iter().zip(1..) {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let at = pdf.len();
    let size = objects.len() + 1;
    pdf.push_str(&format!("{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{at}\n%%EOF"));
    pdf.into_bytes()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn docx(text: &str) -> Vec<u8> {
    let xml =
        format!(r#"<w:document xmlns:w="w"><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:document>"#);
    zip(&[("word/document.xml", xml.as_bytes())])
}

fn input_file(name: &str, bytes: &[u8]) -> Value {
    let data = format!("data:application/octet-stream;base64,{}", STANDARD.encode(bytes));
    json!({"type": "input_file", "filename": name, "file_data": data})
}

fn question(parts: &[Value]) -> Value {
    let text = json!({"type": "input_text", "text": "What does it say?"});
    let content: Vec<&Value> = std::iter::once(&text).chain(parts).collect();
    json!({"input": [{"role": "user", "content": content}]})
}

/// What the model was given in the last request's first turn.
fn given(backend: &ScriptedBackend) -> String {
    let request = backend.requests().pop().unwrap();
    let Turn::Given(Message::User { text }) = &request.turns[0] else { panic!("{request:?}") };
    text.clone()
}

async fn server() -> (TestServer, Arc<ScriptedBackend>) {
    let backend = Arc::new(ScriptedBackend::new([says("It says so.")]));
    (Setup::with_backend(backend.clone()).start().await, backend)
}

#[tokio::test]
async fn a_model_reads_the_documents_of_a_question() {
    let (server, backend) = server().await;
    let parts = [
        input_file("report.pdf", &pdf(&["Profits rose.", "Losses fell."])),
        input_file("terms.docx", &docx("Payment is due in May.")),
        input_file("all.zip", &zip(&[("a.txt", b"alpha")])),
    ];
    server.respond(question(&parts)).await;
    let text = given(&backend);
    for told in [
        "<file name=\"report.pdf\">\n[page 1]\nProfits rose.\n[page 2]\nLosses fell.\n</file>",
        "<file name=\"terms.docx\">\nPayment is due in May.\n</file>",
        "- a.txt (5 bytes)\n[a.txt]\nalpha\n</file>",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
}

/// A request is refused before anything is stored, in words of what is wrong with which file.
#[tokio::test]
async fn a_document_that_cannot_be_read_is_refused_with_the_reason() {
    let (server, backend) = server().await;
    let zeros = vec![0u8; 64 << 20];
    for (part, why) in [
        (input_file("cut.pdf", &pdf(&["Profits rose."])[..40]), "invalid_file"),
        (input_file("bomb.zip", &zip(&[("zeros", &zeros)])), "invalid_file"),
        (input_file("scan.pdf", &pdf(&[""])), "invalid_file"),
        (input_file("photo.png", b"\x89PNG\r\n\x1a\n"), "unsupported_file"),
    ] {
        let mut body = question(&[part]);
        body["model"] = json!("scripted");
        let refused = server.post("/v1/responses", body).await;
        assert_eq!(refused.error(), format!("400 input[0].content[1] {why}"), "{}", refused.body);
    }
    assert!(backend.requests().is_empty());
    server.respond(question(&[])).await;
}

#[tokio::test]
async fn a_long_document_is_shown_in_part_and_says_so() {
    let model = ScriptedBackend::new([says("Long.")]).with_context_window(20_000);
    let backend = Arc::new(model);
    let server = Setup::with_backend(backend.clone()).start().await;
    let line = "word ".repeat(400);
    let pages: Vec<&str> = vec![&line; 300];
    let mut body = question(&[input_file("long.pdf", &pdf(&pages))]);
    body["model"] = json!("scripted");
    server.post("/v1/responses", body).await;
    let text = given(&backend);
    let (_, end) = text.rsplit_once("[Pages 1 to ").expect(&text);
    assert!(end.contains(" of 300 are shown."), "{end}");
}

async fn upload(server: &TestServer, name: &str, bytes: Vec<u8>) -> String {
    let part = reqwest::multipart::Part::bytes(bytes).file_name(name.to_owned());
    let form = reqwest::multipart::Form::new().text("purpose", "user_data").part("file", part);
    let url = format!("{}/v1/files", server.url);
    let file: Value =
        server.client.post(url).multipart(form).send().await.unwrap().json().await.unwrap();
    file["id"].as_str().unwrap().to_owned()
}

/// Passages keep their page, and the card says how far the file is.
#[tokio::test]
async fn a_passage_of_a_pdf_is_found_with_its_page() {
    let (server, _) = server().await;
    let mut pages = vec!["Nothing of note."; 80];
    pages[56] = "The ferry to Calderon leaves at dawn.";
    let file = upload(&server, "long.pdf", pdf(&pages)).await;
    let store = server.post("/v1/vector_stores", json!({"file_ids": [file]})).await.ok();
    let path = format!("/v1/vector_stores/{}", store["id"].as_str().unwrap());
    let card = loop {
        let card = server.get(&format!("{path}/files/{file}")).await.ok();
        if card["status"] != "in_progress" {
            break card;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(card["status"], "completed", "{card}");
    assert_eq!(card["x_progress"], json!({"unit": "page", "done": 80, "of": 80}));
    let found = server.post(&format!("{path}/search"), json!({"query": "ferry"})).await.ok();
    assert_eq!(found["data"][0]["page"], 57, "{found}");
    assert_eq!(found["data"][0]["filename"], "long.pdf");
}
