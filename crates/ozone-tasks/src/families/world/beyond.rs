//! Questions outside the model's world, which it declines plainly, and input that asks nothing.

mod topics;

use super::{Slots, either, plain};
use crate::{Answer, Draw, Kind, Rng, surface};
use topics::*;

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("beyond/person", 8, person),
        kind("beyond/place", 8, place),
        kind("beyond/history", 6, history),
        kind("beyond/measure", 8, measure),
        kind("beyond/thing", 8, thing),
        kind("beyond/news", 4, news),
        kind("beyond/opinion", 5, opinion),
        kind("beyond/health", 5, health),
        kind("beyond/law", 3, law),
        kind("beyond/write", 6, write),
        kind("beyond/translate", 5, translate),
        kind("beyond/code", 5, code),
        kind("beyond/picture", 3, picture),
        kind("beyond/personal", 4, personal),
        kind("beyond/sport", 5, sport),
        kind("beyond/weather", 4, weather),
        kind("beyond/price", 5, price),
        kind("beyond/recipe", 4, recipe),
        kind("beyond/proof", 3, proof),
        kind("beyond/science", 6, science),
        kind("beyond/ordinal", 5, ordinal_fact),
        kind("beyond/year", 4, year_fact),
        kind("beyond/media", 4, media),
        kind("beyond/meaning", 4, meaning),
        kind("beyond/how-to", 4, how_to),
        kind("beyond/gibberish", 6, gibberish),
    ]
}

const KNOWLEDGE: &str = "This is general knowledge, not something I can compute.";
const TEXT: &str = "This asks for a text, not for something I can compute.";
const ADVICE: &str = "This asks for advice or an opinion, not for something I can compute.";
const TODAY: &str = "This needs facts of today, which I do not have.";

fn declined(rng: &mut Rng, slots: Slots, think: &str) -> Draw {
    let reply = either(
        rng,
        [
            "I was trained for numbers, dates, units, words, lists and tables, so I can't answer \
             that. Use a larger model for it."
                .to_owned(),
            "I can't answer that: I was trained for numbers, dates, units, words, lists and tables. \
             A larger model can help."
                .to_owned(),
        ],
    );
    plain(slots, think, Answer::Declined, reply)
}

/// A topic of `list`, at times with a made-up name in its stead.
fn topic(rng: &mut Rng, list: &[&str], made_up: f64) -> String {
    if rng.chance(made_up) {
        let word = surface::nonsense(rng);
        let mut chars = word.chars();
        return chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect());
    }
    (*rng.pick(list)).to_owned()
}

/// General knowledge about the person `{person}`: who, what, when, where, why.
fn person(rng: &mut Rng) -> Draw {
    let slots = vec![("person", topic(rng, PEOPLE, 0.25))];
    declined(rng, slots, KNOWLEDGE)
}

/// General knowledge about the country or city `{place}`: capital, language, rivers, government.
fn place(rng: &mut Rng) -> Draw {
    let slots = vec![("place", topic(rng, PLACES, 0.2))];
    declined(rng, slots, KNOWLEDGE)
}

/// A question about the historical event `{event}` (with its article, as "the French Revolution").
fn history(rng: &mut Rng) -> Draw {
    let slots = vec![("event", topic(rng, EVENTS, 0.0))];
    declined(rng, slots, KNOWLEDGE)
}

/// A number from general knowledge (height, distance, population, age, speed) about `{what}`, as
/// "Mount Everest" or "the Moon": it cannot be computed.
fn measure(rng: &mut Rng) -> Draw {
    let list = if rng.chance(0.5) { SIGHTS } else { PLACES };
    let slots = vec![("what", topic(rng, list, 0.15))];
    declined(rng, slots, KNOWLEDGE)
}

/// General knowledge about `{things}` (plants, animals, machines; plural): what they are, eat, do.
fn thing(rng: &mut Rng) -> Draw {
    let slots = vec![("things", topic(rng, THINGS, 0.0))];
    declined(rng, slots, KNOWLEDGE)
}

/// News and current events; `{place}` is a country or a city.
fn news(rng: &mut Rng) -> Draw {
    let slots = vec![("place", topic(rng, PLACES, 0.1))];
    declined(rng, slots, TODAY)
}

/// An opinion about `{things}` (plural), or which of two is better (`{things}` or `{others}`).
fn opinion(rng: &mut Rng) -> Draw {
    let two = rng.sample(THINGS, 2);
    let slots = vec![("things", two[0].to_owned()), ("others", two[1].to_owned())];
    declined(rng, slots, ADVICE)
}

/// Medical advice about `{ailment}` (as "a headache").
fn health(rng: &mut Rng) -> Draw {
    let slots = vec![("ailment", topic(rng, AILMENTS, 0.0))];
    declined(rng, slots, ADVICE)
}

/// Legal, tax or financial advice, a relationship, a decision in life.
fn law(rng: &mut Rng) -> Draw {
    declined(rng, vec![], ADVICE)
}

/// A poem, story, letter, essay or joke about `{things}` (plural).
fn write(rng: &mut Rng) -> Draw {
    let slots = vec![("things", topic(rng, THINGS, 0.0))];
    declined(rng, slots, TEXT)
}

/// A translation of `{phrase}` into `{language}`.
fn translate(rng: &mut Rng) -> Draw {
    let phrase = if rng.chance(0.7) { topic(rng, PHRASES, 0.0) } else { topic(rng, THINGS, 0.0) };
    let slots = vec![("phrase", phrase), ("language", topic(rng, LANGUAGES, 0.1))];
    declined(rng, slots, TEXT)
}

