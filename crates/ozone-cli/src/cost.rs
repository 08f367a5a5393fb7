//! `ozone cost`: what was spent, what the same answer would cost elsewhere, and price books of
//! others. The arithmetic is `ozone-cost`'s; here are only arguments and files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use ozone_agent::pro::CHILD_OF;
use ozone_cost::{
    By, DAY, Kind, LedgerLine, LedgerQuery, PriceBook, Report, Suite, compare, compare_suite,
    litellm, parse_instant,
};
use ozone_store::{Ledger, SqliteStore, Store};
use ozone_types::ResponseId;

use crate::ask::clock;
use crate::config::{Common, Config};
use crate::failure::Failure;
use crate::output::print;

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  ozone cost                              what each day cost
  ozone cost --by model --since 2026-11-01
  ozone cost --by key --csv > costs.csv
  ozone cost --by day --svg costs.svg     a chart
  ozone cost compare last                 the newest answer's price on every priced model
  ozone cost compare --suite cells.jsonl  the same of a suite: what `ozone eval --out` wrote
  ozone cost import model_prices.json -o my-prices.toml"
)]
pub struct CostArgs {
    #[command(subcommand)]
    command: Option<CostCommand>,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug, clap::Subcommand)]
enum CostCommand {
    /// What the very same tokens and tool calls would have cost on every priced model and tier.
    Compare(CompareArgs),
    /// Reads LiteLLM's price map into a price book file, and reports what that cannot say.
    Import(ImportArgs),
}

#[derive(Debug, clap::Args)]
struct ReportArgs {
    #[arg(long, value_enum, default_value_t = Group::Day)]
    by: Group,
    /// From this day on (UTC), as 2026-11-01.
    #[arg(long, value_name = "DATE", value_parser = instant)]
    since: Option<i64>,
    /// Up to and including this day (UTC).
    #[arg(long, value_name = "DATE", value_parser = instant)]
    until: Option<i64>,
    /// Only this model or tool.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only this API key.
    #[arg(long)]
    key: Option<String>,
    #[arg(long, conflicts_with_all = ["json", "svg"])]
    csv: bool,
    #[arg(long, conflicts_with = "svg")]
    json: bool,
    /// Draws a chart into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct CompareArgs {
    /// `resp_…`, or `last`.
    #[arg(required_unless_present = "suite", conflicts_with = "suite")]
    response: Option<String>,
    /// All questions of a suite in place of a response: what `ozone eval` wrote with --out or --json.
    #[arg(long, value_name = "REPORT")]
    suite: Option<PathBuf>,
    /// At the prices of this day; today's without it.
    #[arg(long, value_name = "DATE", value_parser = instant)]
    at: Option<i64>,
    /// Price books of your own in place of the configuration's; where they speak of a thing, they
    /// are right.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    prices: Vec<PathBuf>,
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// LiteLLM's model_prices_and_context_window.json.
    file: PathBuf,
    /// The price book file to write; stdout without it.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The day from which the prices hold; today without it. The map has no dates.
    #[arg(long, value_name = "DATE", value_parser = instant)]
    from: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    Day,
    Month,
    Model,
    Tool,
    Key,
    Project,
    Response,
}

impl From<Group> for By {
    fn from(group: Group) -> By {
        match group {
            Group::Day => By::Day,
            Group::Month => By::Month,
            Group::Model => By::Model,
            Group::Tool => By::Tool,
            Group::Key => By::Key,
            Group::Project => By::Project,
            Group::Response => By::Response,
        }
    }
}

fn instant(text: &str) -> Result<i64, String> {
    parse_instant(text).ok_or_else(|| "write a date such as 2026-11-22".to_owned())
}

