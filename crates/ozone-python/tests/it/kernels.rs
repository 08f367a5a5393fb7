use std::time::Duration;

use ozone_python::{
    CancellationToken, ExecuteOptions, Interrupt, KernelEvent, KernelPool, PoolConfig, Reuse,
    Status, WORK_DIR, was_cut,
};

use crate::{
    assert_goes_on, assert_goes_on_afresh, children_allowed, config, execute, kernel, options,
    pool, run,
};

#[tokio::test]
async fn state_lasts_from_call_to_call() {
    let mut kernel = kernel().await;
    assert_eq!(
        run(&mut kernel, "def double(n):\n    return 2 * n\nx = 176494").await,
        "[no output]"
    );
    assert_eq!(run(&mut kernel, "double(x)").await, "352988");
    assert_eq!(run(&mut kernel, "_ + 1").await, "352989");
}

#[tokio::test]
async fn streams_and_the_last_expression_come_back_apart() {
    let mut kernel = kernel().await;
    let code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n[1, 2]";
    let mut live = Vec::new();
    let execution = kernel
        .execute(code, &options(Duration::from_secs(30)), |event| match event {
            KernelEvent::Stdout(text) => live.push(text.to_owned()),
            KernelEvent::Stderr(text) => live.push(format!("!{text}")),
            KernelEvent::Image(_) => {}
        })
        .await
        .unwrap();
    assert_eq!((execution.stdout.as_str(), execution.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(execution.result.as_deref(), Some("[1, 2]"));
    assert_eq!(execution.to_model_text(100), "out\nerr\n[1, 2]");
    live.sort();
    assert_eq!(live, ["!err\n", "out\n"]);
}

#[tokio::test]
async fn output_of_subprocesses_comes_back() {
    let mut kernel = kernel().await;
    if !children_allowed() {
        let text = run(&mut kernel, "import subprocess\nsubprocess.run(['echo', 'hi'])").await;
        assert!(text.contains("PermissionError"), "{text}");
        return assert_goes_on(&mut kernel).await;
    }
    let text = run(&mut kernel, "import subprocess\nsubprocess.run(['echo', 'hi'])\nNone").await;
    assert_eq!(text, "hi");
    // The last line of a busy child is not lost, nor does it come with the next cell.
    let code = "print(subprocess.run(['seq', '20000']).returncode)";
    let text = execute(&mut kernel, code).await.stdout;
    assert!(text.contains("\n20000\n"), "{}", text.len());
    assert_eq!(run(&mut kernel, "2").await, "2");
    let text = run(&mut kernel, "import os\nif os.fork() == 0:\n    print('child', flush=True)\n    os._exit(0)\nos.wait()\nprint('parent')").await;
    assert!(text.contains("parent"), "{text}");
}

#[tokio::test]
async fn errors_are_short_and_end_with_their_cause() {
    let mut kernel = kernel().await;
    assert_eq!(run(&mut kernel, "1/0").await, "ZeroDivisionError: division by zero");
    let text = run(&mut kernel, "def f():\n    return missing\n\nf()").await;
    let expected = "Traceback (most recent call last):\n  cell, line 4\n    f()\n  \
                    cell, line 2, in f\n    return missing\n\
                    NameError: name 'missing' is not defined";
    assert_eq!(text, expected);
    let text = run(&mut kernel, "x = 1\ny = = 2").await;
    assert!(
        text.starts_with("  cell, line 2\n") && text.ends_with("SyntaxError: invalid syntax"),
        "{text}"
    );
    assert!(
        run(&mut kernel, "import json; json.loads('{')")
            .await
            .contains("json.decoder.JSONDecodeError: Expecting")
    );
    assert_eq!(run(&mut kernel, "import sys; sys.exit(3)").await, "SystemExit: 3");
    assert!(run(&mut kernel, "input('name? ')").await.contains("does not support input"));
    let execution = execute(&mut kernel, "raise ValueError('x' * 5_000_000)").await;
    let text = execution.to_model_text(500);
    assert!(text.starts_with("ValueError: xxx") && text.len() < 2500, "{text}");
    assert_goes_on(&mut kernel).await;
}

#[tokio::test]
async fn text_that_is_not_unicode_is_escaped() {
    let mut kernel = kernel().await;
    assert_eq!(run(&mut kernel, r"print('a\ud800b')").await, r"a\ud800b");
    assert_eq!(run(&mut kernel, r"raise ValueError('\udfff')").await, r"ValueError: \udfff");
}

#[tokio::test]
async fn a_plot_is_a_png() {
    let mut kernel = kernel().await;
    let code = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()";
    let execution = execute(&mut kernel, code).await;
    assert_eq!(execution.images.len(), 1);
    assert!(execution.images[0].starts_with(b"\x89PNG\r\n\x1a\n"));
    let text = execution.to_model_text(1000);
    assert!(text.starts_with("[image 1: ") && text.ends_with(" png]"), "{text}");
    let code = "for i in range(20):\n    plt.figure()\n    plt.plot([i])\nplt.show()";
    let execution = execute(&mut kernel, code).await;
    assert_eq!(execution.images.len(), ExecuteOptions::default().max_images);
    assert!(execution.notes.contains(&"12 more pictures were left out".to_owned()));
}

#[tokio::test]
async fn a_data_frame_is_text_and_html() {
    let mut kernel = kernel().await;
    let code = "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})\ndisplay(df)\ndf";
    let execution = execute(&mut kernel, code).await;
    assert_eq!(execution.result.as_deref(), Some("   a\n0  1\n1  2"));
    assert_eq!(execution.stdout, "   a\n0  1\n1  2\n");
    assert_eq!(execution.tables.len(), 2);
    assert!(execution.tables[0].html.contains("<table"));
}

#[tokio::test]
async fn files_go_in_and_come_out() {
    let mut kernel = kernel().await;
    kernel.put_file("given.csv", b"a,b\n1,2\n").await.unwrap();
    let code = "text = open('given.csv').read()\nimport os\nos.makedirs('out', exist_ok=True)\n\
                n = open('out/result.txt', 'w').write(text.upper())";
    let execution = execute(&mut kernel, code).await;
    let names: Vec<_> = execution.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["out/result.txt"], "only what is new");
    let copy = execution.files[0].host_path.as_ref().expect("it is small");
    assert_eq!(std::fs::read(copy).unwrap(), b"A,B\n1,2\n");
    assert!(execute(&mut kernel, "1").await.files.is_empty(), "nothing has changed since");
    let execution = execute(&mut kernel, "open('out/result.txt', 'a').write('x')").await;
    assert_eq!(execution.files[0].bytes, 9);
    for name in ["../x", "/etc/x", "", "a/../../x"] {
        assert!(kernel.put_file(name, b"x").await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn what_others_put_into_the_folder_meanwhile_is_there_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut kernel = pool().take(Some(folder.path().to_owned())).await.unwrap();
    execute(&mut kernel, "n = open('own.txt', 'w').write('own')").await;
    std::fs::create_dir(folder.path().join("web")).unwrap();
    std::fs::write(folder.path().join("web/load.csv"), "a\n1\n").unwrap();
    let read = "open('web/load.csv').read()";
    let execution = execute(&mut kernel, read).await;
    assert_eq!(execution.result.as_deref(), Some("'a\\n1\\n'"));
    assert!(execution.files.is_empty(), "the code did not write it: {:?}", execution.files);
    std::fs::write(folder.path().join("web/load.csv"), "a\n1\n2\n").unwrap();
    let execution = execute(&mut kernel, "n = open('own.txt', 'a').write('!')").await;
    let names: Vec<_> = execution.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["own.txt"]);
    let execution = execute(&mut kernel, &format!("{read}, open('own.txt').read()")).await;
    assert_eq!(execution.result.as_deref(), Some("('a\\n1\\n2\\n', 'own!')"));
}

#[tokio::test]
async fn a_large_file_is_named_and_stays_inside() {
    let mut kernel = kernel().await;
    let options = ExecuteOptions { max_file_bytes: 1000, ..ExecuteOptions::default() };
    let code = "n = open('big.bin', 'wb').write(b'x' * 1001)";
    let execution = kernel.execute(code, &options, |_| {}).await.unwrap();
    assert_eq!(execution.to_model_text(100), "[file: big.bin, 1,001 bytes, not copied: too large]");
}

#[tokio::test]
async fn a_dead_kernel_is_a_result_and_the_next_call_says_what_was_lost() {
    let mut kernel = kernel().await;
    run(&mut kernel, "x = 1\nn = open('kept.txt', 'w').write('kept')").await;
    let execution =
        execute(&mut kernel, "print('last words', flush=True)\nimport os\nos._exit(7)").await;
    assert_eq!(execution.status, Status::Died("it exited with code 7".to_owned()));
    let text = run(&mut kernel, "print(open('kept.txt').read())\nx").await;
    assert!(text.starts_with("kept\n"), "{text}");
    assert!(text.contains("NameError: name 'x' is not defined"), "{text}");
    assert!(text.contains("started anew"), "{text}");
    assert_eq!(kernel.restarts(), 1);
}

#[tokio::test]
async fn an_endless_loop_is_interrupted_and_keeps_its_state() {
    let mut kernel = kernel().await;
    run(&mut kernel, "n = 0").await;
    let code = "print('begun', flush=True)\nwhile True:\n    n += 1";
    let execution =
        kernel.execute(code, &options(Duration::from_millis(300)), |_| {}).await.unwrap();
    assert_eq!(execution.status, Status::Interrupted(Interrupt::Timeout));
    let text = execution.to_model_text(1000);
    assert!(text.starts_with("begun\n[stopped after ") && text.contains("kept"), "{text}");
    assert!(was_cut(&text) && !was_cut("I stopped after [stopped after 1 s"));
    assert_eq!(run(&mut kernel, "n > 1000").await, "True");
    assert_goes_on(&mut kernel).await;
}

#[tokio::test]
async fn a_sleeping_cell_is_interrupted_too() {
    let mut kernel = kernel().await;
    let code = match children_allowed() {
        true => "import subprocess\nsubprocess.run(['sleep', '1000'])",
        false => "import time\ntime.sleep(1000)",
    };
    let execution =
        kernel.execute(code, &options(Duration::from_millis(300)), |_| {}).await.unwrap();
    assert_eq!(execution.status, Status::Interrupted(Interrupt::Timeout));
    assert_goes_on(&mut kernel).await;
}

#[tokio::test]
async fn code_that_ignores_interrupts_is_killed_and_says_so() {
    let mut kernel = kernel().await;
    let code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass";
    let execution =
        kernel.execute(code, &options(Duration::from_millis(200)), |_| {}).await.unwrap();
    assert!(matches!(&execution.status, Status::Died(cause) if cause.contains("did not stop")));
    let text = execution.to_model_text(1000);
    assert!(was_cut(&text) && text.contains("variables are lost"), "{text}");
    assert_goes_on_afresh(&mut kernel).await;
    // Inside one long operation Python looks at no signal at all.
    let code = "x = 9 ** (9 ** 9)";
    let execution =
        kernel.execute(code, &options(Duration::from_millis(200)), |_| {}).await.unwrap();
    assert!(matches!(execution.status, Status::Died(_)), "{execution:?}");
    assert_goes_on_afresh(&mut kernel).await;
}

#[tokio::test]
async fn cancelling_interrupts_and_keeps_state() {
    let mut kernel = kernel().await;
    run(&mut kernel, "x = 5").await;
    let cancel = CancellationToken::new();
    let options = ExecuteOptions { cancel: cancel.clone(), ..options(Duration::from_secs(60)) };
    let code = "print('begun', flush=True)\nwhile True: pass";
    let execution = kernel.execute(code, &options, |_| cancel.cancel()).await.unwrap();
    assert_eq!(execution.status, Status::Interrupted(Interrupt::Cancelled));
    assert_eq!(run(&mut kernel, "x").await, "5");
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_the_kernel_usable() {
    let mut kernel = kernel().await;
    run(&mut kernel, "x = 5").await;
    let begun = tokio::sync::Notify::new();
    {
        let options = options(Duration::from_secs(60));
        let code = "print('begun', flush=True)\nwhile True: pass";
        let call = kernel.execute(code, &options, |_| begun.notify_one());
        tokio::select! {
            _ = call => panic!("it never ends"),
            () = begun.notified() => {}
        }
    }
    assert_eq!(run(&mut kernel, "x").await, "5");
    assert_goes_on(&mut kernel).await;
}

#[tokio::test]
async fn a_flood_of_output_is_cut_and_the_state_kept() {
    let mut kernel = kernel().await;
    run(&mut kernel, "x = 5").await;
    let execution = execute(&mut kernel, "for i in range(10**7):\n    print(i, 'x' * 100)").await;
    assert_eq!(execution.status, Status::Interrupted(Interrupt::OutputLimit));
    let cap = ExecuteOptions::default().max_output_bytes;
    assert!(execution.stdout.len() < cap + 100 && execution.is_truncated());
    assert!(execution.stdout.starts_with("0 xxx"));
    assert!(execution.to_model_text(2000).contains("more characters omitted]"));
    let execution = execute(&mut kernel, "'y' * 100_000_000").await;
    assert!(execution.result.is_some_and(|text| text.len() < cap + 100));
    assert_eq!(run(&mut kernel, "x").await, "5");
    assert_goes_on(&mut kernel).await;
}

#[tokio::test]
async fn an_empty_cell_is_no_output() {
    let mut kernel = kernel().await;
    assert_eq!(run(&mut kernel, "").await, "[no output]");
    assert_eq!(run(&mut kernel, "# only a comment\n\n").await, "[no output]");
    let text = run(&mut kernel, &"x".repeat(2 << 20)).await;
    assert!(text.contains("longer than"), "{text}");
    assert_goes_on(&mut kernel).await;
}

#[tokio::test]
async fn a_warm_kernel_has_the_libraries_and_draws() {
    let config =
        ozone_python::PoolConfig { warm_up: ozone_python::WarmUp::Libraries, ..crate::config() };
    let pool = ozone_python::KernelPool::new(config).unwrap();
    pool.warmed_up().await;
    let mut kernel = pool.take(None).await.unwrap();
    let code = "import sys\nall(m in sys.modules for m in \
                ['numpy', 'pandas', 'matplotlib.pyplot', 'sympy'])";
    assert_eq!(run(&mut kernel, code).await, "True");
    assert_eq!(run(&mut kernel, "x").await, "NameError: name 'x' is not defined");
    let code = "import sympy\nx = sympy.Symbol('x')\nsympy.solve(x**2 - 4, x)";
    assert_eq!(run(&mut kernel, code).await, "[-2, 2]");
}

#[tokio::test]
async fn two_kernels_share_nothing() {
    let pool = pool();
    let (mut first, mut second) = (pool.take(None).await.unwrap(), pool.take(None).await.unwrap());
    run(&mut first, "x = 1\nn = open('first.txt', 'w').write('first')").await;
    assert_eq!(run(&mut second, "import os; os.listdir('.')").await, "[]");
    assert_eq!(run(&mut second, "'x' in globals()").await, "False");
    assert_ne!(first.files_dir(), second.files_dir());
}

#[tokio::test]
async fn closing_a_kernel_ends_all_its_processes() {
    let mut kernel = kernel().await;
    let marker = format!("a{}", std::process::id());
    take_name(&mut kernel, &marker).await;
    wait_until(|| named(&marker) == processes_in_one_jail());
    kernel.close().await;
    assert_eq!(named(&marker), 0);
}

/// The helper of the next test: holds a kernel until it is killed.
#[tokio::test]
#[ignore = "started by `nothing_is_left_when_we_are_killed`"]
async fn hold_a_kernel() {
    let mut kernel = kernel().await;
    let marker = std::env::var("OZONE_TEST_MARKER").expect("set by the test");
    take_name(&mut kernel, &marker).await;
    std::future::pending::<()>().await;
}

#[test]
fn nothing_is_left_when_we_are_killed() {
    let marker = format!("b{}", std::process::id());
    let mut holder = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "kernels::hold_a_kernel"])
        .env("OZONE_TEST_MARKER", &marker)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| named(&marker) == processes_in_one_jail());
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until(|| named(&marker) == 0);
}

