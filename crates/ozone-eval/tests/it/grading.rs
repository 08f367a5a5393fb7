//! What is right strictly, and what leniently.

use ozone_eval::{Expected, Judge, Verdict};
use ozone_tasks::{Answer, grade};
use serde_json::{Map, Value, json};

async fn judged(expected: &Expected, reply: &str) -> Verdict {
    Judge::default().judge(expected, reply).await.unwrap()
}

async fn is(expected: Expected, reply: &str, strict: bool, lenient: bool) -> Option<String> {
    let verdict = judged(&expected, reply).await;
    assert_eq!((verdict.strict, verdict.lenient), (strict, lenient), "{expected:?}: {reply}");
    verdict.answer
}

#[tokio::test]
async fn a_number_stands_behind_the_hashes_or_last() {
    let right = || Expected::Number("1,201".into());
    is(right(), "So 2 + 1199.\n#### 1201", true, true).await;
    is(right(), "#### $1,201.00", true, true).await;
    let answer = is(right(), "The total is 1,201 pens.", false, true).await;
    assert_eq!(answer.as_deref(), Some("1201"));
    is(right(), "It is 1,201 of 1,300.", false, false).await;
    is(right(), "#### 1200\n1201", false, true).await;
    is(right(), "no number", false, false).await;
    is(Expected::Number("-5".into()), "#### -5", true, true).await;
}

#[tokio::test]
async fn latex_is_compared_as_the_set_compares_it() {
    let same = [
        ("\\frac{1}{2}", "\\dfrac12"),
        ("\\frac{1}{2}", "0.5"),
        ("\\frac{1}{2}", "1/2"),
        ("\\sqrt{3}", "\\sqrt3"),
        ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\frac{\\pi}{2})"),
        ("5", "x = 5"),
        ("10", "10\\%"),
        ("90", "90^\\circ"),
        ("7", "7\\text{ cm}"),
        ("\\frac{\\sqrt{2}}{2}", "\\frac{\\sqrt2}{2}"),
    ];
    for (right, given) in same {
        let reply = format!("Thus \\boxed{{{given}}}.");
        is(Expected::Boxed(right.into()), &reply, true, true).await;
    }
    let lenient = [
        ("0.25", "\\boxed{\\frac14}"),
        ("1000", "\\boxed{1{,}000}"),
        ("70", "It is **70**."),
        ("70", "so 70"),
        ("70", "\\boxed{70"),
    ];
    for (right, reply) in lenient {
        let verdict = judged(&Expected::Boxed(right.into()), reply).await;
        assert!(!verdict.strict, "{reply}");
        assert!(verdict.lenient, "{reply}");
    }
    let wrong = ["\\boxed{71}", "first 70, then \\boxed{71}", "", "\\boxed{}"];
    for reply in wrong {
        is(Expected::Boxed("70".into()), reply, false, false).await;
    }
    let nested = "First \\boxed{1}, finally \\boxed{\\frac{a}{b}}";
    is(Expected::Boxed("\\frac{a}{b}".into()), nested, true, true).await;
}

#[tokio::test]
async fn equal_answers_count_as_one_vote() {
    let right = || Expected::Boxed("0.5".into());
    let first = is(right(), "\\boxed{\\frac12}", true, true).await;
    assert_eq!(first, is(right(), "\\boxed{0.50}", false, true).await);
}

#[tokio::test]
async fn a_letter_is_stated_or_stands_alone() {
    let right = || Expected::Letter('C');
    is(right(), "Because … \nAnswer: C", true, true).await;
    is(right(), "**Answer: (C)**", true, true).await;
    is(right(), "The answer is C.", true, true).await;
    is(right(), "\\boxed{C}", false, true).await;
    is(right(), "I choose (C).", false, true).await;
    is(right(), "Answer: B, not C", false, false).await;
    is(right(), "Cats", false, false).await;
}

#[tokio::test]
async fn a_stated_answer_is_what_follows_the_answer_is() {
    let option = || Expected::Stated("(B)".into());
    is(option(), "So the answer is (B).", true, true).await;
    is(option(), "So the answer is **(B)**.", true, true).await;
    is(option(), "So the answer is B.", false, true).await;
    is(option(), "It must be (A)… no, (B)", false, true).await;
    is(option(), "So the answer is (A), not (B).", false, false).await;
    is(Expected::Stated("True".into()), "the answer is true", false, true).await;
    is(Expected::Stated("a b c".into()), "So the answer is a  b c.", false, true).await;
    is(Expected::Stated("] ]".into()), "So the answer is ] ].", true, true).await;
}

#[tokio::test]
async fn the_own_form_wants_bold_values() {
    let right = || Expected::Own(Answer::Values(vec![grade::number(42), grade::text("no")]));
    let answer = is(right(), "It is **42**, so **No**.", true, true).await;
    assert_eq!(answer.as_deref(), Some("42 | no"));
    is(right(), "**Answer**: **42**, **no**", false, true).await;
    is(right(), "42, no", false, false).await;
    let one = || Expected::Own(Answer::Values(vec![grade::number(42)]));
    is(one(), "It is 42.", false, true).await;
    is(one(), "It is **41**, not 42", false, true).await;
    is(one(), "It is **41**.", false, false).await;
    let declined = is(Expected::Own(Answer::Declined), "I can't know that.", true, true).await;
    assert_eq!(declined.as_deref(), Some("(declined)"));
}

