//! A jail as its callers see it. These tests need bubblewrap and user namespaces, and fail with
//! the cause where they are missing.

use std::time::Duration;

use ozone_sandbox::{Exit, Limits, Mechanism, Sandbox, Spec};

fn sandbox() -> Sandbox {
    Sandbox::new().unwrap_or_else(|error| panic!("{error}"))
}

fn shell(script: &str) -> Spec {
    Spec {
        argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        limits: Limits { wall: Some(Duration::from_secs(30)), ..Limits::default() },
        ..Spec::default()
    }
}

fn run(sandbox: &Sandbox, spec: &Spec) -> (Exit, String) {
    let jail = sandbox.spawn(spec).unwrap_or_else(|error| panic!("{error}"));
    (jail.wait(), jail.output_tail())
}

#[test]
fn the_probe_says_in_one_line_what_holds() {
    let line = Sandbox::probe().unwrap_or_else(|error| panic!("{error}")).to_string();
    assert!(line.starts_with("bubblewrap ") && !line.contains('\n'), "{line}");
}

#[test]
fn output_and_exit_code_come_back() {
    let (exit, said) = run(&sandbox(), &shell("echo to stderr >&2; exit 3"));
    assert_eq!((exit, said.as_str()), (Exit::Code(3), "to stderr\n"));
}

#[test]
fn stdin_reaches_the_process() {
    let spec = Spec { stdin: b"hello".to_vec(), ..shell("exec cat") };
    assert_eq!(run(&sandbox(), &spec), (Exit::Code(0), "hello".to_owned()));
}

#[test]
fn only_the_named_environment_is_inside() {
    let (_, said) = run(&sandbox(), &shell("exec env"));
    let mut names: Vec<_> = said.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort();
    assert_eq!(names, ["PATH", "PWD"]);
}

#[test]
fn no_descriptor_but_the_first_three_is_inside() {
    let leaked = std::fs::File::open("/etc/passwd").expect("it is readable");
    // Not close-on-exec, as C libraries open their files.
    rustix_dup_without_cloexec(&leaked);
    let (_, said) = run(&sandbox(), &shell("exec ls /proc/self/fd"));
    assert_eq!(
        said.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"],
        "3 is the folder that `ls` reads"
    );
}

fn rustix_dup_without_cloexec(file: &std::fs::File) {
    use std::os::fd::AsRawFd;
    // SAFETY: duplicates a descriptor that is open.
    #[expect(unsafe_code, reason = "std opens everything close-on-exec")]
    let copy = unsafe { libc_dup(file.as_raw_fd()) };
    assert!(copy > 2);
}

#[expect(unsafe_code, reason = "one C function for the test above")]
unsafe extern "C" {
    #[link_name = "dup"]
    fn libc_dup(fd: i32) -> i32;
}

#[test]
fn a_missing_program_is_an_exit_with_a_message() {
    let spec = Spec { argv: vec!["/no/such/program".into()], ..shell("") };
    let (exit, said) = run(&sandbox(), &spec);
    assert_eq!(exit, Exit::Code(1));
    assert!(said.contains("No such file"), "{said}");
}

#[test]
fn killing_ends_the_whole_tree() {
    let sandbox = sandbox();
    let script = match sandbox.capabilities().mechanism {
        Mechanism::Rlimits => "exec sleep 1000",
        _ => "sleep 1000 & setsid sleep 1000 & sleep 1000",
    };
    let jail = sandbox.spawn(&shell(script)).unwrap();
    jail.kill();
    assert_eq!(jail.wait(), Exit::Killed);
}

#[test]
fn the_wall_clock_ends_the_tree() {
    let mut spec = shell("exec sleep 1000");
    spec.limits.wall = Some(Duration::from_millis(100));
    assert_eq!(run(&sandbox(), &spec).0, Exit::OutOfTime);
}

#[test]
fn the_work_folder_is_bounded() {
    let mut spec = shell("exec head -c 10000000 /dev/zero > big");
    spec.limits.work_bytes = 1 << 20;
    let (_, said) = run(&sandbox(), &spec);
    assert!(said.contains("No space left"), "{said}");
}

#[test]
fn other_writable_places_are_bounded_too() {
    for folder in ["/tmp", "/dev/shm", "/run/ozone"] {
        let script = format!("exec head -c 90000000 /dev/zero > {folder}/a");
        let (_, said) = run(&sandbox(), &shell(&script));
        assert!(said.contains("No space left"), "{folder}: {said}");
    }
    let (_, said) = run(&sandbox(), &shell("true > /dev/a"));
    assert!(said.contains("Read-only file system"), "{said}");
}

#[test]
fn too_many_files_end_the_jail() {
    let script = "cd /tmp; i=0; while true; do i=$((i+1)); true > f$i; done";
    assert_eq!(run(&sandbox(), &shell(script)).0, Exit::OutOfInodes);
}

