//! Measures what a caller waits for: `cargo run --release -p ozone-python --example latency`.

use std::time::{Duration, Instant};

use ozone_python::{ExecuteOptions, Kernel, KernelPool, PoolConfig, PythonEnv, Refill, WarmUp};

const PLOT: &str = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()";

async fn timed(kernel: &mut Kernel, code: &str) -> Duration {
    let started = Instant::now();
    let done = kernel.execute(code, &ExecuteOptions::default(), |_| {}).await;
    done.expect("the kernel runs");
    started.elapsed()
}

#[tokio::main]
async fn main() {
    let started = Instant::now();
    let env = PythonEnv::find(None).expect("there is a Python");
    println!("find_python_ms {:.1}", started.elapsed().as_secs_f64() * 1e3);
    let config = PoolConfig { refill: Refill::Never, ..PoolConfig::new(env) };

    let started = Instant::now();
    let cold = PoolConfig { warm_up: WarmUp::None, ..config.clone() };
    let pool = KernelPool::new(cold).expect("the sandbox holds");
    println!("probe_ms {:.1}", started.elapsed().as_secs_f64() * 1e3);
    let mut kernel = pool.take(None).await.expect("a kernel starts");
    println!("cold_start_ms {:.1}", started.elapsed().as_secs_f64() * 1e3);
    timed(&mut kernel, "print(1)").await;
    println!("cold_start_to_first_result_ms {:.1}", started.elapsed().as_secs_f64() * 1e3);
    let plot = timed(&mut kernel, PLOT).await;
    println!("first_plot_without_warm_up_ms {:.1}", plot.as_secs_f64() * 1e3);
    kernel.close().await;

    let started = Instant::now();
    let pool = KernelPool::new(config).expect("the sandbox holds");
    pool.warmed_up().await;
    println!("warmed_up_after_ms {:.1}", started.elapsed().as_secs_f64() * 1e3);
    let mut kernel = pool.take(None).await.expect("a kernel is there");
    let plot = timed(&mut kernel, PLOT).await;
    println!("first_plot_ms {:.1}", plot.as_secs_f64() * 1e3);
    let mut calls = Vec::new();
    for _ in 0..200 {
        calls.push(timed(&mut kernel, "print(1)").await);
    }
    calls.sort();
    for (name, part) in [("p50", 100), ("p95", 190)] {
        println!("print_{name}_ms {:.2}", calls[part].as_secs_f64() * 1e3);
    }
    kernel.close().await;
}