fn told(id: &str, arguments: Value) -> Expected {
    let arguments: Map<String, Value> = serde_json::from_value(arguments).unwrap();
    Expected::Instructions { prompt: "Say hi.".into(), list: vec![(id.into(), arguments)] }
}

/// Each instruction with a reply that follows and one that does not.
#[tokio::test]
async fn instructions_are_checked_one_by_one() {
    let at_least = "at least";
    let cases = [
        ("keywords:existence", json!({"keywords": ["sea"]}), "The Sea.", "The lake."),
        (
            "keywords:frequency",
            json!({"keyword": "sea", "frequency": 2, "relation": at_least}),
            "sea sea",
            "sea",
        ),
        ("keywords:forbidden_words", json!({"forbidden_words": ["sea"]}), "seaside", "the sea."),
        (
            "keywords:letter_frequency",
            json!({"letter": "E", "let_frequency": 2, "let_relation": "less than"}),
            "tea",
            "tee",
        ),
        (
            "language:response_language",
            json!({"language": "de"}),
            "Das Wetter ist heute sehr schön und warm.",
            "The weather is very nice and warm today.",
        ),
        (
            "length_constraints:number_sentences",
            json!({"num_sentences": 2, "relation": at_least}),
            "One. Two!",
            "Dr. Who is one",
        ),
        (
            "length_constraints:number_paragraphs",
            json!({"num_paragraphs": 2}),
            "One\n***\nTwo",
            "One\n\nTwo",
        ),
        (
            "length_constraints:number_words",
            json!({"num_words": 3, "relation": "less than"}),
            "two words",
            "three words here",
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            json!({"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"}),
            "First.\n\nThen, it",
            "First.\n\nAnd then",
        ),
        (
            "detectable_content:number_placeholders",
            json!({"num_placeholders": 2}),
            "[name] [street]",
            "[name]",
        ),
        (
            "detectable_content:postscript",
            json!({"postscript_marker": "P.S."}),
            "Bye.\nP.S. More",
            "Bye.",
        ),
        ("detectable_format:number_bullet_lists", json!({"num_bullets": 2}), "* a\n- b", "* a"),
        ("detectable_format:constrained_response", json!({}), "My answer is maybe.", "maybe"),
        (
            "detectable_format:number_highlighted_sections",
            json!({"num_highlights": 1}),
            "an *important* word",
            "none",
        ),
        (
            "detectable_format:multiple_sections",
            json!({"section_spliter": "Section", "num_sections": 2}),
            "Section 1\na\nSection 2\nb",
            "Section 1",
        ),
        ("detectable_format:json_format", json!({}), "```json\n{\"a\": [1]}\n```", "a: 1"),
        ("detectable_format:title", json!({}), "<<On seas>>\nText", "<<  >>"),
        ("combination:two_responses", json!({}), "one\n******\ntwo", "one\n******\none"),
        (
            "combination:repeat_prompt",
            json!({"prompt_to_repeat": "Say hi."}),
            "say hi. Hi!",
            "Hi! Say hi.",
        ),
        (
            "startend:end_checker",
            json!({"end_phrase": "The end."}),
            "So. The end.\"",
            "The end. Or not",
        ),
        ("startend:quotation", json!({}), " \"all of it\" ", "\"half\" of it"),
        (
            "change_case:capital_word_frequency",
            json!({"capital_frequency": 2, "capital_relation": at_least}),
            "BIG AND small",
            "Big AND small",
        ),
        (
            "change_case:english_capital",
            json!({}),
            "THE WEATHER IS VERY NICE AND WARM TODAY.",
            "The weather",
        ),
        (
            "change_case:english_lowercase",
            json!({}),
            "the weather is very nice and warm today.",
            "The weather",
        ),
        ("punctuation:no_comma", json!({}), "no comma", "a, comma"),
    ];
    assert_eq!(cases.len(), 25, "the set has 25 instructions");
    for (id, arguments, follows, does_not) in cases {
        assert!(judged(&told(id, arguments.clone()), follows).await.strict, "{id}: {follows}");
        assert!(!judged(&told(id, arguments), does_not).await.strict, "{id}: {does_not}");
    }
}

#[tokio::test]
async fn a_greeting_before_the_answer_is_leniently_forgiven() {
    let bullets = || told("detectable_format:json_format", json!({}));
    is(bullets(), "Sure, here it is:\n{\"a\": 1}", false, true).await;
    is(bullets(), "", false, false).await;
    let two = Expected::Instructions {
        prompt: String::new(),
        list: vec![
            ("punctuation:no_comma".into(), Map::new()),
            ("startend:quotation".into(), Map::new()),
        ],
    };
    is(two, "\"a, b\"", false, false).await;
}

#[tokio::test]
async fn code_without_a_sandbox_is_not_judged() {
    let code = Expected::Code { prompt: None, before: String::new(), after: "assert True".into() };
    let error = Judge::default().judge(&code, "x = 1").await.unwrap_err();
    assert!(error.to_string().contains("only be run in the sandbox"), "{error}");
}
