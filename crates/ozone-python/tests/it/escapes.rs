//! Attempts to get out, each from Python through a real kernel. None may succeed, and the run goes
//! on after each.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use ozone_python::{Interrupt, KernelPool, Limits, PoolConfig, Status};
use ozone_sandbox::Sandbox;

use crate::{
    assert_goes_on, assert_goes_on_afresh, children_allowed, config, execute, kernel, limits,
    options, run,
};

/// Prelude: `attempt(f)` says what came of trying.
const ATTEMPT: &str = "
import ctypes, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def attempt(f):
    try:
        return f'succeeded: {f()!r}'
    except BaseException as error:
        return f'failed: {type(error).__name__}'
def syscall(*arguments):
    ctypes.set_errno(0)
    if libc.syscall(*map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), 'refused')
    return True
";

/// Each expression must raise an error.
async fn assert_all_fail(expressions: &[String]) {
    let mut kernel = kernel().await;
    run(&mut kernel, ATTEMPT).await;
    for expression in expressions {
        let said = run(&mut kernel, &format!("print(attempt(lambda: {expression}))")).await;
        assert!(said.starts_with("failed: "), "{expression}: {said}");
    }
    assert_goes_on(&mut kernel).await;
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut expressions = lines(
        "socket.getaddrinfo('example.com', 80)
         socket.gethostbyname('localhost.localdomain')
         socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
         socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))
         socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
         socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
         socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
         socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
         socket.socket(38, socket.SOCK_SEQPACKET)
         __import__('urllib.request').request.urlopen('http://127.0.0.1/')
         subprocess.run(['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/80'], check=True)",
    );
    expressions.push(format!("socket.create_connection(('127.0.0.1', {port}), 2)"));
    assert_all_fail(&expressions).await;
    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn no_unix_socket_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let name = format!("ozone-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let hidden = UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    hidden.set_nonblocking(true).unwrap();
    let connect = |address: String| format!("socket.socket(socket.AF_UNIX).connect({address})");
    let expressions = [
        connect(format!("{:?}", path.display().to_string())),
        connect(format!("'\\0' + {name:?}")),
        connect("'/var/run/docker.sock'".to_owned()),
        connect("'/run/dbus/system_bus_socket'".to_owned()),
    ];
    assert_all_fail(&expressions).await;
    assert!(listener.accept().is_err() && hidden.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn no_file_of_the_host_can_be_read() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let here = env!("CARGO_MANIFEST_DIR");
    let mut expressions = lines(
        "open('/etc/shadow').read()
         open('/etc/gshadow').read()
         [name for name in os.listdir('/root') if name != '.pyenv'][0]
         os.listdir('/root/.ssh')
         os.listdir('/root/.cargo')
         os.listdir('/home')
         os.listdir('/var')
         os.listdir('/sys')
         os.listdir('/boot')
         os.listdir('/srv')
         os.listdir('/mnt/data/../../home')
         open('/proc/kcore', 'rb').read(1)
         open('/proc/kmsg', 'rb').read(1)
         open('/dev/mem', 'rb').read(1)
         open('/dev/sda', 'rb').read(1)
         open('/dev/vda', 'rb').read(1)
         open('/dev/kmsg', 'rb').read(1)
         os.listdir('/proc/1/root/home')
         os.listdir('/proc/self/root/home')
         os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))
         os.environ['CARGO_MANIFEST_DIR']",
    );
    expressions.push(format!("open({:?}).read()", secret.path()));
    expressions.push(format!("open({:?}).read()", format!("{here}/Cargo.toml")));
    expressions.push(format!("os.listdir({here:?})"));
    assert_all_fail(&expressions).await;
}

#[tokio::test]
async fn nothing_outside_can_be_written() {
    let expressions = lines(
        "open('/etc/passwd', 'a')
         open('/usr/bin/evil', 'w')
         open('/usr/lib/evil.so', 'w')
         open('/evil', 'w')
         open('/dev/evil', 'w')
         open('/proc/sys/kernel/core_pattern', 'w')
         open('/proc/sys/kernel/hostname', 'w')
         open('/proc/sysrq-trigger', 'w')
         open('/proc/self/oom_score_adj', 'w')
         open('/proc/self/uid_map', 'w')
         open('/proc/self/mem', 'r+b')
         open('/proc/1/mem', 'r+b')
         open(os.__file__, 'a')
         open(__import__('numpy').__file__, 'a')
         open(__import__('sys').executable, 'ab')
         open('/run/ozone-kernel.py', 'a')
         os.mkdir('/sys')
         os.remove('/usr/bin/env')
         os.rename('/usr/bin/env', '/usr/bin/env2')
         os.chmod('/usr/bin/env', 0o777)
         os.chown('/usr/bin/env', 1000, 1000)
         os.utime('/usr/bin/env')
         os.link('/usr/bin/env', '/mnt/data/env')
         os.link('/etc/passwd', '/mnt/data/passwd')
         os.setxattr('/usr/bin/env', 'user.x', b'x')
         os.remove('/mnt/data')
         os.chroot('/tmp')
         os.setuid(0)
         os.setgroups([0])
         os.sethostname('evil') if hasattr(os, 'sethostname') else socket.sethostname('evil')",
    );
    assert_all_fail(&expressions).await;
}

