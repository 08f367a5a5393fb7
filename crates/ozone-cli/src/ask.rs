//! `ozone ask`: one question, one answer. It writes nothing but what it reads from the journal.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ozone_agent::pro::{self, Folders};
use ozone_agent::request::InvalidRequest;
use ozone_agent::{Costs, Limits, OfferedTools, Outfit, Pro, ProPolicy, Request, Run};
use ozone_cost::{Amount, Budget, BudgetRule, LedgerQuery, Over, Payer, Price, PriceBook, Total};
use ozone_files::Reader;
use ozone_python::Refill;
use ozone_server::{McpUse, mcp_tools};
use ozone_store::{Journal, Ledger, Owner, SqliteStore, Store, StoreError, Stored};
use ozone_tools::drawing::{PictureOptions, PictureTool};
use ozone_tools::image::Album;
use ozone_tools::web::{WebOptions, tools as web_tools};
use ozone_tools::{PythonTool, Tool};
use ozone_types::item::Known;
use ozone_types::{Content, Effort, Item, Response, ResponseId, ResponseStatus, Role, Text};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::config::{BackendEntry, Common, Config, ModelEntry, SHIPPED};
use crate::documents;
use crate::draw::draw;
use crate::failure::Failure;
use crate::files;
use crate::image_generation;
use crate::interrupt::Interrupts;
use crate::mcp;
use crate::memory;
use crate::paint::Painter;
use crate::pictures;
use crate::setup::{self, Model, Python};
use crate::sight;
use crate::web;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ozone ask \"How many days lie between 1969-07-20 and 2026-11-22, and is that number prime?\"
  ozone ask -m ./qwen3-4b-q8_0.gguf -e high \"Which integers n satisfy n^2 + n = 132?\"
  ozone ask -e none \"What is 17 * 23?\"  answer without thinking: fast and cheap
  ozone ask --pro \"How many primes are below 1000?\"
                                        several samples vote; few where they agree
  ozone ask --pro --samples 32 --max-cost 0.10 -e high \"…\"
  ozone ask -i receipt.jpg \"What was the total?\"
  ozone ask -m model.gguf --mmproj mmproj.gguf -i receipt.jpg \"What was the total?\"
  ozone ask -f contract.pdf \"When can it be terminated?\"
  ozone ask -i scan.pdf#3 \"Who signed?\"
  ozone ask -f sales.csv \"What is the mean of the second column?\"
  ozone ask --mcp github \"Which issues mention timeouts?\"
  ozone ask --json \"gcd of 84 and 36?\" | jq .usage
  ozone ask --resume last               go on with the newest run that was killed