pub fn run(args: &CostArgs, common: &Common) -> Result<(), Failure> {
    if let Some(CostCommand::Import(import)) = &args.command {
        return self::import(import);
    }
    let config = Config::load(common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &args.command {
        Some(CostCommand::Compare(args)) => runtime.block_on(compared(args, &config)),
        _ => runtime.block_on(report(&args.report, &store(&config)?)),
    }
}

fn store(config: &Config) -> Result<SqliteStore, Failure> {
    Ok(SqliteStore::open(&config.data_dir()?.join("ozone.db"))?)
}

async fn report(args: &ReportArgs, store: &SqliteStore) -> Result<(), Failure> {
    let query = LedgerQuery {
        from: args.since,
        to: args.until.map(|day| day.saturating_add(DAY)),
        name: args.only.clone(),
        key: args.key.clone(),
        ..LedgerQuery::default()
    };
    let report = Report::of(&store.ledger(&query).await?, args.by.into());
    match &args.svg {
        Some(path) => write(path, &report.svg()),
        None if args.csv => print(&report.csv()),
        None if args.json => print(&(serde_json::to_string_pretty(&report)? + "\n")),
        None => print(&report.table()),
    }
}

async fn compared(args: &CompareArgs, config: &Config) -> Result<(), Failure> {
    let own = if args.prices.is_empty() { &config.prices } else { &args.prices };
    let (book, at) = (book(own)?, args.at.unwrap_or_else(clock));
    let comparison = match (&args.suite, &args.response) {
        (Some(path), _) => {
            let suite = Suite::read(&read(path)?)
                .map_err(|e| Failure::usage(format!("{}, {e}", path.display())))?;
            compare_suite(&book, &suite, at)
        }
        (None, Some(name)) => compare(&book, &lines_of(name, &store(config)?).await?, at),
        (None, None) => return Err(Failure::usage("name a response, or a --suite")),
    };
    if args.csv {
        print(&comparison.csv())
    } else if args.json {
        print(&(serde_json::to_string_pretty(&comparison)? + "\n"))
    } else {
        print(&comparison.table())
    }
}

/// So many of the newest responses are looked through for one that is no sample of another.
const NEWEST_MAX: usize = 1_000;

/// A response's lines with those of its children. One from before there was a ledger gets a line
/// from its usage.
async fn lines_of(name: &str, store: &SqliteStore) -> Result<Vec<LedgerLine>, Failure> {
    let stored = match name {
        // The samples of a vote are counted with it.
        "last" => (store.list(NEWEST_MAX).await?.into_iter())
            .find(|stored| stored.request.get(CHILD_OF).is_none())
            .ok_or_else(|| Failure::usage("no response is stored here yet; ask something first"))?,
        id => {
            let id: ResponseId = id.parse().map_err(|e| Failure::usage(format!("{e}")))?;
            store.get(&id).await?
        }
    };
    let mut lines = store.ledger(&LedgerQuery::response(stored.id.as_str())).await?;
    lines.extend(store.ledger(&LedgerQuery::children(stored.id.as_str())).await?);
    if !lines.is_empty() {
        return Ok(lines);
    }
    let events = store.events(&stored.id, 0, usize::MAX).await?;
    let last = events.iter().rev().find_map(|event| event.kind.terminal());
    let usage = last.and_then(|response| response.usage).ok_or_else(|| {
        Failure::usage(format!("{} has not ended: nothing is known of its usage", stored.id))
    })?;
    let call = LedgerLine::model_call(1);
    let line =
        LedgerLine::new(stored.id.as_str(), call, Kind::Model, &stored.model, stored.created_at);
    let facts = ozone_cost::response("", &stored.model, &usage);
    Ok(vec![LedgerLine { facts, ..line }])
}

/// The shipped price book with these files on top.
pub fn book(files: &[PathBuf]) -> Result<Arc<PriceBook>, Failure> {
    let mut book = PriceBook::built_in();
    for path in files {
        let text = read(path)?;
        let with = book.as_ref().clone().with(&path.display().to_string(), &text);
        book = Arc::new(with.map_err(|e| Failure::usage(e.to_string()))?);
    }
    Ok(book)
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    let map = read(&args.file)?;
    let day = ozone_cost::civil_date(args.from.unwrap_or_else(clock));
    let imported = litellm::import(&map, &day)
        .map_err(|e| Failure::usage(format!("{}: {e}", args.file.display())))?;
    let text = format!(
        "# From {}, as it was on {day}. LiteLLM's map has no dates: the prices hold from that day \
         on.\n\n{}",
        args.file.file_name().unwrap_or_default().to_string_lossy(),
        imported.to_toml()?
    );
    for note in &imported.notes {
        eprintln!("note: {note}");
    }
    eprintln!(
        "{} models: {} price rows, {} tool rows, {} notes",
        imported.models,
        imported.file.price.len(),
        imported.file.tool.len(),
        imported.notes.len()
    );
    match &args.out {
        Some(path) => write(path, &text),
        None => print(&text),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
}
