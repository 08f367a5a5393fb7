//! What models see: `ozone models probe`, and what it found, wherever a model is used.
//!
//! What a person wrote into the configuration stands above it. Where neither says anything and a
//! question has pictures, the model is tried once, for a short time; a trial that comes to nothing
//! leaves the model without pictures for that question, and says why.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use ozone_agent::{Aside, Costs, Unanswered};
use ozone_cost::{LedgerQuery, Payer, PriceBook, Total, civil_date};
use ozone_image::Coords;
use ozone_model::upstream::{Api, UpstreamBackend, UpstreamConfig};
use ozone_model::{Delivery, ModelBackend, Sees};
use ozone_server::Eyes;
use ozone_sight::{Facts, Inconclusive, NotCalibrated, Outcome, Placed, Probed, Subject};
use ozone_store::{Ledger, Library, SqliteStore, StoreError};
use ozone_tools::image::Profile;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::config::{BackendEntry, Common, Config, ModelEntry};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::setup;

/// All questions of a trial that nobody asked for: somebody waits for an answer behind it.
const UNASKED_TIME_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ozone models probe vision            tries, stores what was found, and shows it
  ozone models probe vision --json
  ozone models probe vision --forget   back to what the configuration says

The model is shown a card with a code as text, in a tool's message and in a user's turn: four short
questions with the one about boxes, each a line of `ozone cost`. It gets pictures in the way by which
it reads the code. Then it is asked for the boxes of a board, which tells how it writes places. In
ozone.toml, `pictures = \"tool\"`, `\"user\"` or `\"text\"` and `coords` of a [[model]] stand above it.")]
pub struct ProbeArgs {
    /// A model of the configuration with `backend = \"upstream\"`.
    model: String,
    #[arg(long)]
    json: bool,
    /// Removes what is stored of the model, and asks nothing.
    #[arg(long)]
    forget: bool,
    /// Ends the trial after so many seconds.
    #[arg(long, default_value_t = 180, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    time_limit: u64,
}

/// Whom facts are kept about; only of upstreams nobody knows what becomes of a picture.
pub fn subject(upstream: &UpstreamConfig) -> Subject {
    Subject {
        base_urls: upstream.base_url.as_slice().to_vec(),
        api: match upstream.api {
            Api::Chat => "chat".to_owned(),
            Api::Responses => "responses".to_owned(),
        },
        model: upstream.model.clone(),
        extra: Value::Object(upstream.extra_body.clone()).to_string(),
    }
}

/// What is stored of a model.
pub async fn facts(store: &dyn Library, entry: &ModelEntry) -> Result<Facts, StoreError> {
    match &entry.backend {
        BackendEntry::Upstream(upstream) => Facts::read(store, &subject(upstream)).await,
        BackendEntry::Local { .. } | BackendEntry::Scripted { .. } => Ok(Facts::default()),
    }
}

/// The entry with what is stored of its model, where the configuration says nothing.
pub async fn informed(store: &dyn Library, entry: ModelEntry) -> Result<ModelEntry, StoreError> {
    let facts = facts(store, &entry).await?;
    Ok(with(entry, &facts))
}

pub fn with(mut entry: ModelEntry, facts: &Facts) -> ModelEntry {
    if let (BackendEntry::Upstream(upstream), Some(probed)) = (&mut entry.backend, &facts.probed) {
        upstream.found = Some(probed.sees);
    }
    entry.coords = entry.coords.or(facts.placed.as_ref().map(|placed| placed.coords));
    entry
}

/// Nobody knows whether it sees.
pub fn is_unknown(entry: &ModelEntry) -> bool {
    matches!(&entry.backend, BackendEntry::Upstream(upstream) if upstream.sees().is_none())
}

/// A trial of one model.
struct Trial {
    store: Arc<SqliteStore>,
    of: Subject,
    aside: Aside,
}

impl Trial {
    async fn begin(
        entry: &ModelEntry,
        store: &Arc<SqliteStore>,
        costs: Costs,
        time_max: Duration,
        cancel: CancellationToken,
    ) -> Result<Trial, Failure> {
        let BackendEntry::Upstream(upstream) = &entry.backend else {
            return Err(Failure::usage(format!(
                "`{}` runs here, and how it gets pictures is known; upstreams are probed",
                entry.id
            )));
        };
        // It may be sent pictures in any way.
        let sees_all = UpstreamConfig { pictures: Some(Delivery::Tool), ..(**upstream).clone() };
        let env = |name: &str| std::env::var(name).ok();
        let backend = UpstreamBackend::new(entry.id.clone(), sees_all, env)
            .map_err(|e| Failure::usage(format!("the model `{}`: {e}", entry.id)))?;
        let id = id();
        let clock = crate::ask::clock;
        let backend: Arc<dyn ModelBackend> = Arc::new(backend);
        let aside = Aside::begin(backend, costs, &id, &entry.id, time_max, clock, cancel).await?;
        Ok(Trial { store: store.clone(), of: subject(upstream), aside })
    }