#[tokio::test]
async fn other_processes_are_out_of_reach() {
    let mut kernel = kernel().await;
    run(&mut kernel, ATTEMPT).await;
    let pids =
        run(&mut kernel, "print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))");
    assert_eq!(pids.await, "[1, 2]");
    let us = std::process::id();
    let attempts = [
        format!("os.kill({us}, 9)"),
        format!("open('/proc/{us}/environ', 'rb').read()"),
        format!("os.pidfd_open({us})"),
        "syscall(101, 16, 1, 0, 0)".to_owned(), // ptrace: attach to the first process
        "syscall(101, 0, 0, 0, 0)".to_owned(),  // ptrace: be traced
        "syscall(310, 1, 0, 0, 0, 0, 0)".to_owned(), // process_vm_readv
        "syscall(311, 1, 0, 0, 0, 0, 0)".to_owned(), // process_vm_writev
        "syscall(438, 3, 0, 0)".to_owned(),     // pidfd_getfd
    ];
    for expression in attempts {
        let said = run(&mut kernel, &format!("print(attempt(lambda: {expression}))")).await;
        assert!(said.starts_with("failed: "), "{expression}: {said}");
    }
    // The first process inside takes no deadly signal from within; -1 means all others inside.
    run(&mut kernel, "import signal\nos.kill(1, 9)").await;
    assert_goes_on(&mut kernel).await;
    let said = run(&mut kernel, "print(attempt(lambda: os.kill(-1, 9)))").await;
    assert_eq!(said, "failed: ProcessLookupError");
    let execution = execute(&mut kernel, "os.kill(os.getpid(), 9)").await;
    assert!(matches!(execution.status, Status::Died(_)), "{:?}", execution.status);
    assert_goes_on_afresh(&mut kernel).await;
    let environ = run(&mut kernel, "print(open('/proc/1/environ', 'rb').read())").await;
    assert!(!environ.contains("CARGO"), "{environ}");
}

/// The numbers are those of x86-64.
#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn dangerous_system_calls_are_refused() {
    let calls = [
        ("mount", "165, 0, 0, 0, 0, 0"),
        ("mount as x32", "0x40000000 | 165, 0, 0, 0, 0, 0"),
        ("umount2", "166, 0, 0"),
        ("pivot_root", "155, 0, 0"),
        ("chroot", "161, 0"),
        ("unshare a user namespace", "272, 0x10000000"),
        ("unshare a mount namespace", "272, 0x00020000"),
        ("unshare a network namespace", "272, 0x40000000"),
        ("setns", "308, 0, 0"),
        ("clone with a user namespace", "56, 0x10000011, 0, 0, 0, 0"),
        ("clone with a user namespace as x32", "0x40000000 | 56, 0x10000011, 0, 0, 0, 0"),
        ("clone3", "435, 0, 0"),
        ("bpf", "321, 0, 0, 0"),
        ("perf_event_open", "298, 0, 0, 0, 0, 0"),
        ("userfaultfd", "323, 0"),
        ("io_uring_setup", "425, 1, 0"),
        ("keyctl", "250, 0, 0"),
        ("add_key", "248, 0, 0, 0, 0, 0"),
        ("request_key", "249, 0, 0, 0, 0"),
        ("open_by_handle_at", "304, 0, 0, 0"),
        ("kexec_load", "246, 0, 0, 0, 0"),
        ("init_module", "175, 0, 0, 0"),
        ("finit_module", "313, 0, 0, 0"),
        ("personality", "135, 0x0400000"),
        ("syslog", "103, 3, 0, 0"),
        ("reboot", "169, 0, 0, 0"),
        ("swapon", "167, 0, 0"),
        ("acct", "163, 0"),
        ("quotactl", "179, 0, 0, 0, 0"),
        ("settimeofday", "164, 0, 0"),
        ("iopl", "172, 3"),
        ("open_tree", "428, -100, 0, 1"),
        ("fsopen", "430, 0, 0"),
        ("mount_setattr", "442, -100, 0, 0, 0, 0"),
        ("memfd_create", "319, 0, 0"),
        ("shmget", "29, 0, 4096, 0o1600"),
        ("a call newer than the filter", "462, 0, 0, 0"),
        ("ioctl TIOCSTI", "16, 0, 0x5412, 0"),
        ("prctl: drop the filter", "157, 22, 0, 0, 0, 0"),
        ("setrlimit: more memory", "160, 9, 0"),
    ];
    let expressions: Vec<String> =
        calls.iter().map(|(name, call)| format!("syscall({call})  # {name}\n")).collect();
    assert_all_fail(&expressions).await;
}