The model decides which tools it calls. It is offered Python, the shell and apply_patch, the web where it
is configured, tools for the question's files, and the image tools: with a picture, where pages may
bring one, and always where the model has 32,768 tokens of context or more. The shipped model knows
Python, and with a picture the image tools. --no-tools offers none.")]
pub struct AskArgs {
    /// The question; `-`, or nothing with input piped in, reads it from stdin.
    question: Vec<String>,
    /// A picture to look at (PNG, JPEG, WebP, GIF, TIFF, BMP, SVG), or pages of a PDF (`scan.pdf`,
    /// `scan.pdf#3`). A model that cannot see works with measurements and text that is read. May be
    /// repeated.
    #[arg(short, long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// A file to read: PDF, Office, OpenDocument, EPUB, RTF, HTML, CSV, JSON, text, archives. Python has
    /// it by its name in its current folder. May be repeated.
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A model of the configuration, or a GGUF file.
    #[arg(short, long)]
    model: Option<String>,
    /// The encoder of pictures that belongs to the GGUF file, which then sees those of -i and of tools.
    #[arg(long, value_name = "FILE")]
    mmproj: Option<PathBuf>,
    /// none, minimal, low, medium, high, xhigh or max: at most 0, 512, 2,048, 8,192, 24,576 or 49,152
    /// tokens of thinking, or as many as the context holds.
    #[arg(short, long, value_parser = parse_effort)]
    effort: Option<Effort>,
    /// Several samples vote on the answer, each with tools of its own: slower, dearer, more reliable.
    #[arg(long)]
    pro: bool,
    /// The most samples that vote; fewer are taken where the vote is clear before.
    #[arg(long, value_name = "N", requires = "pro", value_parser = clap::value_parser!(u32).range(1..=64))]
    samples: Option<u32>,
    /// 0 takes the most likely token [default: 0, and 0.8 with --pro]
    #[arg(long, value_parser = parse_temperature)]
    temperature: Option<f32>,
    #[arg(long, default_value_t = 1.0, value_parser = parse_unit)]
    top_p: f32,
    /// Keeps the so many most likely tokens; 0 keeps all.
    #[arg(long, default_value_t = 0)]
    top_k: u32,
    #[arg(long, default_value_t = 0.0, value_parser = parse_unit)]
    min_p: f32,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Ends the answer, thinking included, after so many tokens.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_output_tokens: Option<u64>,
    /// Ends the answer after so many seconds.
    #[arg(long, value_name = "S", default_value_t = 600)]
    time_limit: u64,
    /// Ends the answer before it costs more than so many dollars.
    #[arg(long, value_name = "USD", value_parser = parse_cost)]
    max_cost: Option<Amount>,
    /// Offers no tool; nothing is remembered, either.
    #[arg(long)]
    no_tools: bool,
    /// Tells the model nothing of what is remembered, and remembers nothing of this question.
    #[arg(long)]
    no_memory: bool,
    /// Offers the tools of an MCP server of the configuration, by its label. May be repeated.
    #[arg(long, value_name = "LABEL", conflicts_with = "no_tools")]
    mcp: Vec<String>,
    /// Makes the calls of MCP servers that would wait for consent.
    #[arg(long)]
    approve: bool,
    /// Prints the finished Responses API object and nothing else.
    #[arg(long)]
    json: bool,
    /// Goes on with a run that was killed: its id (`resp_…`), or `last`.
    #[arg(long, value_name = "RESPONSE_ID", conflicts_with_all = ["question", "images", "files", "model"])]
    resume: Option<String>,
}

pub fn parse_effort(text: &str) -> Result<Effort, String> {
    serde_json::from_value(serde_json::Value::String(text.to_lowercase()))
        .map_err(|_| "use none, minimal, low, medium, high, xhigh or max".into())
}

fn parse_temperature(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(t) if (0.0..=2.0).contains(&t) => Ok(t),
        _ => Err("use a number from 0 to 2".into()),
    }
}

fn parse_cost(text: &str) -> Result<Amount, String> {
    Price::per_unit(text).map(Price::amount).map_err(|_| "use dollars such as 0.05".into())
}

fn parse_unit(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(t) if (0.0..=1.0).contains(&t) => Ok(t),
        _ => Err("use a number from 0 to 1".into()),
    }
}

/// The newest alerts that are looked at after an answer.
const ALERTS_MAX: usize = 32;