/// A programming project in `{language}` (a programming language).
fn code(rng: &mut Rng) -> Draw {
    let slots = vec![("language", topic(rng, PROGRAMMING, 0.0))];
    declined(rng, slots, TEXT)
}

/// Pictures, photos, sounds and videos: making or looking at them; `{things}` (plural).
fn picture(rng: &mut Rng) -> Draw {
    let slots = vec![("things", topic(rng, THINGS, 0.0))];
    declined(rng, slots, "This is about a picture or a sound, which I cannot handle.")
}

/// Facts about the user or other private persons that were not told; `{name}` is a first name.
fn personal(rng: &mut Rng) -> Draw {
    let slots = vec![("name", topic(rng, surface::NAMES, 0.3))];
    declined(rng, slots, "This needs facts that nobody told me.")
}

/// Sports results, players and records; `{team}` is a club or country, `{sport}` a sport.
fn sport(rng: &mut Rng) -> Draw {
    let list = if rng.chance(0.5) { TEAMS } else { PLACES };
    let slots = vec![("team", topic(rng, list, 0.15)), ("sport", topic(rng, SPORTS, 0.0))];
    declined(rng, slots, KNOWLEDGE)
}

/// The weather, today or on other days, in `{place}`.
fn weather(rng: &mut Rng) -> Draw {
    let slots = vec![("place", topic(rng, PLACES, 0.2))];
    declined(rng, slots, TODAY)
}

/// Today's price of `{things}` (plural or a share, a currency), exchange rates, stock.
fn price(rng: &mut Rng) -> Draw {
    let list = if rng.chance(0.5) { TRADED } else { THINGS };
    let slots = vec![("things", topic(rng, list, 0.1))];
    declined(rng, slots, TODAY)
}

/// A recipe for `{dish}`, or how to cook it.
fn recipe(rng: &mut Rng) -> Draw {
    let slots = vec![("dish", topic(rng, DISHES, 0.0))];
    declined(rng, slots, KNOWLEDGE)
}

/// A proof or explanation of `{theorem}` (with its article).
fn proof(rng: &mut Rng) -> Draw {
    let slots = vec![("theorem", topic(rng, THEOREMS, 0.0))];
    declined(rng, slots, "This asks for a proof or an explanation, not for a computation.")
}

/// An explanation of `{subject}` (physics, chemistry, biology, economics; without an article).
fn science(rng: &mut Rng) -> Draw {
    let slots = vec![("subject", topic(rng, SUBJECTS, 0.0))];
    declined(rng, slots, KNOWLEDGE)
}

/// General knowledge that is asked for by a number: "Who was the `{nth}` president of `{place}`?"
/// `{n}` is the same number, as "16" beside "16th".
fn ordinal_fact(rng: &mut Rng) -> Draw {
    let n = rng.int(1, 60);
    let nth = format!("{n}{}", surface::ordinal(n));
    let slots = vec![("n", n.to_string()), ("nth", nth), ("place", topic(rng, PLACES, 0.1))];
    declined(rng, slots, KNOWLEDGE)
}

/// What happened in the year `{y}`, who won or ruled then; `{place}` is a country or city.
fn year_fact(rng: &mut Rng) -> Draw {
    let y = rng.int(1000, 2030);
    let slots = vec![("y", y.to_string()), ("place", topic(rng, PLACES, 0.1))];
    declined(rng, slots, KNOWLEDGE)
}

/// Books, films, songs and games: who made `{title}`, what is it about, what is there like it?
fn media(rng: &mut Rng) -> Draw {
    let slots = vec![("title", topic(rng, TITLES, 0.2))];
    declined(rng, slots, KNOWLEDGE)
}

/// The meaning, origin or a synonym of the word `{word}`.
fn meaning(rng: &mut Rng) -> Draw {
    let word = if rng.chance(0.4) { surface::nonsense(rng) } else { topic(rng, VOCABULARY, 0.0) };
    declined(rng, vec![("word", word)], KNOWLEDGE)
}

/// How does one do an everyday task? `{task}` is an infinitive without "to", as "fix a bicycle".
fn how_to(rng: &mut Rng) -> Draw {
    let slots = vec![("task", topic(rng, TASKS, 0.0))];
    declined(rng, slots, ADVICE)
}

/// Input that asks nothing: slaps on the keyboard, `{noise}`, or a few stray words.
fn gibberish(rng: &mut Rng) -> Draw {
    const KEYS: &[u8] = b"asdfghjklqwertyuiopzxcvbnm";
    let noise = match rng.below(4) {
        0 => (*rng.pick(&["asdf", "qwerty", "blah", "hmm", "lorem ipsum", "foo", "xyz", "uh"]))
            .to_owned(),
        1 => surface::nonsense(rng),
        2 => format!("{} {}", surface::nonsense(rng), surface::nonsense(rng)),
        _ => {
            let n = rng.int(3, 12);
            (0..n).map(|_| char::from(*rng.pick(KEYS))).collect()
        }
    };
    let reply = either(
        rng,
        [
            "I don't know what you mean. Ask me about numbers, dates, units, words, lists or tables."
                .to_owned(),
            "I do not know what is asked here. I was trained for numbers, dates, units, words, \
             lists and tables."
                .to_owned(),
        ],
    );
    plain(vec![("noise", noise)], "I see no question here.", Answer::Declined, reply)
}
