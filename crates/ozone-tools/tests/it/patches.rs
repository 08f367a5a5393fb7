//! Changes of files in a container: where code finds them, and in the folder that outlives it.

use std::path::Path;

use ozone_tools::{Call, PythonTool, Source, Tool, ToolOutput};
use serde_json::{Value, json};

use crate::{call, code, kernels, run};

/// A tool for a folder without an interpreter.
fn of_folder(folder: &Path) -> Box<dyn Tool> {
    let refused = Source::Refused { cause: "no jail".into() };
    Box::new(PythonTool::new(refused, "cntr_test".into(), Some(folder.to_owned())).patch())
}

fn asks(key: &str, operation: Value) -> Call {
    Call { key: key.to_owned(), ..call(&operation.to_string()) }
}

fn update(path: &str, diff: &str) -> Value {
    json!({"type": "update_file", "path": path, "diff": diff})
}

fn create(path: &str, diff: &str) -> Value {
    json!({"type": "create_file", "path": path, "diff": diff})
}

/// Each call has a key of its own.
async fn makes(tool: &mut dyn Tool, operation: Value) -> ToolOutput {
    let key = format!("resp_test:{operation}");
    run(tool, asks(&key, operation)).await.unwrap()
}

#[tokio::test]
async fn files_are_created_changed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut tool = of_folder(folder.path());
    let path = folder.path().join("src/a.py");
    let read = || std::fs::read_to_string(&path).unwrap();
    let made = makes(&mut *tool, create("src/a.py", "+a\n+b\n")).await;
    assert_eq!((made.text.as_str(), read().as_str()), ("created `src/a.py`, 2 lines", "a\nb\n"));
    let again = makes(&mut *tool, create("/mnt/data/src/a.py", "+c\n")).await;
    assert!(
        again.failed && again.text.starts_with("failed: `src/a.py` exists already"),
        "{again:?}"
    );
    let changed = makes(&mut *tool, update("./src/a.py", "@@\n a\n-b\n+c\n")).await;
    assert_eq!(changed.text, "updated `src/a.py`: 1 line added, 1 removed");
    assert_eq!(read(), "a\nc\n");
    let wrong = makes(&mut *tool, update("src/a.py", "@@\n-cc\n+d\n")).await;
    assert!(wrong.failed && wrong.text.contains("its line `cc` is not in the file"), "{wrong:?}");
    let gone = makes(&mut *tool, json!({"type": "delete_file", "path": "src/a.py"})).await;
    assert_eq!((gone.text.as_str(), path.exists()), ("deleted `src/a.py`", false));
}

