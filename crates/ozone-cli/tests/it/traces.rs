//! What the model is trained on is true: real Python prints what each trace says, and the chat
//! template renders what the trainer renders.

use ozone_python::{ExecuteOptions, KernelPool, PoolConfig, PythonEnv, Refill};
use ozone_tasks::{Generator, Split};

/// Every kind's calls, run in the kernel that serves users.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_python_prints_what_the_traces_say() {
    let env = PythonEnv::at(std::path::Path::new(&crate::support::python())).unwrap();
    let pool =
        KernelPool::new(PoolConfig { size: 1, refill: Refill::Never, ..PoolConfig::new(env) })
            .unwrap();
    let mut kernel = pool.take(None).await.unwrap();
    let mut wrong = vec![];
    for split in [Split::Train, Split::HeldOut] {
        let generator = Generator::new(split, 5).unwrap();
        for kind in generator.kinds().iter().filter(|k| !k.name.starts_with("tool/outside")) {
            let question = generator.question_of(kind.name, 1).unwrap();
            // Each question has a kernel without variables.
            kernel
                .execute("%reset_selective -f .*", &ExecuteOptions::default(), |_| {})
                .await
                .unwrap();
            for step in &question.steps {
                let code = step.code().unwrap();
                let execution =
                    kernel.execute(code, &ExecuteOptions::default(), |_| {}).await.unwrap();
                let text = execution.to_model_text(16_000);
                if text != step.output {
                    wrong.push(format!("{}: {code} -> {text} not {}", kind.name, step.output));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