#[test]
fn a_jail_without_cgroup_has_one_process() {
    let sandbox = Sandbox::without_cgroups().unwrap_or_else(|error| panic!("{error}"));
    let (_, said) = run(&sandbox, &shell("true; echo alone; /bin/true; echo unreached"));
    assert!(said.contains("alone") && !said.contains("unreached"), "{said}");
}

#[test]
fn a_folder_that_does_not_exist_cannot_be_bound() {
    let spec = Spec { ro_binds: vec!["/no/such/folder".into()], ..shell("true") };
    let error = sandbox().spawn(&spec).expect_err("there is nothing to bind").to_string();
    assert!(error.contains("/no/such/folder"), "{error}");
}

#[test]
fn the_collector_follows_no_link_out_of_the_work_folder() {
    let script = r#"use POSIX; $| = 1;
        sub file { my ($path, $text) = @_; open(my $f, '>', $path); print $f $text; }
        symlink('/etc/passwd', 'link'); symlink('..', 'up'); mkdir('sub'); mkfifo('pipe', 0600);
        symlink('/etc', 'sub/etc'); file('plain', "inside\n"); file('sub/deep', "x\n");
        print "ready\n"; sleep 1000;"#;
    let argv = vec!["/usr/bin/perl".into(), "-e".into(), script.into()];
    let jail = sandbox().spawn(&Spec { argv, ..shell("") }).unwrap();
    while !jail.output_tail().contains("ready") {
        assert_eq!(jail.try_wait(), None, "{}", jail.output_tail());
        std::thread::yield_now();
    }
    let work = jail.work_dir().unwrap();
    let names: Vec<_> = work.list(100).unwrap().into_iter().map(|entry| entry.path).collect();
    assert_eq!(names, ["plain".as_ref(), std::path::Path::new("sub/deep")]);
    assert_eq!(work.read("plain".as_ref(), 100).unwrap(), b"inside\n");
    for path in ["link", "up/etc/passwd", "sub/etc/passwd", "../etc/passwd", "/etc/passwd", "pipe"]
    {
        assert!(work.read(path.as_ref(), 100).is_err(), "{path}");
        assert!(work.write(&std::path::Path::new(path).join("x"), b"x").is_err(), "{path}");
    }
    work.write("given/by/us.txt".as_ref(), b"hello").unwrap();
    assert_eq!(work.read("given/by/us.txt".as_ref(), 5).unwrap(), b"hello");
    assert!(work.read("given/by/us.txt".as_ref(), 4).is_err());
}

/// The helper of the next tests: the probe keeps its outcome for the life of a process.
#[test]
#[ignore = "started by the tests of a sandbox that is missing"]
fn say_what_the_probe_found() {
    match Sandbox::probe() {
        Ok(capabilities) => println!("holds: {capabilities}"),
        Err(error) => println!("refused: {error}"),
    }
}

/// What the probe says in a process started by `command` with our own arguments.
fn probe_in(mut command: std::process::Command) -> String {
    let output = command.output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const HELPER: [&str; 4] = ["--ignored", "--exact", "--nocapture", "say_what_the_probe_found"];

#[test]
fn a_missing_bubblewrap_is_named_with_the_next_step() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(HELPER).env("OZONE_BWRAP", "/no/such/bwrap");
    let said = probe_in(command);
    assert!(said.contains("refused: bubblewrap (`bwrap`) is not installed"), "{said}");
    assert!(said.contains("apt-get install bubblewrap"), "{said}");
}

#[test]
fn a_jail_that_does_not_hold_is_refused() {
    // A bubblewrap that builds no walls: it runs what comes after `--` as it is.
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("bwrap");
    let script = "#!/bin/bash\nif [ \"$1\" = --version ]; then echo bubblewrap 0.8.0; exit; fi\n\
                  while [ \"$1\" != -- ]; do if [ \"$1\" = --info-fd ]; then info=$2; fi; shift; done\n\
                  shift; echo \"{ \\\"child-pid\\\": $$ }\" >&$info; eval \"exec $info>&-\"\n\
                  cd /tmp; exec \"$@\"\n";
    std::fs::write(&fake, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&fake, executable).unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(HELPER).env("OZONE_BWRAP", &fake);
    let said = probe_in(command);
    assert!(said.contains("refused: the jail does not hold"), "{said}");
}

#[test]
fn forbidden_user_namespaces_are_named_with_the_next_step() {
    let mut command = std::process::Command::new("unshare");
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    command.args(["-Ur", "sh", "-c", script, "sh"]).arg(std::env::current_exe().unwrap());
    let said = probe_in({
        command.args(HELPER);
        command
    });
    assert!(said.contains("refused: user namespaces are forbidden here"), "{said}");
    assert!(said.contains("sysctl"), "{said}");
}
