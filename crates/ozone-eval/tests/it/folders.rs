//! Runs that are stopped, torn, taken up and mixed up.

use std::fs;
use std::future::{pending, ready};

use ozone_eval::{
    Cache, Ended, FolderError, Judge, Options, Plan, RunError, RunFolder, Summary, fill,
};

use crate::support::{Toy, fails, open, options, plan, says, session, suite};

fn right(n: usize, _epoch: u32) -> ozone_eval::Answered {
    says(&format!("It is **{n}**."))
}

#[tokio::test]
async fn only_what_is_missing_is_asked() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(10));
    let judge = Judge::default();
    let toy = Toy::new(right);
    let mut run = open(folder.path(), plan(&suite));
    let half = &suite.problems[..4];
    fill(&mut run, half, &options(), &judge, |p, e| toy.ask(p, e), pending(), |_| {})
        .await
        .unwrap();
    drop(run);
    let mut run = open(folder.path(), plan(&suite));
    let mut seen = vec![];
    let watch = |p: &ozone_eval::Progress| seen.push((p.done, p.total));
    let ask = |p, e| toy.ask(p, e);
    let ended = fill(&mut run, &suite.problems, &options(), &judge, ask, pending(), watch).await;
    assert_eq!(ended.unwrap(), Ended::Complete);
    assert_eq!(toy.count(), 10);
    assert_eq!((seen[0], seen[seen.len() - 1]), ((4, 10), (10, 10)));
    let summary = Summary::of(&run);
    assert_eq!((summary.right, summary.samples, summary.missing), (10, 10, 0));
}

#[tokio::test]
async fn more_repeats_are_more_cells_of_the_same_run() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(3));
    let toy = Toy::new(|n, epoch| if epoch == 0 { right(n, epoch) } else { says("**99**") });
    for repeats in [1, 3] {
        let mut run = open(folder.path(), Plan { repeats, ..plan(&suite) });
        let ask = |p, e| toy.ask(p, e);
        let judge = Judge::default();
        fill(&mut run, &suite.problems, &options(), &judge, ask, pending(), |_| {}).await.unwrap();
    }
    assert_eq!(toy.count(), 9);
    let run = &RunFolder::read_all(folder.path()).unwrap()[0];
    let summary = Summary::of(run);
    assert_eq!((summary.questions, summary.samples), (3, 9));
    assert!((summary.accuracy - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(summary.pass_at_k[&3], 1.0);
    assert_eq!(summary.pass_hat_k[&3], 0.0);
    assert_eq!(summary.maj_at_k[&3], 0.0, "two of three say 99");
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_asked_again() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(3));
    let toy = Toy::new(right);
    let judge = Judge::default();
    let mut run = open(folder.path(), plan(&suite));
    fill(&mut run, &suite.problems, &options(), &judge, |p, e| toy.ask(p, e), pending(), |_| {})
        .await
        .unwrap();
    drop(run);
    let path = folder.path().join("cells.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 7]).unwrap();
    let mut run = open(folder.path(), plan(&suite));
    assert!(run.torn_bytes > 0);
    fill(&mut run, &suite.problems, &options(), &judge, |p, e| toy.ask(p, e), pending(), |_| {})
        .await
        .unwrap();
    assert_eq!(toy.count(), 4);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
}

#[tokio::test]
async fn damage_in_the_middle_is_told_with_its_line() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(2));
    drop(open(folder.path(), plan(&suite)));
    fs::write(folder.path().join("cells.jsonl"), "\n{\"id\": 1}\n").unwrap();
    let error = RunFolder::open(folder.path(), plan(&suite), session("a")).unwrap_err();
    assert!(matches!(error, FolderError::Damaged { line: 2, .. }), "{error}");
}