    /// Shows the cards, and stores what came of it.
    async fn cards(&mut self) -> Result<Result<Probed, Inconclusive>, StoreError> {
        let probed = ozone_sight::probe(&mut self.aside, seed()).await;
        if let Ok(probed) = &probed {
            Facts::keep_probed(&*self.store, &self.of, probed).await?;
        }
        Ok(probed)
    }

    /// Shows the board, and stores what came of it.
    async fn board(&mut self, sees: Sees) -> Result<Result<Placed, NotCalibrated>, StoreError> {
        let pixels_max = Profile::new(true).first_pixels_max;
        let placed = ozone_sight::calibrate(&mut self.aside, sees, pixels_max, seed()).await;
        if let Ok(placed) = &placed {
            Facts::keep_placed(&*self.store, &self.of, placed).await?;
        }
        Ok(placed)
    }
}

/// By which the lines in the ledger are known.
fn id() -> String {
    format!("look_{:016x}", seed())
}

/// New each time: a code that was shown before may be known.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Tries a model that a question shows pictures to, if nobody knows whether it sees. Says what came
/// of it on stderr.
pub async fn look(
    store: &Arc<SqliteStore>,
    entry: ModelEntry,
    costs: Costs,
) -> Result<ModelEntry, Failure> {
    let mut interrupts = Interrupts::listen()?;
    let cancel = CancellationToken::new();
    let (facts, told) = {
        let looking = look_until(store, &entry, costs, cancel.clone());
        tokio::pin!(looking);
        tokio::select! {
            found = &mut looking => found?,
            () = interrupts.next() => {
                cancel.cancel();
                // So that what was asked gets its line in the ledger.
                let _ = looking.await;
                return Err(Failure::interrupted("stopped"));
            }
        }
    };
    eprintln!("note: {told}");
    Ok(with(entry, &facts))
}

/// The same for whoever has a way to stop of his own. Gives what is known now, and a line on it.
pub async fn look_until(
    store: &Arc<SqliteStore>,
    entry: &ModelEntry,
    costs: Costs,
    cancel: CancellationToken,
) -> Result<(Facts, String), Failure> {
    let mut trial = Trial::begin(entry, store, costs, UNASKED_TIME_MAX, cancel).await?;
    let id = &entry.id;
    let again = format!("try it yourself with `ozone models probe {id}`");
    let probed = match trial.cards().await? {
        Ok(probed) => probed,
        Err(why) => {
            let told = format!(
                "`{id}` gets no pictures this time, but what tools read of them: {why}; {again}"
            );
            return Ok((Facts::default(), told));
        }
    };
    let mut told = format!("`{id}` was tried: {}", told_of(&probed));
    let mut facts = Facts { probed: Some(probed.clone()), placed: None };
    if entry.coords.is_none() && probed.sees != Delivery::Text.into() {
        match trial.board(probed.sees).await? {
            Ok(placed) => {
                told.push_str(&format!("; {}", told_of_places(&placed)));
                facts.placed = Some(placed);
            }
            Err(why) => told.push_str(&format!("; how it writes places is not known: {why}")),
        }
    }
    Ok((facts, told))
}

/// Looks when the first picture comes to a server.
pub fn eyes(
    config: &Config,
    store: &Arc<SqliteStore>,
    entry: &ModelEntry,
    book: &Arc<PriceBook>,
    backend: Arc<UpstreamBackend>,
) -> Result<Eyes, Failure> {
    let costs = costs(config, store, entry, book)?;
    let (store, entry) = (store.clone(), entry.clone());
    Ok(Eyes::new(Box::new(move || {
        let (store, entry, costs) = (store.clone(), entry.clone(), costs.clone());
        let backend = backend.clone();
        Box::pin(async move {
            match look_until(&store, &entry, costs, CancellationToken::new()).await {
                Ok((facts, told)) => {
                    tracing::warn!("{told}");
                    let sees = facts.probed.map(|probed| probed.sees);
                    backend.looked(sees.unwrap_or_default());
                    facts.placed.map(|placed| placed.coords)
                }
                Err(e) => {
                    tracing::warn!("`{}` gets no pictures: {e}", entry.id);
                    None
                }
            }
        })
    })))
}

