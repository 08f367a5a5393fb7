//! The tools for a question's documents as a model uses them.

use std::time::Duration;

use ozone_files::{Limits, Reader};
use ozone_python::CancellationToken;
use ozone_tools::documents::{Documents, document_tools};
use ozone_tools::{Call, Tool, ToolError};
use serde_json::{Value, json};

struct Desk {
    folder: tempfile::TempDir,
    tools: Vec<Box<dyn Tool>>,
}

impl Desk {
    fn new(files: &[(&str, &str)]) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let names = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        let reader = Reader::new(None, Limits::default());
        Documents::begin(folder.path(), names, reader.clone()).unwrap();
        // As a later process finds them.
        let documents = Documents::open(folder.path(), reader).unwrap();
        Desk { tools: document_tools(&documents), folder }
    }

    async fn call(&mut self, name: &str, arguments: Value) -> Result<String, String> {
        let tool = self.tools.iter_mut().find(|tool| tool.spec().name == name).unwrap();
        let call = Call {
            key: "key".into(),
            arguments: arguments.to_string(),
            timeout: Duration::from_secs(120),
            output_chars_max: 600,
            cancel: CancellationToken::new(),
        };
        match tool.call(call, &mut |_| {}).await {
            Ok(output) => Ok(output.text),
            Err(ToolError::BadArguments(why)) => Err(why),
            Err(e) => panic!("{e}"),
        }
    }
}

#[tokio::test]
async fn a_long_file_is_read_on_from_where_it_was_cut() {
    let lines: Vec<String> = (1..=100).map(|n| format!("line {n} of the log")).collect();
    let mut desk = Desk::new(&[("a.log", &lines.join("\n"))]);
    let mut arguments = json!({"name": "a.log"});
    let mut read = vec![];
    for _ in 0..100 {
        let text = desk.call("file_open", arguments.clone()).await.unwrap();
        assert!(text.chars().count() <= 600, "{text}");
        let shown = text.lines().filter_map(|line| line.strip_prefix('L')?.split_once(": "));
        read.extend(shown.map(|(_, line)| line.to_owned()));
        let Some((_, next)) = text.split_once("go on with file_open ") else { break };
        arguments = serde_json::from_str(next.trim_end_matches(']')).unwrap();
    }
    assert_eq!(read, lines);
}

#[tokio::test]
async fn words_are_found_in_all_files() {
    let mut desk = Desk::new(&[("a.txt", "one\nNet Profit: 5\n"), ("b.txt", "net profit: 7")]);
    let text = desk.call("file_find", json!({"pattern": "net profit"})).await.unwrap();
    assert!(text.starts_with("2 lines hold"), "{text}");
    assert!(text.contains("`a.txt`, L2: Net Profit: 5\n`b.txt`, L1: net profit: 7"), "{text}");
    let text = desk.call("file_find", json!({"pattern": "loss", "name": "a.txt"})).await.unwrap();
    assert!(text.contains("No line holds"), "{text}");
}

#[tokio::test]
async fn many_lines_are_counted_and_few_are_shown() {
    let text = "the same words again and again\n".repeat(500);
    let mut desk = Desk::new(&[("a.txt", &text)]);
    let found = desk.call("file_find", json!({"pattern": "words"})).await.unwrap();
    assert!(found.starts_with("500 lines hold") && found.contains("more lines omitted"), "{found}");
    assert!(found.chars().count() <= 600, "{found}");
}

#[tokio::test]
async fn mistakes_are_told_with_what_is_there() {
    let mut desk = Desk::new(&[("a.txt", "one"), ("b.txt", "two")]);
    let folder = desk.folder.path().to_owned();
    std::os::unix::fs::symlink("/etc/hostname", folder.join("link.txt")).unwrap();
    std::fs::write(folder.join("written.txt"), "by Python").unwrap();
    let mut open = async |arguments: Value| desk.call("file_open", arguments).await;
    let why = open(json!({"name": "c.txt"})).await.unwrap_err();
    assert_eq!(why, "there is no file `c.txt`; there are: a.txt, b.txt");
    let why = open(json!({"name": "a.txt", "page": 2})).await.unwrap_err();
    assert_eq!(why, "there is no page 2: `a.txt` has 1");
    let why = open(json!({"name": "a.txt", "line": 9})).await.unwrap_err();
    assert!(why.contains("no line 9"), "{why}");
    assert!(open(json!({"file": "a.txt"})).await.unwrap_err().contains("write {"));
    assert!(open(json!({"name": "link.txt"})).await.unwrap_err().contains("no plain file"));
    assert!(open(json!({"name": "../../etc/hostname"})).await.is_err());
    assert!(
        open(json!({"name": "/mnt/data/A.TXT", "page": "1"})).await.unwrap().contains("L1: one")
    );
    assert!(open(json!({"name": "written.txt"})).await.unwrap().contains("L1: by Python"));
}