#[test]
fn a_folder_takes_one_plan_and_one_writer() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(2));
    let run = open(folder.path(), plan(&suite));
    let busy = RunFolder::open(folder.path(), plan(&suite), session("a")).unwrap_err();
    assert!(matches!(busy, FolderError::Busy { .. }), "{busy}");
    drop(run);
    let other = Plan { temperature: 0.5, ..plan(&suite) };
    let error = RunFolder::open(folder.path(), other, session("a")).unwrap_err().to_string();
    assert!(error.contains("temperature was 0.0 and is 0.5"), "{error}");
    let run = RunFolder::open(folder.path(), plan(&suite), session("b")).unwrap();
    let programs: Vec<&str> = run.manifest.sessions.iter().map(|s| s.program.as_str()).collect();
    assert_eq!(programs, ["a", "b"]);
}

#[tokio::test]
async fn what_failed_is_not_wrong_and_is_asked_again() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(4));
    let judge = Judge::default();
    let bad = Toy::new(|n, e| if n == 2 { fails("no connection") } else { right(n, e) });
    let mut run = open(folder.path(), plan(&suite));
    fill(&mut run, &suite.problems, &options(), &judge, |p, e| bad.ask(p, e), pending(), |_| {})
        .await
        .unwrap();
    let summary = Summary::of(&run);
    assert_eq!((summary.samples, summary.failed, summary.accuracy), (3, 1, 1.0));
    let good = Toy::new(right);
    fill(&mut run, &suite.problems, &options(), &judge, |p, e| good.ask(p, e), pending(), |_| {})
        .await
        .unwrap();
    assert_eq!(good.asked.lock().unwrap().as_slice(), [(2, 0)]);
    assert_eq!(Summary::of(&run).failed, 0);
}

#[tokio::test]
async fn a_run_ends_when_nobody_answers() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(100));
    let toy = Toy::new(|_, _| fails("connection refused"));
    let mut run = open(folder.path(), plan(&suite));
    let judge = Judge::default();
    let ask = |p, e| toy.ask(p, e);
    let error = fill(&mut run, &suite.problems, &options(), &judge, ask, pending(), |_| {}).await;
    let error = error.unwrap_err();
    assert!(matches!(&error, RunError::NobodyAnswers { last } if last == "connection refused"));
    assert!(toy.count() < 30, "{}", toy.count());
}

#[tokio::test]
async fn a_stop_keeps_what_was_answered() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(50));
    let toy = Toy::new(right);
    let mut run = open(folder.path(), plan(&suite));
    let judge = Judge::default();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let watch = |p: &ozone_eval::Progress| {
        if p.done == 5 {
            let _ = stop.take().map(|s| s.send(()));
        }
    };
    let stopping = async { drop(stopped.await) };
    let ask = |p, e| toy.ask(p, e);
    let ended = fill(&mut run, &suite.problems, &options(), &judge, ask, stopping, watch).await;
    assert_eq!(ended.unwrap(), Ended::Stopped);
    assert_eq!(Summary::of(&run).samples, 5);
    drop(run);
    let run = &RunFolder::read_all(folder.path()).unwrap()[0];
    assert_eq!(Summary::of(run).missing, 45);
    let mut run = open(folder.path(), plan(&suite));
    let ask = |p, e| toy.ask(p, e);
    let ended = fill(&mut run, &suite.problems, &options(), &judge, ask, ready(()), |_| {}).await;
    assert_eq!(ended.unwrap(), Ended::Stopped);
}

#[tokio::test]
async fn the_cache_answers_the_same_repeat_of_the_same_question_to_the_same_program() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), suite(3));
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    let options = Options { concurrency: 2, cache: Some(cache) };
    let toy = Toy::new(right);
    let judge = Judge::default();
    let mut asked = vec![];
    for (name, program, repeats) in [("1", "a", 1), ("2", "a", 2), ("3", "b", 1)] {
        let plan = Plan { repeats, ..plan(&suite) };
        let path = folder.path().join(name);
        let mut run = RunFolder::open(&path, plan, session(program)).unwrap();
        let ask = |p, e| toy.ask(p, e);
        fill(&mut run, &suite.problems, &options, &judge, ask, pending(), |_| {}).await.unwrap();
        asked.push(toy.count());
    }
    assert_eq!(
        asked,
        [3, 6, 9],
        "the second repeat is another answer, and so is another program's"
    );
}