pub fn probe(args: &ProbeArgs, common: &Common) -> Result<(), Failure> {
    let config = Config::load(common)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let done = runtime.block_on(probed(args, &config));
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

async fn probed(args: &ProbeArgs, config: &Config) -> Result<(), Failure> {
    let entry = setup::entry(config, &args.model)?;
    let store = setup::store(config)?;
    if args.forget {
        return forget(args, &entry, &store).await;
    }
    let book = setup::price_book(config)?;
    let mut costs = costs(config, &store, &entry, &book)?;
    let parent = id();
    costs.parent = Some(parent.clone());
    let (cancel, mut interrupts) = (CancellationToken::new(), Interrupts::listen()?);
    let stop = cancel.clone();
    tokio::spawn(async move {
        interrupts.next().await;
        stop.cancel();
    });
    let time_max = Duration::from_secs(args.time_limit);
    let mut trial = Trial::begin(&entry, &store, costs, time_max, cancel).await?;
    let cards = trial.cards().await?;
    let sees = cards.as_ref().map(|probed| probed.sees).unwrap_or_default();
    let board = match &cards {
        Ok(_) => Some(trial.board(sees).await?),
        Err(_) => None,
    };
    let lines = store.ledger(&LedgerQuery::children(&parent)).await?;
    let report =
        Report { entry: &entry, cards: &cards, board: board.as_ref(), cost: Total::of(&lines) };
    match args.json {
        true => writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report.json())?)?,
        false => write!(io::stdout(), "{}", report.table())?,
    }
    match (cards, board) {
        (Err(Inconclusive::Stopped(Unanswered::Cancelled)), _)
        | (_, Some(Err(NotCalibrated::Unanswered(Unanswered::Cancelled)))) => {
            Err(Failure::interrupted("stopped; what was found before is stored"))
        }
        (Err(why), _) => Err(Failure::new(format!("nothing was found out or changed: {why}"))),
        (Ok(_), Some(Err(NotCalibrated::Blind))) | (Ok(_), Some(Ok(_)) | None) => Ok(()),
        (Ok(_), Some(Err(why))) => Err(Failure::new(format!(
            "how `{}` writes places was not found out, and stays as it was: {why}; if you know, \
             write `coords` into its [[model]]",
            entry.id
        ))),
    }
}

async fn forget(
    args: &ProbeArgs,
    entry: &ModelEntry,
    store: &Arc<SqliteStore>,
) -> Result<(), Failure> {
    if let BackendEntry::Upstream(upstream) = &entry.backend {
        Facts::forget(&**store, &subject(upstream)).await?;
    }
    match args.json {
        true => println!("{}", json!({"model": entry.id, "forgotten": true})),
        false => println!("{}: nothing is stored any more", entry.id),
    }
    Ok(())
}

/// Whoever looks by hand pays as nobody in particular.
pub fn costs(
    config: &Config,
    store: &Arc<SqliteStore>,
    entry: &ModelEntry,
    book: &Arc<PriceBook>,
) -> Result<Costs, Failure> {
    let (payer, now) = (Payer::default(), crate::ask::clock());
    let mut budgets = vec![];
    for rule in &config.budgets {
        let budget = rule.budget(&payer, &entry.id, &id(), book, now);
        budgets.extend(budget.map_err(|e| Failure::usage(format!("the budget of {rule}: {e}")))?);
    }
    let ledger: Arc<dyn Ledger> = store.clone();
    let prices = setup::prices(entry, book);
    Ok(Costs { prices, payer, parent: None, budgets, ledger, machine: None })
}

struct Report<'a> {
    entry: &'a ModelEntry,
    cards: &'a Result<Probed, Inconclusive>,
    board: Option<&'a Result<Placed, NotCalibrated>>,
    cost: Total,
}