/// The kernel takes the name, and where it may have one, a child that outlives the cell.
async fn take_name(kernel: &mut ozone_python::Kernel, name: &str) {
    let child = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', rename + \
                 '\\nimport time; time.sleep(1000)'], start_new_session=True)\nNone";
    let code = format!(
        "rename = 'import ctypes; ctypes.CDLL(None).prctl(15, b{name:?})'\nexec(rename)\n{}",
        if children_allowed() { child } else { "" }
    );
    assert_eq!(run(kernel, &code).await, "[no output]");
}

fn processes_in_one_jail() -> usize {
    if children_allowed() { 2 } else { 1 }
}

fn wait_until(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::yield_now();
    }
}

/// How many processes of the host have this name.
fn named(name: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let names = entries.filter_map(|entry| std::fs::read(entry.path().join("comm")).ok());
    names.filter(|found| found.trim_ascii_end() == name.as_bytes()).count()
}

#[tokio::test]
async fn a_kernel_that_is_used_again_remembers_nothing() {
    let reuse = Reuse::Times(2);
    let pool = KernelPool::new(PoolConfig { reuse, size: 1, ..config() }).unwrap();
    let mut processes = vec![];
    for _ in 0..4 {
        let mut kernel = pool.take(None).await.unwrap();
        let seen = run(&mut kernel, "import os\nos.listdir(), 'x' in dir(), os.getcwd()").await;
        assert_eq!(seen, format!("([], False, '{WORK_DIR}')"));
        let started = "import os, time\nx = 1\nopen('x.txt', 'w').close()\nos.mkdir('d')\n\
                       os.chdir('/tmp')\nopen(f'/proc/{os.getpid()}/stat').read().split()[21]";
        processes.push(run(&mut kernel, started).await);
        drop(kernel);
    }
    // Each process serves three conversations: its first and two more.
    assert!(processes[..3].iter().all(|process| *process == processes[0]), "{processes:?}");
    assert_ne!(processes[3], processes[0]);
}
