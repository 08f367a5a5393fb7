use serde_json::Value;

use crate::support::{Home, stderr};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A model of one small layer, hardly trained: every way is walked, nothing is learned.
#[test]
fn a_run_is_started_grown_practised_and_rewarded() {
    let home = Home::new();
    let ok = |args: &[&str]| {
        let output = home.run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stderr(&output)
    };
    let shape = ["--hidden-size", "64", "--layers", "1", "--heads", "1"];
    let start = ["train", "start", "--intermediate-size", "96", "--tokens", "30000"];
    ok(&[&start[..], &shape].concat());
    // The shape of a run that exists need not be said again; another one is refused.
    let refused = home.run(&["train", "start", "--layers", "2", "--tokens", "40000"]);
    assert!(stderr(&refused).contains("another shape"), "{}", stderr(&refused));

    let grow = ["--grow-from", "start", "--layers", "2", "--tokens", "10000"];
    let slow = ["--learning-rate", "0.001"];
    ok(&[&["train", "grown"][..], &grow, &slow].concat());
    let refused = home.run(&["train", "other", "--grow-from", "start", "--hidden-size", "128"]);
    assert!(stderr(&refused).contains("grows in"), "{}", stderr(&refused));

    std::fs::write(
        home.path().join("difficult.jsonl"),
        "{\"kind\":\"arithmetic/add\",\"line\":0,\"nats\":3.0}\n",
    )
    .unwrap();
    let practise = ["--grow-from", "start", "--practise", "difficult.jsonl", "--tokens", "10000"];
    ok(&[&["train", "practised"][..], &practise].concat());
    std::fs::write(
        home.path().join("wrong.jsonl"),
        "{\"kind\":\"arithmetic/add\",\"line\":99999,\"nats\":3.0}\n",
    )
    .unwrap();
    let refused = home.run(&["train", "x", "--grow-from", "start", "--practise", "wrong.jsonl"]);
    assert!(stderr(&refused).contains("measure the wordings again"), "{}", stderr(&refused));

    let mut reinforce = vec!["train", "rewarded", "--reinforce-from", "grown", "--steps", "1"];
    reinforce.extend(["--samples", "2", "--groups", "1", "--score-every", "0"]);
    reinforce.extend(["--export-rollouts", "rollouts.jsonl"]);
    ok(&reinforce);
    let folder = home.path().join("rewarded");
    let log = lines(&std::fs::read_to_string(folder.join("log.jsonl")).unwrap());
    let kinds: Vec<&str> = log.iter().map(|line| line["record"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "step", "finished"]);
    assert!(log[1]["entropy"].as_f64().unwrap() > 0.5, "{}", log[1]);
    let svg = std::fs::read_to_string(folder.join("curves.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("Python used"), "{svg}");
    let rollouts = lines(&std::fs::read_to_string(home.path().join("rollouts.jsonl")).unwrap());
    assert!(rollouts.len() >= 2, "{rollouts:?}");
    for rollout in &rollouts {
        let passage = &rollout["passages"][0];
        let (ids, logprobs) = (&passage["ids"], passage["logprobs"].as_array().unwrap());
        assert_eq!(ids.as_array().unwrap().len(), logprobs.len());
        assert!(logprobs[0].is_null(), "the prompt was not sampled");
        assert!(logprobs.iter().any(Value::is_number), "{rollout}");
    }
    // A run of one kind does not go on as the other.
    let refused = home.run(&["train", "rewarded", "--tokens", "90000"]);
    assert!(stderr(&refused).contains("kind of training"), "{}", stderr(&refused));
}