#[tokio::test]
async fn the_outer_tricks_of_python_stay_inside() {
    let mut kernel = kernel().await;
    run(&mut kernel, ATTEMPT).await;
    let code = "wrap = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]\n\
                wrap.__init__.__globals__['system']('id -u; cat /etc/shadow; ls /root')\n\
                (lambda: 0).__globals__['__builtins__'].__import__('os').getuid()";
    let text = run(&mut kernel, code).await;
    assert!(!text.contains("root:"), "{text}");
    assert!(text.ends_with("1000"), "{text}");
    // Unlimited inside: the limits are the kernel's, not Python's.
    let code = "import resource\nprint(attempt(lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))))";
    assert!(run(&mut kernel, code).await.starts_with("failed"));
    assert_goes_on(&mut kernel).await;
}

#[tokio::test]
async fn no_descriptor_of_ours_is_inside() {
    let mut kernel = kernel().await;
    let code = "import os\nfor fd in os.listdir('/proc/self/fd'):\n    \
                try: print(os.readlink(f'/proc/self/fd/{fd}').split(':')[0].split('[')[0])\n    \
                except OSError: pass";
    let kinds = run(&mut kernel, code).await;
    let known = ["/dev/null", "anon_inode", "pipe", "socket", "/proc/2/fd", "/dev/urandom"];
    assert!(kinds.lines().all(|kind| known.contains(&kind)), "{kinds}");
}

#[tokio::test]
async fn a_fork_bomb_is_contained() {
    let mut kernel = kernel().await;
    let code = "import os\nchildren = 0\ntry:\n    while True:\n        \
                if os.fork() == 0:\n            while True: os.fork()\n        children += 1\n\
                except OSError as error:\n    print(type(error).__name__)";
    let execution = kernel.execute(code, &options(Duration::from_secs(3)), |_| {}).await.unwrap();
    let limit_named =
        ["BlockingIOError", "PermissionError"].iter().any(|name| execution.stdout.contains(name));
    assert!(limit_named || execution.status != Status::Ok, "{execution:?}");
    assert_goes_on_afresh(&mut kernel).await;
}

#[tokio::test]
async fn a_memory_bomb_is_contained() {
    let limits = Limits { memory_bytes: 600 << 20, ..limits() };
    let pool = KernelPool::new(PoolConfig { limits, ..config() }).unwrap();
    let mut kernel = pool.take(None).await.unwrap();
    run(&mut kernel, "x = 5").await;
    assert_eq!(run(&mut kernel, "bytearray(10**12)").await, "MemoryError");
    let text = run(&mut kernel, "a = []\nwhile True:\n    a.append(bytearray(10**7))").await;
    assert!(text.ends_with("MemoryError"), "{text}");
    assert_eq!(run(&mut kernel, "del a\nx").await, "5", "the state is kept");
    if !children_allowed() {
        return assert_goes_on(&mut kernel).await;
    }
    // Together the children pass the limit of the tree; the kernel may be the one that goes.
    let code = "import subprocess, sys\nbomb = 'a = bytearray(400 << 20)\\nimport time; time.sleep(100)'\n\
                c = [subprocess.Popen([sys.executable, '-c', bomb]) for _ in range(3)]\n\
                codes = [p.wait() for p in c]\nprint(codes)";
    let execution = kernel.execute(code, &options(Duration::from_secs(5)), |_| {}).await.unwrap();
    assert!(
        !execution.stdout.contains("[0, 0, 0]") && execution.status != Status::Ok
            || execution.stdout.contains("-9"),
        "{execution:?}"
    );
    assert_goes_on_afresh(&mut kernel).await;
}