pub fn run(args: &AskArgs, common: &Common) -> Result<(), Failure> {
    let started = Instant::now();
    let config = Config::load(common)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(ask(args, &config, started));
    // A kernel that is still starting must not hold up the exit.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

async fn ask(args: &AskArgs, config: &Config, started: Instant) -> Result<(), Failure> {
    // Everything that can be wrong with the question is said before anything is started.
    let question = match &args.resume {
        Some(_) => String::new(),
        None => question(args)?,
    };
    let book = setup::price_book(config)?;
    let access = mcp::access(&config.mcp, &config.reachable_networks)?;
    mcp::chosen(&access, &args.mcp, args.approve)?;
    let store = setup::store(config)?;
    let (id, stored) = match &args.resume {
        Some(name) => {
            let stored = find(&*store, name).await?;
            (stored.id.clone(), Some(stored))
        }
        None => (ResponseId::mint(), None),
    };
    let name = match &stored {
        Some(stored) => stored.model.clone(),
        None => args.model.clone().unwrap_or_else(|| config.default_model.clone()),
    };
    let entry = setup::entry(config, &name)?.seeing(args.mmproj.as_deref())?;
    let entry = sight::informed(&*store, entry).await?;
    let (effort, policy) = (args.effort.or(entry.effort), entry.pro.clone());
    let works_on_images = !args.no_tools;
    // The shipped model has learnt Python and the tools for pictures, and no others.
    let is_shipped = entry.id == SHIPPED;
    let has_others = !args.no_tools && !is_shipped;
    let remembers = has_others && !args.no_memory && config.memory;
    let image_model = image_generation::open(config)?;
    let files_dir = config.data_dir()?.join("files").join(id.as_str());
    let finished = stored.as_ref().is_some_and(|s| s.status.is_terminal());
    let asked_at = clock();
    let costs = costs(args, config, &id, &entry, &book, &store).await?;
    let entry = match stored.is_none() && shows_pictures(args) && sight::is_unknown(&entry) {
        true => {
            let costs = Costs { parent: Some(id.to_string()), ..costs.clone() };
            sight::look(&store, entry, costs).await?
        }
        false => entry,
    };
    let coords = entry.coords;
    let python =
        (!args.no_tools && !finished).then(|| Python::start(&config.data_dir, 1, Refill::Never));
    let pages = match args.no_tools || finished {
        true => None,
        false => tokio::task::block_in_place(|| web::open(config))?,
    };
    let has_shell = has_others && python.as_ref().is_some_and(|python| python.source().has_shell());
    let changes_files = has_others && python.as_ref().is_some_and(Python::is_real);
    let model = tokio::task::spawn_blocking(move || setup::model(&entry)).await??;

    let profile = pictures::profile(&model, coords);
    let reader = files::reader()?;
    let opens_pictures = pages.as_ref().is_some_and(|web| web.fetcher.is_some());
    let window = model.backend.info().context_window;
    let plots = changes_files && window >= pictures::ALWAYS_TOKENS_MIN;
    let pictures_may_come = has_others && (opens_pictures || plots);
    let request = match stored {
        Some(stored) => serde_json::from_value(stored.request)?,
        None => {
            let prepared = async {
                let sees = profile.reads_images || works_on_images;
                let given = Given::place(args, sees, &files_dir, &reader).await?;
                let album =
                    pictures::open(&given.images, works_on_images, &files_dir, profile, &name)?;
                // The shipped model has not learnt to read documents; Python has them.
                let text = if is_shipped || given.files.is_empty() || question.trim().is_empty() {
                    String::new()
                } else {
                    let (reader, has_tools) = (reader.clone(), !args.no_tools);
                    documents::begin(&given.files, &files_dir, reader, window, has_tools).await?
                };
                let remembered = match remembers {
                    true => {
                        Some(memory::remembered(store.clone(), &question, is_typed(args)).await?)
                    }
                    false => None,
                };
                let question = asked(question, &given.files, pictures_may_come) + &text;
                let mut request = request(args, question, &name, &model, album.as_ref())?;
                request.effort = effort;
                request.memory = remembered;
                let container = json!({"type": "container_auto"});
                let beside = [
                    (has_shell, json!({"type": "shell", "environment": container})),
                    (changes_files, json!({"type": "apply_patch", "environment": container})),
                    (pages.is_some(), json!({"type": "web_search"})),
                    (has_others, json!({"type": "image_generation"})),
                ];
                let beside = beside.into_iter().filter_map(|(has, tool)| has.then_some(tool));
                request.tools = offered(&args.mcp, beside.collect())?;
                if args.pro {
                    request = in_pro_mode(args, request, policy)?;
                }
                match costs.refusal(&request, model.backend.info(), clock()).await? {
                    Some(why) => Err(Failure::new(why)),
                    None => Ok(request),
                }
            };
            let request = match prepared.await {
                Ok(request) => request,
                Err(why) => {
                    // What was refused leaves nothing.
                    let _ = std::fs::remove_dir_all(&files_dir);
                    return Err(why);
                }
            };
            store_request(&*store, &id, &name, &request).await?;
            request
        }
    };
    // One that has ended is only read, also from a disk without room.
    if !finished {
        store.claim(&id, Owner::this_process(), Owner::is_alive).await?;
    }

    if let Some(cause) = python.as_ref().and_then(|python| python.cause.as_ref())
        && !args.json
    {
        eprintln!("note: {cause}");
    }
    let container_id = id.as_str().replacen("resp_", "cntr_", 1);
    let python = python.map(Arc::new);
    let (interpreter, files_reader) = (python.clone(), reader.clone());
    let (library, own_id, own_request) = (store.clone(), id.clone(), request.clone());
    let tools_in = move |folder: PathBuf| -> Vec<Box<dyn Tool>> {
        let Some(python) = &interpreter else { return vec![] };
        let images = pictures::tools(&folder, profile, Some(&files_reader), pictures_may_come);
        let drawing: Option<Box<dyn Tool>> = has_others.then(|| {
            let (folder, image_model) = (Some(folder.clone()), image_model.clone());
            Box::new(PictureTool::new(PictureOptions::default(), folder, image_model)) as _
        });
        let documents = documents::tools(&folder, &files_reader);
        let options = WebOptions { folder: Some(folder.clone()), ..WebOptions::default() };
        let pages = pages.as_ref().map(|pages| web_tools(pages, &options));
        let python = PythonTool::new(python.source(), container_id.clone(), Some(folder));
        let (shell, patch) = (python.shell(), python.patch());
        let shell: Option<Box<dyn Tool>> = has_shell.then(|| Box::new(shell) as _);
        let patch: Option<Box<dyn Tool>> = changes_files.then(|| Box::new(patch) as _);
        let python: Box<dyn Tool> = Box::new(python);
        std::iter::once(python)
            .chain(shell)
            .chain(patch)
            .chain(images)
            .chain(drawing)
            .chain(documents)
            .chain(pages.into_iter().flatten())
            .chain(memory::tools(library.clone(), &own_id, &own_request))
            .collect()
    };
    let mut journal = Journal::open(store.clone(), id.clone()).await?;
    let journaled = journal.reader();
    let cancel = CancellationToken::new();
    tokio::spawn(watch(Interrupts::listen()?, cancel.clone()));
    let spelt = request.tools.spelt().iter();
    let labels = spelt.filter_map(|tool| tool["server_label"].as_str().map(str::to_owned));
    let servers = mcp::chosen(&access, &labels.collect::<Vec<_>>(), args.approve)?;
    let limits = Limits { time_max: Duration::from_secs(args.time_limit), ..Limits::default() };
    let (backend, stop) = (model.backend.clone(), cancel.clone());
    let (in_store, own_folder): (Arc<dyn Store>, _) = (store.clone(), files_dir.clone());
    let running = tokio::spawn(async move {
        let uses = if finished { vec![] } else { McpUse::of(servers, &[]) };
        if request.pro.is_some() {
            let folders = Folders::of(own_folder.clone());
            let run = Pro {
                tools_shown: shown(&tools_in(own_folder)),
                outfit: outfit(folders.clone(), tools_in, uses, &request, &stop),
                crown: Box::new(move |winner: &ResponseId| folders.crown(winner)),
                store: in_store,
                mark: serde_json::Map::new(),
                backend,
                journal,
                request,
                limits,
                clock,
                cancel: stop,
                seal: None,
            };
            return run.run(Some(costs)).await;
        }
        let mut tools = tools_in(own_folder);
        let taken = tools.iter().map(|tool| tool.spec().name.clone()).collect();
        let more = mcp_tools(uses, &mut journal, &request, clock(), taken, &stop).await?;
        tools.extend(more);
        let run = Run { backend, tools, journal, request, limits, clock, cancel: stop, seal: None };
        run.run_costing(costs).await
    });
    let mut painter = Painter::new();
    let drawn = if args.json { Ok(()) } else { draw(&journaled, &mut painter, started).await };
    if drawn.is_err() {
        cancel.cancel();
    }
    let response = running.await??;
    let total = total(&store, &id).await?;
    if !args.json {
        tell_alerts(&store, asked_at).await?;
    }
    drawn.map_err(|e| Failure::new(format!("the output was closed ({e}); the run was stopped")))?;
    report(args, &response, total, model.local, started, &files_dir, &mut painter)
}

fn shows_pictures(args: &AskArgs) -> bool {
    !args.images.is_empty() || args.files.iter().any(|path| files::is_picture(path))
}

fn shown(tools: &[Box<dyn Tool>]) -> Vec<serde_json::Value> {
    let mut shown: Vec<_> =
        tools.iter().map(|tool| ozone_agent::request::echo(tool.as_ref())).collect();
    shown.dedup();
    shown
}

/// Each sample of a vote has a folder, a Python and connections of its own.
fn outfit(
    folders: Folders,
    tools_in: impl Fn(PathBuf) -> Vec<Box<dyn Tool>> + Send + Sync + 'static,
    uses: Vec<McpUse>,
    request: &Request,
    cancel: &CancellationToken,
) -> Outfit {
    let (tools_in, cancel) = (Arc::new(tools_in), cancel.clone());
    let request = Request { pro: None, ..request.clone() };
    Arc::new(move |id: ResponseId, mut journal: Journal| {
        let (folders, tools_in, uses) = (folders.clone(), tools_in.clone(), uses.clone());
        let (request, cancel) = (request.clone(), cancel.clone());
        Box::pin(async move {
            let folder = folders.sample(&id).map_err(|e| StoreError::Internal(Box::new(e)))?;
            let mut tools = tools_in(folder);
            let taken = tools.iter().map(|tool| tool.spec().name.clone()).collect();
            let more = mcp_tools(uses, &mut journal, &request, clock(), taken, &cancel).await?;
            tools.extend(more);
            Ok((journal, tools))
        })
    })
}

/// The tools of a question, where they are more than Python alone.
fn offered(labels: &[String], beside: Vec<Value>) -> Result<OfferedTools, Failure> {
    if labels.is_empty() {
        return Ok(OfferedTools::default());
    }
    let servers = labels.iter().map(|label| json!({"type": "mcp", "server_label": label}));
    let python = json!({"type": "code_interpreter", "container": {"type": "auto"}});
    let tools = [python].into_iter().chain(beside).chain(servers).collect();
    OfferedTools::parse(tools).map_err(|e| Failure::usage(e.to_string()))
}

/// Whoever asks here pays as nobody in particular: what budgets hold are models, everything, and
/// this run.
async fn costs(
    args: &AskArgs,
    config: &Config,
    id: &ResponseId,
    entry: &ModelEntry,
    book: &Arc<PriceBook>,
    store: &Arc<SqliteStore>,
) -> Result<Costs, Failure> {
    let (payer, now) = (Payer::default(), clock());
    let wrong = |rule: &BudgetRule, e: &dyn std::fmt::Display| {
        Failure::usage(format!("the budget of {rule}: {e}"))
    };
    let mut budgets = vec![];
    for rule in &config.budgets {
        let budget = rule.budget(&payer, &entry.id, id.as_str(), book, now);
        budgets.extend(budget.map_err(|e| wrong(rule, &e))?);
    }
    if let Some(limit) = args.max_cost {
        budgets.push(Budget::new(format!("response:{id}"), limit, Over::Ever));
    }
    let of = |name: &str| setup::entry(config, name).map_or(name.to_owned(), |entry| entry.id);
    ozone_agent::costs::adopt(&**store, &config.budgets, of, book, now).await?;
    let prices = setup::prices(entry, book);
    if !budgets.is_empty()
        && let Err(why) = prices.worst_case(1, now)
    {
        let id = &entry.id;
        return Err(Failure::usage(format!(
            "there is a budget, and nothing measures what the model `{id}` costs ({why}); give it \
             a price"
        )));
    }
    let is_local = !matches!(entry.backend, BackendEntry::Upstream(_));
    let machine = config.machine.as_ref().filter(|_| is_local);
    Ok(Costs {
        prices,
        payer,
        parent: None,
        budgets,
        ledger: store.clone(),
        machine: machine.map(|name| (book.clone(), name.clone())),
    })
}

/// Says which shares of budgets were reached since then.
async fn tell_alerts(store: &SqliteStore, since: i64) -> Result<(), StoreError> {
    let alerts = store.alerts(ALERTS_MAX).await?;
    for alert in alerts.iter().rev().filter(|alert| alert.at >= since) {
        eprintln!("note: {} % of the budget of {} is spent", alert.percent, alert.budget);
    }
    Ok(())
}

/// What the response and its children came to.
async fn total(store: &SqliteStore, id: &ResponseId) -> Result<Total, StoreError> {
    let mut lines = store.ledger(&LedgerQuery::response(id.as_str())).await?;
    lines.extend(store.ledger(&LedgerQuery::children(id.as_str())).await?);
    Ok(Total::of(&lines))
}

/// The first Ctrl-C ends the run properly, the second one at once.
async fn watch(mut interrupts: Interrupts, cancel: CancellationToken) {
    interrupts.next().await;
    cancel.cancel();
    interrupts.next().await;
    std::process::exit(i32::from(crate::failure::INTERRUPTED));
}

/// Seconds since 1970.
pub fn clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// The question stands in the arguments, and not in what is piped in.
fn is_typed(args: &AskArgs) -> bool {
    let joined = args.question.join(" ");
    joined != "-" && (!joined.is_empty() || io::stdin().is_terminal())
}

fn question(args: &AskArgs) -> Result<String, Failure> {
    if is_typed(args) {
        return Ok(args.question.join(" "));
    }
    let mut bytes = vec![];
    let max = ozone_agent::request::INPUT_BYTES_MAX as u64;
    io::stdin().lock().take(max + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| {
        Failure::usage("what was piped in is no text (UTF-8); give a file to Python with -f FILE")
    })
}

async fn find(store: &dyn Store, name: &str) -> Result<Stored, Failure> {
    if name != "last" {
        let id: ResponseId = name.parse().map_err(|e| Failure::usage(format!("{e}")))?;
        return Ok(store.get(&id).await?);
    }
    let newest = store.list(1_000).await?;
    newest
        .into_iter()
        // A sample goes on with its vote.
        .find(|s| !s.status.is_terminal() && s.request.get(pro::CHILD_OF).is_none())
        .ok_or_else(|| Failure::usage("no run waits to be resumed"))
}

/// What a question came with.
struct Given {
    files: Vec<PathBuf>,
    /// By their names in the folder.
    images: Vec<PathBuf>,
}

impl Given {
    /// Puts everything into the response's folder. Files that are pictures, and pages of PDFs that
    /// were asked for as pictures, are pictures.
    async fn place(
        args: &AskArgs,
        sees: bool,
        folder: &Path,
        reader: &Reader,
    ) -> Result<Given, Failure> {
        let (more, files): (Vec<PathBuf>, Vec<PathBuf>) =
            args.files.iter().cloned().partition(|path| sees && files::is_picture(path));
        let (mut plain, mut pages) = (vec![], vec![]);
        for image in args.images.iter().chain(&more) {
            match documents::page_of(image) {
                Some((pdf, page)) => pages.push((pdf, page)),
                None => plain.push(image.clone()),
            }
        }
        files::copy(files.iter().chain(&plain), folder)?;
        let mut images = plain;
        for (pdf, page) in pages {
            images.extend(documents::draw(&pdf, page, folder, reader).await?);
        }
        files::note_given(folder)?;
        Ok(Given { files, images })
    }
}

/// The question with the names of its files.
fn asked(mut question: String, files: &[PathBuf], has_image_tools: bool) -> String {
    if !files.is_empty() && !question.trim().is_empty() {
        let names = files.iter().filter_map(|file| file.file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
        question.push_str(&format!("\n\nFiles in the current folder: {}", names.join(", ")));
        let pdf = names.iter().find(|name| name.to_lowercase().ends_with(".pdf"));
        if let Some(pdf) = pdf.filter(|_| has_image_tools) {
            question.push_str(&format!(
                "\nTo the image tools a page of a PDF is a picture: `{pdf}#1` is the first."
            ));
        }
    }
    question
}

fn request(
    args: &AskArgs,
    mut question: String,
    name: &str,
    model: &Model,
    album: Option<&Album>,
) -> Result<Request, Failure> {
    if let Some(album) = album.filter(|_| !args.no_tools) {
        question.push_str(&format!("\n\n{}", album.told()));
    }
    let mut parts = vec![Content::InputText { text: question }];
    let reads_images = model.backend.info().reads_images;
    if let Some(album) = album.filter(|_| reads_images) {
        parts.extend(pictures::shown(album)?);
    }
    let item = Known::Message {
        id: None,
        status: None,
        role: Role::User,
        content: Text::Parts(parts),
        phase: None,
    };
    let mut request = Request::new(name, vec![item.into()], reads_images)
        .map_err(|e| Failure::usage(e.to_string()))?;
    request.instructions = model.instructions.clone();
    request.sampling.temperature = args.temperature.unwrap_or(0.0);
    request.sampling.top_p = args.top_p;
    request.sampling.top_k = args.top_k;
    request.sampling.min_p = args.min_p;
    request.sampling.seed = args.seed;
    request.max_output_tokens = args.max_output_tokens;
    Ok(request)
}

fn in_pro_mode(
    args: &AskArgs,
    mut request: Request,
    policy: ProPolicy,
) -> Result<Request, Failure> {
    let more = args.samples.map_or(json!({}), |samples| json!({ "n_max": samples }));
    let wrong = |e: InvalidRequest| Failure::usage(e.to_string());
    request.pro = Some(policy.with(&more).map_err(wrong)?);
    if args.temperature.is_none() {
        request.sampling.temperature = pro::TEMPERATURE;
    }
    request.checked().map_err(wrong)
}

async fn store_request(
    store: &dyn Store,
    id: &ResponseId,
    name: &str,
    request: &Request,
) -> Result<(), Failure> {
    let stored = Stored {
        id: id.clone(),
        created_at: clock(),
        status: ResponseStatus::InProgress,
        model: name.to_owned(),
        request: serde_json::to_value(request)?,
    };
    Ok(store.create(stored).await?)
}

fn report(
    args: &AskArgs,
    response: &Response,
    cost: Total,
    local: bool,
    started: Instant,
    files_dir: &Path,
    painter: &mut Painter,
) -> Result<(), Failure> {
    if args.json {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, response)?;
        writeln!(out).and_then(|()| out.flush())?;
    } else {
        let files = files::made(files_dir);
        painter.summary(response, started.elapsed(), cost, local, &files)?;
    }
    let resume = "nothing more will come of it; ask again";
    match response.status {
        ResponseStatus::Completed => match waiting(response) {
            None => Ok(()),
            Some(call) => Err(Failure::new(format!(
                "{call} waits for consent; look at it, and ask again with --approve"
            ))),
        },
        ResponseStatus::Cancelled => Err(Failure::interrupted("stopped")),
        ResponseStatus::Incomplete => {
            let details = response.incomplete_details.as_ref();
            let reason = details.map(|d| serde_json::to_value(d.reason));
            let reason = reason.and_then(Result::ok).unwrap_or_default();
            let reason = reason.as_str().unwrap_or("unknown").replace('_', " ");
            let told = match details.and_then(|d| d.message.as_deref()) {
                Some(message) => message.to_owned(),
                None => format!("{reason}; {}", advice(&reason)),
            };
            Err(Failure::new(format!("the answer is incomplete: {told}")))
        }
        ResponseStatus::Failed | ResponseStatus::Queued | ResponseStatus::InProgress => {
            let why = response.error.as_ref().map_or(resume, |e| e.message.as_str());
            Err(Failure::new(why))
        }
    }
}

/// A call that was not made, since nobody agreed to it.
fn waiting(response: &Response) -> Option<String> {
    response.output.iter().find_map(|item| match item {
        Item::Known(Known::McpApprovalRequest { server_label, name, .. }) => {
            Some(format!("`{name}` of `{server_label}`"))
        }
        _ => None,
    })
}

fn advice(reason: &str) -> &'static str {
    match reason {
        "max output tokens" => "raise --max-output-tokens, or lower -e",
        "time limit" => "raise --time-limit",
        _ => "ask again, or use a larger model with -m",
    }
}