impl Report<'_> {
    fn json(&self) -> Value {
        json!({
            "model": self.entry.id,
            "source": self.entry.source(),
            "pictures": self.cards.as_ref().ok(),
            "pictures_error": self.cards.as_ref().err().map(ToString::to_string),
            "places": self.board.and_then(|board| board.as_ref().ok()),
            "places_error": self.board.and_then(|b| b.as_ref().err()).map(ToString::to_string),
            "in_force": in_force(&self.now()),
            "cost": {
                "amount": self.cost.amount().map(|amount| amount.to_string()),
                "calls": self.cost.lines,
                "unknown_calls": self.cost.unknown,
            },
        })
    }

    /// The entry with what was just found.
    fn now(&self) -> ModelEntry {
        let placed = self.board.and_then(|board| board.as_ref().ok()).cloned();
        with(self.entry.clone(), &Facts { probed: self.cards.as_ref().ok().cloned(), placed })
    }

    fn table(&self) -> String {
        let mut text = format!("{}  {}\n", self.entry.id, self.entry.source());
        match self.cards {
            Ok(probed) => {
                for way in &probed.ways {
                    let by = match way.by {
                        Delivery::Text => "a code as text",
                        Delivery::Tool => "a card in the tool's message",
                        Delivery::User => "a card in the user's turn",
                    };
                    let what = match &way.outcome {
                        Outcome::Read => "read".to_owned(),
                        Outcome::NotRead { said } => format!("not read: it said `{said}`"),
                        Outcome::Refused { why } => format!("refused: {why}"),
                        Outcome::NoAnswer { why } => format!("no answer: {why}"),
                    };
                    let tokens = way.input_tokens.map_or(String::new(), |n| format!("{n} tokens"));
                    let note = match way.flattened {
                        true => " (its base64 was read as text)",
                        false => "",
                    };
                    text.push_str(&format!("  {by:<30} {tokens:>14}  {what}{note}\n"));
                }
                text.push_str(&format!("  pictures: {}\n", told_of(probed)));
            }
            Err(why) => text.push_str(&format!("  pictures: not known: {why}\n")),
        }
        match self.board {
            Some(Ok(placed)) => text.push_str(&format!("  places: {}\n", told_of_places(placed))),
            Some(Err(why)) => text.push_str(&format!("  places: not known: {why}\n")),
            None => {}
        }
        let now = self.now();
        if let BackendEntry::Upstream(upstream) = &now.backend
            && let (Some(sees), Ok(probed)) = (upstream.sees(), self.cards)
            && sees != probed.sees
        {
            text.push_str(&format!(
                "  the configuration stands above it: pictures go by `{}`\n",
                sees.results.name()
            ));
        }
        if let (Some(own), Some(Ok(placed))) = (self.entry.coords, self.board)
            && own != placed.coords
        {
            text.push_str(&format!(
                "  the configuration stands above it: places are in `{}`\n",
                coords_name(own)
            ));
        }
        let cost = match self.cost.amount() {
            Some(_) => format!("${}", self.cost.known),
            None => "a price that is not known".to_owned(),
        };
        text.push_str(&format!("  {} calls at {cost}\n", self.cost.lines));
        text
    }
}

fn told_of(probed: &Probed) -> String {
    let flattened = probed.ways.iter().any(|way| way.flattened);
    let what = match (probed.sees.results, probed.sees.users) {
        (Delivery::Tool, true) => "it sees them, and those of tools in the tool's message",
        (Delivery::Tool, false) => "it sees those of tools in the tool's message, and no others",
        (Delivery::User, _) => "it sees them in the user's turn, where those of tools go, too",
        (Delivery::Text, _) if flattened => {
            "it does not see: its server makes text of them; it gets what tools read of them"
        }
        (Delivery::Text, _) => "it does not see; it gets what tools read of them",
    };
    format!("{} ({what})", probed.sees.results.name())
}

fn told_of_places(placed: &Placed) -> String {
    format!(
        "{} ({} boxes, {:.1} % of a side off; the next best convention {:.1} %)",
        coords_name(placed.coords),
        placed.boxes,
        placed.residual * 100.0,
        placed.next * 100.0
    )
}

fn coords_name(coords: Coords) -> String {
    json!(coords).as_str().unwrap_or_default().to_owned()
}

/// What holds for a model, and by whose word.
pub fn in_force(entry: &ModelEntry) -> Value {
    let (pictures, by) = match &entry.backend {
        BackendEntry::Upstream(upstream) => match upstream.sees() {
            None => ("unknown", "nobody has tried"),
            Some(sees) => (sees.results.name(), by(upstream)),
        },
        BackendEntry::Local { mmproj: Some(_), .. } => (Delivery::User.name(), "mmproj"),
        BackendEntry::Local { .. } | BackendEntry::Scripted { .. } => ("text", "default"),
    };
    json!({
        "pictures": pictures, "pictures_by": by,
        "coords": coords_name(entry.coords.unwrap_or_default()),
    })
}

fn by(upstream: &UpstreamConfig) -> &'static str {
    let without = UpstreamConfig { found: None, ..upstream.clone() };
    match without.sees() == upstream.sees() {
        true => "configuration",
        false => "probe",
    }
}

/// The same in a line for people, with dates.
pub fn line(entry: &ModelEntry, facts: &Facts) -> String {
    let informed = with(entry.clone(), facts);
    let now = in_force(&informed);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let probed = facts.probed.as_ref().map(|p| civil_date(p.at));
    let pictures = match (word(&now["pictures_by"]).as_str(), probed) {
        ("probe", Some(day)) => format!("{} (probed {day})", word(&now["pictures"])),
        (by, _) => format!("{} ({by})", word(&now["pictures"])),
    };
    let places = match (&entry.coords, &facts.placed) {
        (Some(_), _) => format!("{} (configuration)", word(&now["coords"])),
        (None, Some(placed)) => format!(
            "{} (calibrated {}, {:.1} % off)",
            word(&now["coords"]),
            civil_date(placed.at),
            placed.residual * 100.0
        ),
        (None, None) => format!("{} (default)", word(&now["coords"])),
    };
    format!("pictures {pictures}, places {places}")
}
