//! Which language a text is in, for IFEval.
//!
//! The set's own script asks `langdetect`; this asks `whatlang`, which knows 29 of the set's 30
//! languages. As there, a text whose language cannot be told counts as one in the right language:
//! that is also so for Swahili, unless the text is surely in another.

use whatlang::Lang;

/// By the ISO 639-1 code of the set.
pub(super) fn is_in(code: &str, text: &str) -> bool {
    match whatlang::detect(text) {
        None => true,
        Some(found) => match lang(code) {
            Some(asked) => found.lang() == asked,
            None => !found.is_reliable(),
        },
    }
}

fn lang(code: &str) -> Option<Lang> {
    let found = match code {
        "en" => Lang::Eng,
        "es" => Lang::Spa,
        "pt" => Lang::Por,
        "ar" => Lang::Ara,
        "hi" => Lang::Hin,
        "fr" => Lang::Fra,
        "ru" => Lang::Rus,
        "de" => Lang::Deu,
        "ja" => Lang::Jpn,
        "it" => Lang::Ita,
        "bn" => Lang::Ben,
        "uk" => Lang::Ukr,
        "th" => Lang::Tha,
        "ur" => Lang::Urd,
        "ta" => Lang::Tam,
        "te" => Lang::Tel,
        "bg" => Lang::Bul,
        "ko" => Lang::Kor,
        "pl" => Lang::Pol,
        "he" => Lang::Heb,
        "fa" => Lang::Pes,
        "vi" => Lang::Vie,
        "ne" => Lang::Nep,
        "kn" => Lang::Kan,
        "mr" => Lang::Mar,
        "gu" => Lang::Guj,
        "pa" => Lang::Pan,
        "ml" => Lang::Mal,
        "fi" => Lang::Fin,
        _ => return None,
    };
    Some(found)
}
