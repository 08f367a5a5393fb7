//! Custom tools' inputs: a call holds exactly the texts of the tool's grammar, in each format. Here between
//! the marks; that the engine reads them from a JSON string is tested where the engine is.

use llguidance::ParserFactory;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::ApproximateTokEnv;
use ozone_prompt::{
    AnswerCalls, AnswerShape, Format, InputGrammar, StreamParser, Tokenizer, ToolSpec,
    answer_grammar, call_grammar, input_marks,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::grammar::{accepts, run, take};
use crate::support::*;

fn custom(grammar: InputGrammar) -> ToolSpec {
    ToolSpec {
        name: "edit".into(),
        description: "Edits.".into(),
        parameters: json!({
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
            "additionalProperties": false,
        }),
        grammar: Some(grammar),
    }
}

fn lark(definition: &str) -> InputGrammar {
    InputGrammar::Lark(definition.into())
}

fn regex(definition: &str) -> InputGrammar {
    InputGrammar::Regex(definition.into())
}

/// What Codex sends for its `apply_patch`.
const PATCH: &str = r#"start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?

hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?

filename: /(.+)/
add_line: "+" /(.*)/ LF -> line

change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF

%import common.LF
"#;

/// Grammars, with texts of each and texts that are none.
fn grammars() -> Vec<(InputGrammar, &'static [&'static str], &'static [&'static str])> {
    vec![
        (regex(r"[a-z]+=\d{1,3}"), &["a=1", "abc=999", "x=٣"], &["", "a=", "a=1234", "A=1"]),
        (
            regex(r#"(?i)grüße "an"\\?"#),
            &["grüße \"an\"", "GRÜßE \"AN\"\\", "Grüẞe \"An\""],
            &["grüße an", "grüße \\\"an\\\"", "grüße \"an\"\\\\"],
        ),
        (regex("(?s:.*)"), &["", "\"", "\\", "\n\t\r\u{8}\u{c}", "\0\u{1f}\u{7f}é😀"], &[]),
        (regex(".+"), &["\"\\\t", "日本語"], &["", "a\nb", "\n"]),
        (regex("a||\"b"), &["a", "", "\"b"], &["b", "ab"]),
        (regex("^x\\/y$"), &["x/y"], &["x", " x/y"]),
        (regex(r"\S+\n\S*"), &["a\nb", "\"\n", "\\n\n\\"], &["a\\nb", "a b\n", "\n"]),
        (regex(r"[\x00-\x1f]+"), &["\0", "\n\u{1b}\r", "\u{1f}"], &["", " ", "\\u0000"]),
        (regex(r#""(?:[^"\\]|\\.)*""#), &["\"\"", "\"a\\\"b\""], &["\"", "\"\\\"", "\"a\"b\""]),
        (regex(r"[^\x{e0}-\x{ff}]{2}"), &["ab", "\"\n", "ĀĀ"], &["é.", "a", "abc"]),
        (
            lark(PATCH),
            &[
                "*** Begin Patch\n*** Add File: a \"b\".txt\n+say(\"\\n\")\n+\té 😀\n*** End Patch",
                "*** Begin Patch\n*** Update File: x\n@@ fn main() {\n-\t\"a\"\n+'b'\n*** End of File\n*** End Patch\n",
                "*** Begin Patch\n*** Delete File: C:\\x\n*** End Patch\n",
            ],
            &[
                "rm -rf",
                "*** Begin Patch\n*** End Patch",
                "*** Begin Patch\\n*** Delete File: x\\n*** End Patch",
                "*** Begin Patch\n*** Add File: a\nno plus\n*** End Patch",
            ],
        ),
        (
            lark(
                "start: sum\nsum: sum \"+\" term | term\nterm: NUMBER | \"(\" sum \")\"\n%import common.NUMBER\n%import common.WS\n%ignore WS\n",
            ),
            &["1", "1 + (2\n+\t3.5)", "((7))", "1 +2"],
            &["", "1 +", "(1", "1 2", " 1", "\\n1"],
        ),
        (
            lark(
                "start: \"select\"i WS_INLINE (COL | \"*\") // all\n  | \"drop\" # nothing\n%import common (WS_INLINE, CNAME)\nCOL: CNAME | /\"[^\"\\n]+\"/\n",
            ),
            &["SELECT *", "select \"Grö\\ße\"", "Select\ta_1", "drop"],
            &["SELECT", "select \"\n\"", "DROP", "select 'a'"],
        ),
        (
            lark(
                "start: a\n%import common.ESCAPED_STRING -> TEXT\na: \"[\" [a (\",\" a)*] \"]\" | TEXT | D ~ 2..3\nD: \"0\"..\"9\" | \"\\x41\" | \"\\\"\"\n",
            ),
            &["[]", "[\"x\\\"y\",[\"\"]]", "12", "A\"7", "[12,[A\"]]"],
            &["1", "1234", "[", "\"x", "[1]"],
        ),
        (
            lark(
                "start: \"<\" SAFE \">\" Y \"!\"\nY: /[^!]{1,2}/ & ~\"x\"\nSAFE: /(?s:.*)/ & ~(/(?s:.*)/ (\"\\\"\" | \">\") /(?s:.*)/)\n",
            ),
            &["<a\nb>y!", "<>\"\\!", "<\\>zz!"],
            &["<\">y!", "<a>x!", "<a>y"],
        ),
        (
            lark(
                "start: item{2,3} rest?\nitem[lazy]: /(?s:.+)/ \";\"\nrest[suffix=\"\\n\"]: /[^;]*/\n",
            ),
            &["a;b;", "a\"\n;\\;c;", "a;b;tail\n"],
            &["a;", ";a", "a;b;tail"],
        ),
        (
            lark(
                "start: \"{\" inner \"}\"\ninner: %lark {\n  start: \"\\\"\" W \"\\\"\"\n  W: /[a-zß]{2,}/\n}\n",
            ),
            &["{\"ab\"}", "{\"ßß\"}"],
            &["{ab}", "{\"a\"}", "{\\\"ab\\\"}"],
        ),
        (lark("start: \"a\"*\n"), &["", "a", "aaa"], &["b", "ab"]),
        (
            lark(
                "start: list::0\nlist::_: \"\\n\" list::incr(_) %if lt(_, 2)\n  | \".\" %if true\n",
            ),
            &[".", "\n.", "\n\n."],
            &["\n", "\n\n\n.", ""],
        ),
    ]
}

/// Whether a text is one of the grammar's, without any JSON around it.
fn fits(grammar: &InputGrammar, text: &str) -> bool {
    let environment = ApproximateTokEnv::single_byte_env();
    let mut factory = ParserFactory::new_simple(&environment).unwrap();
    factory.quiet();
    let grammar = match grammar {
        InputGrammar::Lark(lark) => TopLevelGrammar::from_lark(lark.clone()),
        InputGrammar::Regex(regex) => TopLevelGrammar::from_regex(regex),
    };
    let ids: Vec<u32> = text.bytes().map(u32::from).collect();
    take(&factory, grammar, &ids) == (ids.len(), true)
}

fn formats() -> [(Format, Bytes, &'static str, &'static str, &'static str); 4] {
    let hermes = "\n{\"name\": \"edit\", \"arguments\": ";
    [
        (Format::HermesQwen, Bytes::qwen(), "<tool_call>", hermes, "}\n</tool_call>"),
        (
            Format::Plain,
            Bytes::new(&["<s>", "</s>", "<pad>"], &["</s>"]),
            "<tool_call>",
            hermes,
            "}\n</tool_call>",
        ),
        (
            Format::DeepSeekR1,
            Bytes::deep_seek(),
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>",
            "function<｜tool▁sep｜>edit\n```json\n",
            "\n```<｜tool▁call▁end｜>",
        ),
        (
            Format::Harmony,
            Bytes::harmony(),
            "<|start|>assistant to=functions.",
            "edit <|constrain|>json<|message|>",
            "<|call|>",
        ),
    ]
}

/// The tokens of a call as the grammar reads them: the text stands between two marks.
fn marked(vocabulary: &Bytes, open: &str, text: &str, close: &str) -> Vec<u32> {
    let [mark, other] = input_marks(vocabulary).unwrap();
    [
        vocabulary.encode(&format!("{open}{{\"input\": \""), true),
        vec![mark],
        vocabulary.encode(text, false),
        vec![other],
        vocabulary.encode(&format!("\"}}{close}"), true),
    ]
    .concat()
}

/// That each format's call takes a text as input exactly if `fit`, and gives it back unchanged.
fn check(grammar: &InputGrammar, text: &str, fit: bool) {
    let tools = [python(), custom(grammar.clone()), weather()];
    for (format, vocabulary, before, open, close) in formats() {
        let lark = call_grammar(format, &tools, Some(&vocabulary)).unwrap().lark;
        let ids = marked(&vocabulary, open, text, close);
        assert_eq!(run(&lark, &vocabulary, &ids) == (ids.len(), true), fit, "{text:?}\n{lark}");
        if fit {
            let call = format!("{before}{open}{}{close}", json!({"input": text}));
            let parsed = StreamParser::parse(format, &tools, false, &call);
            let calls: Vec<_> = parsed.tool_calls().collect();
            let [(_, "edit", arguments)] = calls.as_slice() else { panic!("{parsed:?}") };
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            assert_eq!(arguments["input"], text);
        }
    }
}

#[test]
fn an_input_is_a_text_of_the_tools_grammar_in_every_format() {
    for (grammar, right, wrong) in grammars() {
        for (texts, fit) in [(right, true), (wrong, false)] {
            for text in texts {
                assert_eq!(fits(&grammar, text), fit, "{text:?} {grammar:?}");
                check(&grammar, text, fit);
            }
        }
    }
}

/// Any text: also those that nobody thought of are the same with JSON around them and without.
fn text() -> impl Strategy<Value = String> {
    let pieces = proptest::sample::select(vec![
        "a",
        "b",
        "1",
        "+",
        "(",
        ")",
        " ",
        "\n",
        "\t",
        "\"",
        "\\",
        "\\n",
        "é",
        "ß",
        "😀",
        "\0",
        "\u{1f}",
        "\u{7f}",
        "<",
        ">",
        "x",
        "!",
        ";",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "*",
        "A",
        "=",
        "*** Begin Patch\n",
        "*** Delete File: f\n",
        "*** End Patch",
        "select ",
        "\"}",
        "\\u000a",
    ]);
    proptest::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_call_changes_no_grammars_language(at in any::<prop::sample::Index>(), text in text()) {
        let grammars = grammars();
        let (grammar, ..) = at.get(&grammars);
        let (format, vocabulary, _, open, close) = &formats()[3];
        let tools = [custom(grammar.clone())];
        let lark = call_grammar(*format, &tools, Some(vocabulary)).unwrap().lark;
        let ids = marked(vocabulary, open, &text, close);
        let taken = run(&lark, vocabulary, &ids) == (ids.len(), true);
        prop_assert_eq!(taken, fits(grammar, &text));
    }
}

/// XML has no escapes; and a model that had begun a call in it could not name this tool.
#[test]
fn calls_are_json_where_an_input_has_a_grammar() {
    let vocabulary = Bytes::qwen();
    let xml = "\n<function=python>\n<parameter=code>\n1\n</parameter>\n</function>\n</tool_call>";
    let same = "\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>";
    let free = ToolSpec { grammar: None, ..custom(regex("x")) };
    for (tools, or_xml) in
        [(vec![python(), free], true), (vec![python(), custom(regex("x"))], false)]
    {
        let lark = call_grammar(Format::HermesQwen, &tools, Some(&vocabulary)).unwrap().lark;
        let ok = |text: &str| {
            let ids = vocabulary.encode(text, true);
            run(&lark, &vocabulary, &ids) == (ids.len(), true)
        };
        assert_eq!(ok(xml), or_xml);
        assert!(ok(same));
    }
}

/// What is more than a grammar of texts is left to who checks the whole call.
#[test]
fn what_says_more_than_a_text_leaves_the_input_free() {
    let vocabulary = Bytes::harmony();
    let call = "edit<|message|>{\"input\": \"anything \\\"at\\\" all\\n\"}<|call|>";
    for grammar in [
        "start: <[65]>\n",
        "start: a\na[max_tokens=3]: /.*/\n",
        "start: a\na[stop=\"x\"]: /.*/\n",
        "%llguidance {\"allow_initial_skip\": true}\nstart: \"a\"\n",
        "start: \"a\" ~\"x\"\n",
        "start: \"unfinished",
        "start: /unfinished",
        "start: @other",
        "start: /a(?P<stop>b)/",
    ] {
        assert!(accepts(Format::Harmony, &[custom(lark(grammar))], &vocabulary, call), "{grammar}");
    }
    // Characters that only look like it.
    for grammar in ["start: \"<=~@%llguidance\" /[~=<@]/ // ~= <x>\n  # @", "start: \"a\" ~ 2..3\n"]
    {
        let tools = [custom(lark(grammar))];
        let lark = call_grammar(Format::Harmony, &tools, Some(&vocabulary)).unwrap().lark;
        assert!(lark.contains(grammar), "{lark}");
    }
}

/// The engine could not tell a text from what stands around it.
#[test]
fn a_vocabulary_without_special_tokens_leaves_the_input_free() {
    let plain = Bytes::new(&["</s>", "<s>"], &["</s>"]);
    assert_eq!(input_marks(&plain), None);
    let call = "{\"name\": \"edit\", \"arguments\": {\"input\": \"b\"}}</tool_call>";
    assert!(accepts(Format::Plain, &[custom(regex("a"))], &plain, call));
}

#[test]
fn a_due_call_has_an_input_of_its_grammar_too() {
    let vocabulary = Bytes::qwen();
    let tools = [python(), custom(lark("start: /[ä-ü]+\\n/\n"))];
    let edit = |input: &str| {
        let open = "<tool_call>\n{\"name\": \"edit\", \"arguments\": ";
        marked(&vocabulary, open, input, "}\n</tool_call>")
    };
    let code =
        "<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>";
    let text = |text: &str| vocabulary.encode(text, true);
    let said = text("Hm.");
    let (good, bad, code) = (edit("äöü\n"), edit("aou\n"), text(code));
    let named = AnswerCalls::Named("edit");
    let schema = json!({"type": "array", "items": {"type": "integer"}});
    for (calls, parallel_calls, form, right, wrong) in [
        (AnswerCalls::Required, true, None, vec![&good, &code], vec![&bad, &said]),
        (AnswerCalls::Required, false, None, vec![&good, &code], vec![&bad]),
        (named, true, None, vec![&good], vec![&bad, &code]),
        (AnswerCalls::Auto, false, None, vec![&good, &code], vec![&bad]),
        (AnswerCalls::Auto, true, Some(&schema), vec![&good, &code], vec![&bad, &said]),
    ] {
        let shape = AnswerShape { calls, parallel_calls, text: form };
        let grammar =
            answer_grammar(Format::HermesQwen, &tools, &shape, false, &vocabulary).unwrap();
        let check = |ids: &[u32]| run(&grammar, &vocabulary, ids) == (ids.len(), true);
        for call in right {
            assert!(check(call), "{shape:?} {}", vocabulary.show(call));
            let two = [&call[..], &text("\n"), &good].concat();
            assert_eq!(check(&two), parallel_calls, "{shape:?} {}", vocabulary.show(&two));
        }
        for call in wrong {
            assert!(!check(call), "{shape:?} {}", vocabulary.show(call));
            assert!(!check(&[&good[..], &text("\n"), call].concat()), "{shape:?}");
        }
    }
}

/// A namespaced recipient of Harmony begins no call of a function, so it has no grammar.
#[test]
fn a_dotted_name_is_no_function_of_harmony() {
    let tool = ToolSpec { name: "repo.edit".into(), ..custom(regex("x")) };
    assert_eq!(call_grammar(Format::Harmony, &[tool], None), None);
}
