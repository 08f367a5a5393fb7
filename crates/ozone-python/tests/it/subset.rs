use std::path::Path;
use std::time::Duration;

use ozone_python::{CancellationToken, ExecuteOptions, Interrupt, Status, Subset};

use crate::options;

fn subset() -> Subset {
    let worker = Path::new(env!("CARGO_BIN_EXE_ozone-subset"));
    Subset::new(worker).unwrap_or_else(|error| panic!("{error}"))
}

async fn run(subset: &mut Subset, code: &str) -> String {
    let options = options(Duration::from_secs(20));
    subset.execute(code, &options, |_| {}).await.unwrap().to_model_text(5_000)
}

#[tokio::test]
async fn it_computes_and_keeps_state() {
    let mut subset = subset();
    assert_eq!(
        run(&mut subset, "x = 176494\ndef double(n):\n    return 2 * n").await,
        "[no output]"
    );
    assert_eq!(run(&mut subset, "print('a', 1)\ndouble(x)").await, "a 1\n352988");
    let code = "import datetime\n(datetime.date(2026, 11, 22) - datetime.date(1969, 7, 20)).days";
    assert_eq!(run(&mut subset, code).await, "20944");
}

#[tokio::test]
async fn errors_read_like_those_of_a_kernel() {
    let mut subset = subset();
    assert_eq!(run(&mut subset, "1/0").await, "ZeroDivisionError: division by zero");
    let text = run(&mut subset, "def f():\n    return missing\n\nf()").await;
    assert!(text.ends_with("NameError: name 'missing' is not defined"), "{text}");
    assert!(text.contains("  cell, line 2, in f\n"), "{text}");
}

#[tokio::test]
async fn the_model_is_told_what_is_lacking() {
    let mut subset = subset();
    let text = run(&mut subset, "import numpy").await;
    assert!(text.starts_with("ModuleNotFoundError: "), "{text}");
    assert!(text.contains("It lacks numpy"), "{text}");
    assert!(!run(&mut subset, "open('/etc/passwd').read()").await.contains("root:"));
}

#[tokio::test]
async fn limits_hold_and_the_run_goes_on() {
    let mut subset = subset();
    run(&mut subset, "x = 5").await;
    let quick = options(Duration::from_millis(200));
    let slow = options(Duration::from_secs(20));
    let execution = subset.execute("while True: pass", &quick, |_| {}).await.unwrap();
    assert_eq!(execution.status, Status::Interrupted(Interrupt::Timeout));
    let execution = subset.execute("while True: print('x' * 1000)", &slow, |_| {});
    let execution = execution.await.unwrap();
    assert_eq!(execution.status, Status::Interrupted(Interrupt::OutputLimit));
    assert!(execution.stdout.len() < 70_000 && execution.is_truncated());
    assert_eq!(run(&mut subset, "x").await, "5", "both keep the state");
    let text = run(&mut subset, "def f(n):\n    return f(n + 1)\nf(0)").await;
    assert!(text.contains("RecursionError"), "{text}");
    let execution = subset
        .execute("a = []\nwhile True:\n    a.append('x' * 10_000_000)", &slow, |_| {})
        .await
        .unwrap();
    assert!(matches!(execution.status, Status::Died(_) | Status::Error), "{execution:?}");
    assert_eq!(run(&mut subset, "print(6 * 7)").await.lines().next(), Some("42"));
}

#[tokio::test]
async fn cancelling_ends_it() {
    let mut subset = subset();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let options = ExecuteOptions { cancel, ..options(Duration::from_secs(20)) };
    let execution = subset.execute("while True: pass", &options, |_| {}).await.unwrap();
    assert_eq!(execution.status, Status::Died("it was cancelled".to_owned()));
    assert!(run(&mut subset, "print(1)").await.starts_with("1\n[the interpreter was started anew"));
}