#[tokio::test]
async fn a_gigabyte_of_output_is_contained() {
    let mut kernel = kernel().await;
    let code = "chunk = 'x' * 1_000_000\nfor _ in range(1000):\n    print(chunk)";
    let execution = execute(&mut kernel, code).await;
    assert_eq!(execution.status, Status::Interrupted(Interrupt::OutputLimit));
    assert!(execution.stdout.len() < 70_000);
    assert_goes_on(&mut kernel).await;
    // Past Python's own streams.
    let code = "import os\nfor _ in range(1000):\n    os.write(1, b'x' * 1_000_000)";
    let execution = execute(&mut kernel, code).await;
    assert!(execution.stdout.len() < 70_000, "{:?}", execution.status);
    assert_goes_on_afresh(&mut kernel).await;
    // With the kernel's own limits switched off.
    let code = "import sys\nfrom ipykernel.iostream import OutStream\nimport __main__\n\
                OutStream.write.__globals__['MAX_PRINTED'] = 1 << 40\n\
                OutStream.write.__globals__['MAX_TEXT'] = 1 << 40\n\
                for _ in range(1000):\n    print('x' * 1_000_000)";
    let execution = execute(&mut kernel, code).await;
    assert!(execution.stdout.len() < 70_000);
    // What is printed faster than it is sent fills the memory that the kernel may have.
    let out_of_memory = execution.error.as_ref().is_some_and(|e| e.ename == "MemoryError");
    assert!(
        out_of_memory
            || matches!(
                execution.status,
                Status::Died(_) | Status::Interrupted(Interrupt::OutputLimit)
            ),
        "{:?}: {:?}",
        execution.status,
        execution.error
    );
    assert_goes_on_afresh(&mut kernel).await;
}

#[tokio::test]
async fn links_in_the_work_folder_lead_nowhere() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "secret").unwrap();
    let mut kernel = kernel().await;
    let code = format!(
        "import os\nos.symlink({:?}, 'link.txt')\nos.symlink('/etc/passwd', 'passwd')\n\
         os.symlink('/', 'root')\nos.symlink('..', 'up')\nos.mkfifo('pipe')\n\
         os.mkdir('d')\nos.symlink('/etc', 'd/etc')\n\
         n = open('plain.txt', 'w').write('plain')\nos.link('plain.txt', 'second.txt')",
        secret.path()
    );
    let execution = execute(&mut kernel, &code).await;
    let names: Vec<_> = execution.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["plain.txt", "second.txt"]);
    // A file given by us does not go through a link either.
    kernel.put_file("link.txt", b"ours").await.unwrap();
    assert_eq!(std::fs::read(secret.path()).unwrap(), b"secret");
    assert!(kernel.put_file("up/escaped.txt", b"ours").await.is_err());
    // Swapped while we look: a folder that becomes a link.
    let code = "import threading\ndef swap():\n    while True:\n        \
                try:\n            os.rename('d', 'e'); os.symlink('/etc', 'd'); os.remove('d'); os.rename('e', 'd')\n        \
                except OSError: pass\nthreading.Thread(target=swap, daemon=True).start()\nn = open('d/f', 'w').write('x')";
    for _ in 0..20 {
        let execution = execute(&mut kernel, code).await;
        let names: Vec<_> = execution.files.iter().map(|file| file.name.as_str()).collect();
        assert!(names.iter().all(|name| ["d/f", "e/f"].contains(name)), "{names:?}");
    }
    // The thread still moves `f` about, so it may be named as a new file.
    assert!(run(&mut kernel, "print(6 * 7)").await.starts_with("42"));
    assert_eq!(kernel.restarts(), 0);
}

#[tokio::test]
async fn the_disk_cannot_be_filled() {
    let mut kernel = kernel().await;
    let code = "import os\ntry:\n    with open('big', 'wb') as f:\n        \
                while True: f.write(b'x' * 1_000_000)\nexcept OSError as error:\n    print(error.strerror)\n\
                os.remove('big')";
    assert_eq!(run(&mut kernel, code).await, "No space left on device");
    // Files without a name count too.
    let code = "held = []\ntry:\n    while True:\n        f = open('f', 'wb', 0)\n        os.remove('f')\n        \
                held.append(f)\n        if f.write(b'x' * 1_000_000) < 1_000_000: raise OSError(28, 'full')\n\
                except OSError as error:\n    print(error.errno)\nfor f in held: f.close()";
    assert_eq!(run(&mut kernel, code).await, "28");
    assert_goes_on(&mut kernel).await;
    let code = "i = 0\nwhile True:\n    i += 1\n    open(f'/tmp/{i}', 'w').close()";
    let execution = kernel.execute(code, &options(Duration::from_secs(60)), |_| {}).await.unwrap();
    assert_eq!(execution.status, Status::Died("it made too many files".to_owned()));
    assert_goes_on_afresh(&mut kernel).await;
}

