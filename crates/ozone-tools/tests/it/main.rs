//! One suite for every tool, then what Python alone does.

#[cfg(feature = "documents")]
mod documents;
#[cfg(feature = "egress")]
mod egress;
#[cfg(feature = "image")]
mod images;
mod patches;
#[cfg(feature = "web")]
mod web;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ozone_python::{CancellationToken, KernelPool, PoolConfig, PythonEnv, Refill, WarmUp};
use ozone_tools::{Call, PythonTool, ScriptedTool, Source, Step, Tool, ToolError, ToolOutput, cap};

fn kernels() -> Source {
    let python = std::env::var_os("OZONE_PYTHON").unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python3").into()
    });
    let env = PythonEnv::at(Path::new(&python)).unwrap();
    let config = PoolConfig {
        size: 1,
        refill: Refill::Never,
        warm_up: WarmUp::None,
        ..PoolConfig::new(env)
    };
    Source::Kernels(Arc::new(KernelPool::new(config).unwrap()))
}

fn python() -> PythonTool {
    PythonTool::new(kernels(), "cntr_test".into(), None)
}

fn call(arguments: &str) -> Call {
    Call {
        key: "resp_test:1:0".into(),
        arguments: arguments.into(),
        timeout: Duration::from_secs(30),
        output_chars_max: 2_000,
        cancel: CancellationToken::new(),
    }
}

fn code(code: &str) -> Call {
    call(&serde_json::json!({ "code": code }).to_string())
}

async fn run(tool: &mut dyn Tool, call: Call) -> Result<ToolOutput, ToolError> {
    tool.call(call, &mut |_| {}).await
}

/// The contract of `Tool`, on a tool that prints `7`, then prints too much, then never ends.
async fn keeps_the_contract(tool: &mut dyn Tool, three: [Call; 3]) {
    assert_eq!(tool.spec().name, "python");
    for bad in ["", "{", "[]", "{}", r#"{"code": 7}"#, r#"{"code": "  "}"#] {
        let error = run(tool, call(bad)).await.unwrap_err();
        assert!(matches!(error, ToolError::BadArguments(_)), "{bad}: {error}");
        assert!(error.to_string().contains("print"), "it shows how to write one: {error}");
    }
    let [prints, floods, hangs] = three;
    let mut heard = String::new();
    let output = tool.call(prints, &mut |text| heard.push_str(text)).await.unwrap();
    assert_eq!((output.text.as_str(), heard.trim(), output.failed), ("7", "7", false));
    let limit = floods.output_chars_max;
    let output = run(tool, floods).await.unwrap();
    assert!(output.text.contains("omitted"), "{}", output.text);
    assert!(output.text.chars().count() < limit + 200, "{}", output.text.len());
    let cancel = hangs.cancel.clone();
    let (output, ()) = tokio::join!(run(tool, hangs), async { cancel.cancel() });
    assert!(output.unwrap().failed);
}

#[tokio::test]
async fn a_scripted_tool_keeps_the_contract() {
    let steps = [Step::Prints("7".into()), Step::Prints("x".repeat(9_000)), Step::Hangs];
    let three = ["print(7)", "print('x' * 9000)", "while True: pass"].map(code);
    keeps_the_contract(&mut ScriptedTool::new(steps), three).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_keeps_the_contract() {
    let three = ["print(7)", "print('x' * 9000)", "while True: pass"].map(code);
    keeps_the_contract(&mut python(), three).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_keeps_its_state_and_reports_errors() {
    let mut tool = python();
    run(&mut tool, code("n = 6")).await.unwrap();
    assert_eq!(run(&mut tool, code("n * 7")).await.unwrap().text, "42");
    let output = run(&mut tool, code("n / 0")).await.unwrap();
    assert!(output.failed && output.text.contains("ZeroDivisionError: division by zero"));
    assert_eq!(run(&mut tool, code("n")).await.unwrap().text, "6");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_resume_the_model_is_told_once_that_variables_are_gone() {
    let mut tool = python();
    tool.resumed(2);
    assert!(run(&mut tool, code("print(1)")).await.unwrap().text.contains("are gone"));
    assert_eq!(run(&mut tool, code("print(1)")).await.unwrap().text, "1");
}

#[tokio::test]
async fn where_the_sandbox_does_not_hold_the_cause_is_named() {
    let cause = "bubblewrap is missing".to_owned();
    let mut tool = PythonTool::new(Source::Refused { cause }, "cntr_test".into(), None);
    let error = run(&mut tool, code("print(1)")).await.unwrap_err();
    assert_eq!(error.to_string(), "Python is refused: bubblewrap is missing");
}

#[test]
fn a_cut_text_keeps_head_and_tail_and_says_how_much_is_gone() {
    let text: String = ('a'..='z').cycle().take(1_000).collect();
    let cut = cap(&text, 90);
    assert!(cut.starts_with(&text[..60]) && cut.ends_with(&text[970..]), "{cut}");
    assert!(cut.contains("910 characters omitted"), "{cut}");
    assert_eq!(cap("kurz", 4), "kurz");
    assert_eq!(cap("ééééé", 5), "ééééé");
}
