//! What holds for any usage.

use ozone_cost::{Amount, By, Facts, Kind, LedgerLine, Meter, PriceBook, Report, Tokens, Total};
use proptest::prelude::*;

use crate::support::{at, book, in_and_out, price, row, today};

/// Any usage that the shipped o3 rows can price.
fn usage() -> impl Strategy<Value = Tokens> {
    (0u64..1 << 40, 0u64..1 << 40, 0u64..1 << 40, 0u64..1 << 40).prop_map(
        |(input, cached, output, thinking)| {
            Tokens::default()
                .with(Meter::Input, input)
                .with(Meter::CachedInput, cached)
                .with(Meter::Output, output)
                .with(Meter::ReasoningOutput, thinking)
        },
    )
}

fn times(amount: Amount, n: usize) -> Amount {
    std::iter::repeat_n(amount, n).sum()
}

proptest! {
    #[test]
    fn before_the_cut_was_five_times_after_it(tokens in usage()) {
        let facts = Facts::new("openai", "o3", tokens);
        let before = price(&facts, at("2025-06-09")).total.unwrap();
        let after = price(&facts, at("2025-06-11")).total.unwrap();
        prop_assert_eq!(before, times(after, 5));
    }

    #[test]
    fn a_tier_reprices_every_token(input in 200_001u64..1 << 30, output in 0u64..1 << 30) {
        let facts = in_and_out("gemini-2.5-pro", input, output);
        let flat = book(&row("models = [\"gemini-2.5-pro\"]\nrates = { input = \"2.5\", output = \"15\" }"));
        prop_assert_eq!(price(&facts, today()).total, flat.price(&facts, today()).total);
    }

    /// The tier is chosen by the whole prompt, wherever its tokens came from.
    #[test]
    fn cached_tokens_count_for_the_tier(cached in 0u64..=300_000) {
        let tokens = |new| Tokens::default().with(Meter::Input, new).with(Meter::CachedInput, cached);
        let facts = Facts::new("gemini", "gemini-2.5-pro", tokens(300_000 - cached));
        let priced = price(&facts, today());
        for line in &priced.lines {
            let expected = if line.what == "input" { "2.5" } else { "0.25" };
            prop_assert_eq!(line.price.per_million_text(), expected);
        }
    }

    #[test]
    fn the_order_of_lines_does_not_matter(
        lines in prop::collection::vec((0u64..1 << 30, 0u64..1 << 20), 0..40), seed in any::<u64>()
    ) {
        let book = PriceBook::built_in();
        let mut amounts: Vec<Amount> = lines
            .iter()
            .map(|(i, o)| book.price(&in_and_out("o4-mini", *i, *o), today()).total.unwrap())
            .collect();
        let sum: Amount = amounts.iter().copied().sum();
        let n = amounts.len().max(1);
        for i in 0..amounts.len() {
            amounts.swap(i, (seed as usize).wrapping_mul(i + 1) % n);
        }
        prop_assert_eq!(sum, amounts.iter().copied().sum());
        // And one call with all of it costs the same: no line was rounded.
        let (input, output) = lines.iter().fold((0, 0), |(a, b), (i, o)| (a + i, b + o));
        prop_assert_eq!(Some(sum), price(&in_and_out("o4-mini", input, output), today()).total);
    }

    /// A ledger says the same however its lines were written, to the last digit.
    #[test]
    fn the_order_of_ledger_lines_does_not_matter(
        order in Just((0u64..60).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let book = PriceBook::built_in();
        let line = |i: u64| {
            let (model, at) = (["o3", "o4-mini", "mystery"][i as usize % 3], today() - 7_000 * i as i64);
            LedgerLine::new(&format!("resp_{i}"), LedgerLine::model_call(1), Kind::Model, model, at)
                .priced(&book, in_and_out(model, 1 + i, 7 * i))
        };
        let shuffled: Vec<LedgerLine> = order.into_iter().map(line).collect();
        let sorted: Vec<LedgerLine> = (0..60).map(line).collect();
        prop_assert_eq!(Total::of(&shuffled), Total::of(&sorted));
        for by in [By::Day, By::Model] {
            prop_assert_eq!(Report::of(&shuffled, by), Report::of(&sorted, by));
        }
    }

    #[test]
    fn a_total_is_the_sum_of_its_lines(tokens in usage()) {
        let priced = price(&Facts::new("openai", "o3", tokens), today());
        prop_assert_eq!(priced.total.unwrap(), priced.lines.iter().map(|l| l.amount).sum());
    }

    /// Whatever a file holds, it is read or refused, and never panics.
    #[test]
    fn any_text_is_a_book_or_an_error(text in "[\\[\\]a-z=\"0-9.{}\n -]{0,200}", hours in "[0-9:-]{0,12}") {
        let _ = PriceBook::default().with("x.toml", &text);
        let windowed = row(&format!(
            "[[price.windows]]\nhours = [\"{hours}\"]\nrates = {{ input = \"1\", output = \"2\" }}"
        ));
        if let Ok(book) = PriceBook::default().with("x.toml", &windowed) {
            let priced = book.price(&in_and_out("m", 1, 1), today());
            prop_assert!(priced.total.is_some());
        }
    }

    #[test]
    fn any_number_is_priced_without_a_panic(input in any::<u64>(), output in any::<u64>(), when in any::<i64>()) {
        let _ = price(&in_and_out("o3", input, output), when);
        let _ = price(&in_and_out("deepseek-v4-pro", input, output), when);
    }
}

proptest! {
    // A million lines take a while.
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// A million calls cost what one call of a million times their tokens costs: floats would not.
    #[test]
    fn a_million_ledger_lines_add_up_exactly(input in 0u64..100_000, output in 0u64..100_000) {
        let book = PriceBook::built_in();
        let line = LedgerLine::new("r", LedgerLine::model_call(1), Kind::Model, "o4-mini", today());
        let line = line.priced(&book, in_and_out("o4-mini", input, output));
        let total = Total::of(std::iter::repeat_n(&line, 1_000_000));
        let at_once = in_and_out("o4-mini", input * 1_000_000, output * 1_000_000);
        prop_assert_eq!(total.amount(), price(&at_once, today()).total);
    }
}
