//! Python as its callers see it, through real kernels in the real sandbox. These tests need
//! bubblewrap, user namespaces and a Python with the packages of `requirements.txt`; where one is
//! missing they fail with the cause.

mod environment;
mod escapes;
mod kernels;
mod shell;
mod subset;

use std::time::Duration;

use ozone_python::{
    ExecuteOptions, Execution, Kernel, KernelPool, Limits, Mechanism, PoolConfig, PythonEnv,
    Refill, Status, WarmUp,
};
use ozone_sandbox::Sandbox;

/// Whether jails here may have more than one process: they may where a cgroup limits them all.
fn children_allowed() -> bool {
    Sandbox::probe().unwrap_or_else(|error| panic!("{error}")).mechanism != Mechanism::Rlimits
}

/// Small limits, so that hitting them takes little time.
fn limits() -> Limits {
    Limits { memory_bytes: 1 << 30, work_bytes: 16 << 20, ..Limits::default() }
}

fn config() -> PoolConfig {
    let env = PythonEnv::find(None).unwrap_or_else(|error| panic!("{error}"));
    PoolConfig {
        limits: limits(),
        refill: Refill::Never,
        warm_up: WarmUp::None,
        ..PoolConfig::new(env)
    }
}

fn pool() -> KernelPool {
    KernelPool::new(config()).unwrap_or_else(|error| panic!("{error}"))
}

async fn kernel() -> Kernel {
    pool().take(None).await.unwrap_or_else(|error| panic!("{error}"))
}

fn options(timeout: Duration) -> ExecuteOptions {
    ExecuteOptions { timeout, grace: Duration::from_secs(1), ..ExecuteOptions::default() }
}

async fn execute(kernel: &mut Kernel, code: &str) -> Execution {
    let options = options(Duration::from_secs(60));
    kernel.execute(code, &options, |_| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

/// What the model would read.
async fn run(kernel: &mut Kernel, code: &str) -> String {
    execute(kernel, code).await.to_model_text(20_000)
}

/// The run goes on: the same kernel answers, with its state.
async fn assert_goes_on(kernel: &mut Kernel) {
    assert_eq!(run(kernel, "print(6 * 7)").await, "42");
    assert_eq!(kernel.restarts(), 0);
}

/// The kernel may have been the price; the run goes on with a fresh one.
async fn assert_goes_on_afresh(kernel: &mut Kernel) {
    let execution = execute(kernel, "print(6 * 7)").await;
    assert_eq!((execution.stdout.as_str(), &execution.status), ("42\n", &Status::Ok));
}
