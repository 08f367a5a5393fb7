//! The benchmark of pictures, as its callers meet it.

mod traces;

use ozone_imagebench::{Case, Family, UNREADABLE, oracle};
use ozone_tasks::{Answer, Value, grade};
use ozone_tools::image::Ocr;

fn case(family: Family, index: u64) -> Case {
    Case { family, seed: 7, index }
}

fn reader() -> Ocr {
    Ocr::find(std::env::var_os("PATH").as_deref())
}

/// Families that can be answered here.
fn answerable(family: Family) -> bool {
    let can = !family.reads_text() || reader().program().is_some();
    if !can {
        eprintln!("skipped {}: tesseract is not installed", family.name());
    }
    can
}

async fn consult(case: Case, ablated: bool) -> (String, Answer) {
    let drawn = case.draw();
    let (question, answer) = (drawn.question.clone(), drawn.answer.clone());
    let (picture, folder) = (drawn.paint(), tempfile::tempdir().unwrap());
    let reply =
        oracle::answer(case.family, &question, &picture, folder.path(), reader(), ablated).await;
    (reply.unwrap().text, answer)
}

#[test]
fn a_case_follows_from_its_name() {
    for family in Family::ALL {
        let first = case(*family, 3);
        assert_eq!(Case::named(&first.name()), Some(first));
        let (a, b) = (first.draw(), first.draw());
        assert_eq!((&a.question, &a.answer), (&b.question, &b.answer));
        assert!(a.paint() == b.paint(), "{}", family.name());
        let other = Case { seed: 8, ..first }.draw();
        assert!(other.paint() != case(*family, 3).draw().paint(), "{}", family.name());
    }
    assert_eq!(Case::named("oriented/7/3/v0"), None);
    assert_eq!(Case::named("sums/7/3/v2"), None);
}

#[test]
fn one_case_in_ten_is_unreadable_and_says_how_to_answer() {
    for family in Family::ALL {
        let cases: Vec<Case> = (0..40).map(|index| case(*family, index)).collect();
        assert_eq!(cases.iter().filter(|case| !case.is_readable()).count(), 4);
        for case in cases {
            let drawn = case.draw();
            let gives_up = grade(&drawn.answer, &format!("**{UNREADABLE}**"));
            assert_eq!(gives_up, !case.is_readable(), "{}", case.name());
            assert!(drawn.question.contains("**unreadable**"), "{}", drawn.question);
        }
    }
}

#[test]
fn difficulties_come_in_turn() {
    let all: Vec<u32> = (0..6).map(|i| case(Family::Maze, i).difficulty()).collect();
    assert_eq!(all, [1, 2, 3, 4, 5, 1]);
}

/// The tools suffice: each family's policy reads nothing but what they return.
#[tokio::test]
async fn the_oracle_answers_with_the_tools_alone() {
    for family in Family::ALL.iter().copied().filter(|family| answerable(*family)) {
        let mut right = 0;
        let mut wrong = vec![];
        for index in 0..3 {
            let (reply, answer) = consult(case(family, index), false).await;
            match grade(&answer, &reply) {
                true => right += 1,
                false => wrong.push(format!("{reply} for {answer:?}")),
            }
        }
        assert!(right >= 1, "{}: {wrong:?}", family.name());
    }
}

/// What destroys the information does so for the tools, too.
#[tokio::test]
async fn what_cannot_be_read_is_called_so() {
    for family in Family::ALL.iter().copied().filter(|family| answerable(*family)) {
        let index = (0..10).find(|index| !case(family, *index).is_readable()).unwrap();
        let (reply, answer) = consult(case(family, index), false).await;
        assert_eq!(answer, Answer::Values(vec![Value::Text(UNREADABLE.into())]));
        assert_eq!(reply, "**unreadable**", "{}", family.name());
    }
}

/// It is the tools that help: with ones that return the unchanged picture nothing is found out.
#[tokio::test]
async fn tools_that_do_nothing_bring_nothing() {
    for family in Family::ALL {
        for index in 0..3 {
            let (reply, _) = consult(case(*family, index), true).await;
            assert_eq!(reply, "**unreadable**", "{}", family.name());
        }
    }
}

/// A file that was cut off is an error that names it, and no answer.
#[tokio::test]
async fn a_damaged_picture_is_no_answer() {
    let drawn = case(Family::Count, 0).draw();
    let question = drawn.question.clone();
    let mut picture = drawn.paint();
    picture.bytes.truncate(picture.bytes.len() / 3);
    let folder = tempfile::tempdir().unwrap();
    let reply =
        oracle::answer(Family::Count, &question, &picture, folder.path(), Ocr::find(None), false);
    let error = reply.await.unwrap_err().to_string();
    assert!(error.starts_with("picture.png: the PNG file is damaged"), "{error}");
}

#[tokio::test]
async fn without_tesseract_print_is_refused_with_the_cause() {
    let drawn = case(Family::Oriented, 0).draw();
    let question = drawn.question.clone();
    let (picture, folder) = (drawn.paint(), tempfile::tempdir().unwrap());
    let none = Ocr::find(None);
    let reply =
        oracle::answer(Family::Oriented, &question, &picture, folder.path(), none, false).await;
    assert!(reply.unwrap_err().to_string().contains("`tesseract` is not installed"));
}