#[tokio::test]
async fn forged_messages_harm_nobody_else() {
    let mut kernel = kernel().await;
    // An early "done", a reply to a question never asked, and rubbish, all with the right key.
    let code = "k = get_ipython().kernel\np = k.get_parent()\n\
                k.session.send(k.iopub_socket, 'stream', {'name': 'stdout', 'text': 7}, parent=p)\n\
                k.session.send(k.iopub_socket, 'status', {'execution_state': 'idle'}, parent=p)\n\
                k.session.send(k.iopub_socket, 'no_such_type', {'a': [[[]]]}, parent=p)\n\
                k.session.send(k.iopub_socket, 'execute_result', {'data': 3}, parent={})\n\
                print('done')";
    run(&mut kernel, code).await;
    assert_goes_on(&mut kernel).await;
    // A second client with a wrong key is not served.
    let code = "import zmq\ns = zmq.Context().socket(zmq.DEALER)\ns.connect('ipc:///run/ozone/k-1')\n\
                s.send_multipart([b'<IDS|MSG>', b'0' * 64, b'{}', b'{}', b'{}', b'{}'])\nprint(s.poll(200))";
    assert_eq!(run(&mut kernel, code).await.lines().last(), Some("0"));
    assert_goes_on(&mut kernel).await;
}

#[tokio::test]
async fn a_frame_of_any_announced_size_takes_no_memory_of_ours() {
    let mut kernel = kernel().await;
    // Straight onto our connections, past ZeroMQ: a frame of 2^60 bytes.
    let code = "import os\nfor fd in map(int, os.listdir('/proc/self/fd')):\n    try:\n        \
                if os.readlink(f'/proc/self/fd/{fd}').startswith('socket:'):\n            \
                os.write(fd, b'\\x02' + (1 << 60).to_bytes(8, 'big') + b'x' * 1000)\n    \
                except OSError: pass\nimport time; time.sleep(100)";
    let execution = kernel.execute(code, &options(Duration::from_secs(30)), |_| {}).await.unwrap();
    let cause = "it sent messages over the size limit";
    assert_eq!(execution.status, Status::Died(cause.to_owned()));
    assert_goes_on_afresh(&mut kernel).await;
}

#[tokio::test]
async fn a_kernel_that_changes_its_key_is_not_believed() {
    let mut kernel = kernel().await;
    let code = "get_ipython().kernel.session.key = b'other'";
    let execution =
        kernel.execute(code, &options(Duration::from_millis(500)), |_| {}).await.unwrap();
    assert!(matches!(execution.status, Status::Died(_)), "{:?}", execution.status);
    assert_goes_on_afresh(&mut kernel).await;
}

#[tokio::test]
async fn sockets_replaced_by_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut kernel = kernel().await;
    let code = format!(
        "import os\nfor n in (1, 2, 4):\n    os.remove(f'/run/ozone/k-{{n}}')\n    \
         os.symlink({path:?}, f'/run/ozone/k-{{n}}')"
    );
    run(&mut kernel, &code).await;
    assert_goes_on(&mut kernel).await;
    let execution = execute(&mut kernel, "import os\nos._exit(0)").await;
    assert!(matches!(execution.status, Status::Died(_)));
    assert_goes_on_afresh(&mut kernel).await;
    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn without_cgroups_one_process_runs_within_the_same_limits() {
    let sandbox = Sandbox::without_cgroups().unwrap_or_else(|error| panic!("{error}"));
    let limits = Limits { memory_bytes: 700 << 20, ..limits() };
    let pool = KernelPool::with_sandbox(sandbox, PoolConfig { limits, ..config() }).unwrap();
    assert!(pool.capabilities().to_string().contains("rlimits, one process"));
    let mut kernel = pool.take(None).await.unwrap();
    run(&mut kernel, ATTEMPT).await;
    for expression in ["os.fork()", "os.system('true') and 1 / 0", "subprocess.run(['true'])"] {
        let said = run(&mut kernel, &format!("print(attempt(lambda: {expression}))")).await;
        assert!(said.starts_with("failed: "), "{expression}: {said}");
    }
    let text = run(&mut kernel, "a = []\nwhile True:\n    a.append(bytearray(10**7))").await;
    assert!(text.ends_with("MemoryError"), "{text}");
    let code = "del a\nimport numpy, pandas, sympy\nimport matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()";
    assert_eq!(execute(&mut kernel, code).await.images.len(), 1);
    assert_goes_on(&mut kernel).await;
}
