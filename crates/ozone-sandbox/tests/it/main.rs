//! A jail as its callers see it. These tests need bubblewrap and user namespaces, and fail with
//! the cause where they are missing.

use std::time::Duration;

use ozone_sandbox::{Exit, Limits, Sandbox, Spec};

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
    let (exit, said) = run(&sandbox(), &shell("cat; echo to stderr >&2; exit 3"));
    assert_eq!((exit, said.as_str()), (Exit::Code(3), "to stderr\n"));
}

#[test]
fn stdin_reaches_the_process() {
    let spec = Spec { stdin: b"hello".to_vec(), ..shell("cat") };
    assert_eq!(run(&sandbox(), &spec), (Exit::Code(0), "hello".to_owned()));
}

#[test]
fn only_the_named_environment_is_inside() {
    let (_, said) = run(&sandbox(), &shell("env | cut -d= -f1 | sort | tr '\\n' ' '"));
    assert_eq!(said.trim(), "PATH PWD");
}

#[test]
fn no_descriptor_but_the_first_three_is_inside() {
    let leaked = std::fs::File::open("/etc/passwd").expect("it is readable");
    // Not close-on-exec, as C libraries open their files.
    rustix_dup_without_cloexec(&leaked);
    let (_, said) = run(&sandbox(), &shell("ls /proc/self/fd | tr '\\n' ' '"));
    assert_eq!(said.trim(), "0 1 2 3", "3 is the folder that `ls` reads");
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
    let jail = sandbox().spawn(&shell("sleep 1000 & setsid sleep 1000 & sleep 1000")).unwrap();
    jail.kill();
    assert_eq!(jail.wait(), Exit::Killed);
}

#[test]
fn the_wall_clock_ends_the_tree() {
    let mut spec = shell("sleep 1000");
    spec.limits.wall = Some(Duration::from_millis(100));
    assert_eq!(run(&sandbox(), &spec).0, Exit::OutOfTime);
}

#[test]
fn the_work_folder_is_bounded() {
    let mut spec = shell("head -c 10000000 /dev/zero > big; stat -c %s big");
    spec.limits.work_bytes = 1 << 20;
    let (_, said) = run(&sandbox(), &spec);
    assert!(said.contains("No space left"), "{said}");
}

#[test]
fn other_writable_places_are_bounded_too() {
    let script = "for f in /tmp/a /dev/shm/a /run/ozone/a; do
        head -c 90000000 /dev/zero 2>/dev/null > $f && echo $f; done; true > /dev/a";
    let (_, said) = run(&sandbox(), &shell(script));
    assert!(!said.contains("/tmp/a\n") && !said.contains("/dev/shm/a\n"), "{said}");
    assert!(said.contains("/dev/a: Read-only file system"), "{said}");
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
    let script = "echo inside > plain; ln -s /etc/passwd link; ln -s .. up; mkdir sub;
        ln -s /etc sub/etc; mkfifo pipe; echo x > sub/deep; echo ready; sleep 1000";
    let jail = sandbox().spawn(&shell(script)).unwrap();
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
