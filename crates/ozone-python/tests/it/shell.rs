//! Bash beside a kernel, in its jail.

use std::time::Duration;

use ozone_python::{CancellationToken, CommandOutput, Kernel, ShellRun};

use crate::{children_allowed, kernel, run};

const GRACE: Duration = Duration::from_secs(20);

async fn shell(kernel: &mut Kernel, commands: &[&str]) -> ShellRun {
    within(kernel, commands, Duration::from_secs(60)).await
}

async fn within(kernel: &mut Kernel, commands: &[&str], timeout: Duration) -> ShellRun {
    let commands: Vec<String> = commands.iter().map(|c| (*c).to_owned()).collect();
    let cancel = CancellationToken::new();
    kernel.shell(&commands, timeout, GRACE, 2_000, &cancel).await.unwrap()
}

fn exits(stdout: &str, stderr: &str, exit_code: i64) -> CommandOutput {
    let (stdout, stderr) = (stdout.to_owned(), stderr.to_owned());
    CommandOutput { stdout, stderr, exit_code: Some(exit_code) }
}

#[tokio::test]
async fn the_shell_and_python_share_their_files() {
    let mut kernel = kernel().await;
    if !children_allowed() {
        let ran = shell(&mut kernel, &["echo hi"]).await;
        return assert!(ran.outputs.unwrap()[0].stderr.contains("not started"));
    }
    run(&mut kernel, "open('a.txt', 'w').write('käse\\n' * 3)").await;
    let ran =
        shell(&mut kernel, &["wc -l < a.txt; cat a.txt | tail -1", "cp a.txt b; exit 3"]).await;
    assert_eq!(ran.outputs.unwrap(), [exits("3\nkäse\n", "", 0), exits("", "", 3)]);
    assert_eq!(ran.files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(run(&mut kernel, "open('b').read().count('k')").await, "3");
}

#[tokio::test]
async fn time_and_output_have_limits_and_python_keeps_its_state() {
    let mut kernel = kernel().await;
    if !children_allowed() {
        return;
    }
    run(&mut kernel, "x = 41").await;
    let commands = ["echo begun; sleep 1000", "echo never"];
    let ran = within(&mut kernel, &commands, Duration::from_secs(3)).await;
    let outputs = ran.outputs.unwrap();
    assert_eq!(outputs[0].stdout, "begun\n");
    assert_eq!((outputs[0].exit_code, outputs[1].exit_code), (None, None));
    assert_eq!(outputs[1].stdout, "");

    let printed = shell(&mut kernel, &["seq 200000; echo the end"]).await.outputs.unwrap();
    let text = &printed[0].stdout;
    assert!(text.starts_with("1\n2\n") && text.ends_with("the end\n"), "{text}");
    assert!(text.contains("bytes omitted") && text.len() < 3_000, "{}", text.len());
    // A child that stays behind does not hold up the call.
    let ran = shell(&mut kernel, &["sleep 1000 & echo started"]).await;
    assert_eq!(ran.outputs.unwrap(), [exits("started\n", "", 0)]);
    assert_eq!(run(&mut kernel, "x + 1").await, "42");
}

#[tokio::test]
async fn the_shell_is_behind_the_same_walls() {
    let mut kernel = kernel().await;
    if !children_allowed() {
        return;
    }
    let commands = ["touch /etc/x", "exec 3<>/dev/tcp/127.0.0.1/80", "id -u; cat /proc/1/environ"];
    let outputs = shell(&mut kernel, &commands).await.outputs.unwrap();
    assert!(outputs[..2].iter().all(|o| o.exit_code != Some(0) && !o.stderr.is_empty()));
    assert!(!outputs[2].stdout.starts_with("0\n"), "{}", outputs[2].stdout);
}