#[tokio::test]
async fn what_cannot_be_changed_is_told_with_what_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut tool = of_folder(folder.path());
    let empty = makes(&mut *tool, update("a.py", "@@\n-a\n+b")).await;
    assert!(empty.text.contains("the folder is empty; use create_file"), "{}", empty.text);
    std::fs::create_dir(folder.path().join("lib")).unwrap();
    for (name, bytes) in [("lib/main.py", &b"x\n"[..]), ("man.py", b"x\n"), ("b.bin", b"\xff\xfe")]
    {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let missing = makes(&mut *tool, update("main.py", "@@\n-a\n+b")).await;
    let near = "there is no file `main.py`; there are `lib/main.py`, `man.py`, `b.bin`";
    assert_eq!(missing.text, format!("failed: {near}"));
    let binary = makes(&mut *tool, update("b.bin", "@@\n-a\n+b")).await;
    assert!(binary.text.contains("no text in UTF-8"), "{}", binary.text);
    let dir = makes(&mut *tool, json!({"type": "delete_file", "path": "lib"})).await;
    assert!(dir.failed && folder.path().join("lib").is_dir(), "{}", dir.text);
    let below = makes(&mut *tool, create("man.py/x", "+a")).await;
    assert!(below.text.contains("a file stands where a folder would be"), "{}", below.text);
    for bad in
        ["", "{", r#"{"type": "update_file", "path": "a"}"#, r#"{"type": "move", "path": "a"}"#]
    {
        let output = run(&mut *tool, call(bad)).await.unwrap();
        assert!(output.failed && output.text.contains(r#"write {"type""#), "{}", output.text);
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "s\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
    std::fs::write(folder.path().join(".ozone-note"), "ours\n").unwrap();
    let mut tool = of_folder(folder.path());
    let out = outside.path().display();
    let paths = [
        "../secret".to_owned(),
        "a/../../secret".to_owned(),
        format!("{out}/secret"),
        "/etc/passwd".to_owned(),
        "/mnt/data/../secret".to_owned(),
        "/mnt/database".to_owned(),
        "link/secret".to_owned(),
        "link/new".to_owned(),
        "file".to_owned(),
        "a\0b".to_owned(),
        ".".to_owned(),
        ".ozone-note".to_owned(),
        "x".repeat(5000),
    ];
    for path in &paths {
        for operation in [
            update(path, "@@\n-s\n+x\n"),
            create(path, "+x\n"),
            json!({"type": "delete_file", "path": path}),
        ] {
            let output = makes(&mut *tool, operation.clone()).await;
            assert!(
                output.failed && output.text.starts_with("failed: "),
                "{operation}: {output:?}"
            );
        }
    }
    let left: Vec<_> = outside.path().read_dir().unwrap().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "s\n");
    assert_eq!(std::fs::read_to_string(folder.path().join(".ozone-note")).unwrap(), "ours\n");
}

/// A run that is killed makes its call again, and nobody knows whether it was made.
#[tokio::test]
async fn a_call_that_is_made_again_changes_a_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mut tool = of_folder(folder.path());
    std::fs::write(&path, "a\n").unwrap();
    // It would fit twice.
    let grows = || asks("resp_test:1:0", update("a", "@@\n a\n+a\n"));
    let first = run(&mut *tool, grows()).await.unwrap();
    let again = run(&mut *of_folder(folder.path()), grows()).await.unwrap();
    assert_eq!((first.text.as_str(), first.failed), (again.text.as_str(), false));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\na\n");
    // Killed before the change: the note alone is there.
    std::fs::write(&path, "a\n").unwrap();
    assert_eq!(run(&mut *tool, grows()).await.unwrap().text, first.text);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\na\n");
    // Another call of the same words is another change.
    run(&mut *tool, asks("resp_test:2:0", update("a", "@@\n a\n+a\n"))).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\na\na\n");
    let deletes = || asks("resp_test:3:0", json!({"type": "delete_file", "path": "a"}));
    for _ in 0..2 {
        assert_eq!(run(&mut *tool, deletes()).await.unwrap().text, "deleted `a`");
    }
    let creates = || asks("resp_test:4:0", create("a", "+x"));
    for _ in 0..2 {
        assert_eq!(run(&mut *tool, creates()).await.unwrap().text, "created `a`, 1 line");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_and_patches_see_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let place = || PythonTool::new(kernels(), "cntr_test".into(), Some(folder.path().to_owned()));
    let mut python = place();
    let mut patch = python.patch();
    run(
        &mut python,
        code("open('run.sh', 'w').write('echo 1\\n')\nimport os\nos.chmod('run.sh', 0o755)"),
    )
    .await
    .unwrap();
    run(&mut python, code("os.symlink('/etc/hostname', 'link')")).await.unwrap();
    let changed = makes(&mut patch, update("run.sh", "@@\n-echo 1\n+echo 2\n")).await;
    assert_eq!(changed.text, "updated `run.sh`: 1 line added, 1 removed");
    assert_eq!(changed.files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["run.sh"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("run.sh")).unwrap(), "echo 2\n");
    let seen = "print(open('run.sh').read().strip(), oct(os.stat('run.sh').st_mode & 0o777))";
    assert_eq!(run(&mut python, code(seen)).await.unwrap().text, "echo 2 0o755");
    makes(&mut patch, create("new/a.txt", "+ä\n")).await;
    assert_eq!(
        run(&mut python, code("print(open('new/a.txt').read())")).await.unwrap().text.trim(),
        "ä"
    );
    for operation in [update("link", "@@\n-a\n+b"), create("link", "+a")] {
        let output = makes(&mut patch, operation).await;
        assert!(output.text.contains("a link is not followed"), "{}", output.text);
    }
    makes(&mut patch, json!({"type": "delete_file", "path": "run.sh"})).await;
    assert_eq!(run(&mut python, code("os.path.exists('run.sh')")).await.unwrap().text, "False");
    drop((python, patch));
    let listed = run(&mut place(), code("import os\nsorted(os.listdir('.'))")).await.unwrap().text;
    assert!(!listed.contains("run.sh") && listed.contains("new"), "{listed}");
}
