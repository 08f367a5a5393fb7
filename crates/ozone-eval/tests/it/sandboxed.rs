//! Code of a model, run by its tests in the sandbox.

use ozone_eval::{Expected, Judge};
use ozone_python::{KernelPool, PoolConfig, PythonEnv, Refill, WarmUp};

fn twice() -> Expected {
    Expected::Code {
        prompt: Some(
            "from typing import List\n\ndef helper(x):\n    return x\n\ndef twice(x: int) -> \
             int:\n    \"\"\"Twice x.\"\"\"\n"
                .into(),
        ),
        before: String::new(),
        after: "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == \
                -2\n\ncheck(twice)"
            .into(),
    }
}

#[tokio::test]
async fn code_passes_only_when_its_tests_were_run() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let env = PythonEnv::find(Some(&root)).expect("`make setup` installs Python's part");
    let config = PoolConfig {
        size: 1,
        refill: Refill::WhenTaken,
        warm_up: WarmUp::None,
        ..PoolConfig::new(env)
    };
    let judge = Judge::new(Some(KernelPool::new(config).expect("the sandbox holds")));
    let cases = [
        ("Sure:\n```python\ndef twice(x):\n    return helper(x) * 2\n```\nThat is it.", true, ""),
        // The body alone goes on with the prompt.
        ("    return x + x\n", true, ""),
        (
            "```python\ndef twice(x: int) -> List[int]:\n    return x * x\n```",
            false,
            "AssertionError",
        ),
        ("```python\nimport sys\nsys.exit(0)\n```", false, ""),
        ("```python\nimport os\nos._exit(0)\n```", false, ""),
        ("I don't know.", false, "SyntaxError"),
        (
            "```python\ndef twice(x):\n    open('/etc/oops', 'w')\n    return 2 * x\n```",
            false,
            "Error",
        ),
    ];
    for (reply, passes, note) in cases {
        let verdict = judge.judge(&twice(), reply).await.unwrap();
        assert_eq!(verdict.strict, passes, "{reply}: {verdict:?}");
        assert_eq!(verdict.note.is_none(), passes, "{reply}: {verdict:?}");
        assert!(verdict.note.unwrap_or_default().contains(note), "{reply}");
    }
}
