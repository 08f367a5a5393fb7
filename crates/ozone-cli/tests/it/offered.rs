//! What a model is offered where nobody names a tool.

use serde_json::{Value, json};

use crate::support::{Home, object, runs, says, stderr};

fn calls(name: &str, arguments: Value) -> Value {
    let call = json!({"name": name, "arguments": arguments});
    says(&format!("<tool_call>\n{call}\n</tool_call>"))
}

/// One page with a blue square on it.
fn pdf() -> Vec<u8> {
    let content = "0 0 1 rg 50 50 100 100 re f";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
    ];
    let (mut text, mut places) = ("%PDF-1.4\n".to_owned(), vec![]);
    for (object, number) in objects.iter().zip(1..) {
        places.push(text.len());
        text.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let start = text.len();
    text.push_str("xref\n0 5\n0000000000 65535 f \n");
    for place in places {
        text.push_str(&format!("{place:010} 00000 n \n"));
    }
    text.push_str(&format!("trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"));
    text.into_bytes()
}

#[test]
fn plots_and_pages_of_documents_are_pictures_without_being_named_so() {
    let draw = "from matplotlib import pyplot as plt\nplt.imsave('plot.png', [[0.0, 1.0]] * 2)";
    let blue = json!({"image": "doc.pdf#1", "what": "components", "colour": "#0000ff"});
    let script = json!([
        runs(draw),
        calls("image_view", json!({"image": "plot.png"})),
        calls("image_measure", blue),
        says("One square."),
    ]);
    let home = Home::scripted(script, 0);
    std::fs::write(home.path().join("doc.pdf"), pdf()).unwrap();
    let output = home.run(&["ask", "--json", "-f", "doc.pdf", "What is in it?"]);
    let response = object(&output);
    let items = response["output"].as_array().unwrap();
    let seen: Vec<&Value> = items.iter().filter(|item| item["type"] == "mcp_call").collect();
    assert_eq!(seen.len(), 2, "{}{response}", stderr(&output));
    for call in &seen {
        assert_eq!(call["status"], "completed", "{call}");
    }
    let measured = seen[1]["output"].as_str().unwrap();
    assert!(measured.starts_with("1 shape"), "{measured}");
}
