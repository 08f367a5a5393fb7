//! What a run costs while it runs: a ledger line for each call, and a stop before a limit is passed.
//!
//! Before a sample its worst case is reserved in every budget, and the answer is cut to what the
//! budgets can pay for. After it, the reservation is settled at what the sample cost, and its line
//! goes into the journal's next transaction. A sample that was cut counts as an estimate, and one
//! whose price is unknown as its worst case: never as nothing.

mod paid;

use std::sync::Arc;
use std::time::Duration;

use ozone_cost::{
    Amount, Budget, BudgetRule, Facts, Kind, LedgerLine, LedgerQuery, ModelPrice, Payer, Per,
    PriceBook, Reservation, Reserved, Standing, Tokens, Total, WorstCase, show_instant,
};
use ozone_model::{ModelInfo, SampleRequest, Turn};
use ozone_prompt::{Delta, Message};
use ozone_store::{Change, Document, Ledger, Library, Spent, StoreError};
use ozone_types::{Cost, Usage};
use tokio::time::Instant;

use crate::request::Request;
use crate::{context, input};

/// How the calls of a model are priced.
#[derive(Debug, Clone)]
pub enum Prices {
    /// As the model's owner wrote down.
    Own(ModelPrice),
    /// By the book, as these facts say: provider, model, tier and region.
    Book { book: Arc<PriceBook>, like: Box<Facts> },
}

impl Prices {
    fn line(&self, line: LedgerLine, usage: &Usage) -> LedgerLine {
        match self {
            Prices::Own(price) => {
                let facts = ozone_cost::response("", &line.name, usage);
                line.costing(facts, price.cost(usage))
            }
            Prices::Book { book, like } => {
                let counted = ozone_cost::response(&like.provider, &like.model, usage);
                let (tokens, missing) = (counted.tokens, counted.missing);
                line.priced(book, Facts { tokens, missing, ..(**like).clone() })
            }
        }
    }

    /// The most that a call can cost; `Err` says why nobody knows.
    pub fn worst_case(&self, prompt_tokens: u64, at: i64) -> Result<WorstCase, String> {
        match self {
            Prices::Own(price) => Ok(price.worst_case(prompt_tokens)),
            Prices::Book { book, like } => {
                book.worst_case(like, prompt_tokens, at).map_err(|unknown| unknown.to_string())
            }
        }
    }
}

/// Who pays for a run, at which prices, and up to which limits.
#[derive(Clone)]
pub struct Costs {
    pub prices: Prices,
    pub payer: Payer,
    /// The response that asked for this one: its lines are this one's children.
    pub parent: Option<String>,
    pub budgets: Vec<Budget>,
    pub ledger: Arc<dyn Ledger>,
    /// The own machine that the model runs on, for the second ledger.
    pub machine: Option<(Arc<PriceBook>, String)>,
}

impl Costs {
    /// Why the first sample of a request cannot be paid for, if so. What other runs hold for now is
    /// not counted: the run waits for that.
    pub async fn refusal(
        &self,
        request: &Request,
        model: &ModelInfo,
        at: i64,
    ) -> Result<Option<String>, StoreError> {
        if self.budgets.is_empty() {
            return Ok(None);
        }
        let worst = self.prices.worst_case(first_prompt_max(request, model), at);
        // The run says what is wrong with its price.
        let Ok(worst) = worst else { return Ok(None) };
        for budget in &self.budgets {
            let standing = self.ledger.standing(budget, at).await?;
            if worst.output_tokens(standing.unspent()).is_none_or(|n| n < OUTPUT_TOKENS_MIN) {
                return Ok(Some(told_of(&standing, at)));
            }
        }
        Ok(None)
    }
}

/// Room in the budgets for the first calls of samples that have not begun.
impl Costs {
    /// Holds room for so many samples of a request, in place of what was held for it before. Gives
    /// for how many there is room. A sample that begins makes room for itself by holding one less.
    pub(crate) async fn hold(
        &self,
        id: &str,
        request: &Request,
        model: &ModelInfo,
        samples: u32,
        at: i64,
        time_max: Duration,
    ) -> Result<u32, StoreError> {
        let id = format!("{id}:pro");
        if self.budgets.is_empty() {
            return Ok(samples);
        }
        self.ledger.release(&id).await?;
        let prompt_tokens = first_prompt_max(request, model) + TOOL_SPECS_TOKENS_MAX;
        let worst = self.prices.worst_case(prompt_tokens.min(model.context_window), at);
        let asked = request.max_output_tokens.map_or(model.context_window, |max| max);
        // The run says what is wrong with its price.
        let Ok(worst) = worst else { return Ok(samples) };
        let Some(one) = worst.amount(asked.min(model.context_window)) else { return Ok(0) };
        let (mut amount, mut count) = (Amount::ZERO, 0);
        let mut left: Option<Amount> = None;
        for budget in &self.budgets {
            let of_budget = self.ledger.standing(budget, at).await?.left();
            left = Some(left.map_or(of_budget, |left| left.min(of_budget)));
        }
        while count < samples && left.is_some_and(|left| amount + one <= left) {
            amount = amount + one;
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let budgets = self.budgets.clone();
        let lease_until = at + time_max.as_secs() as i64 + LEASE_SLACK_SECONDS;
        let reservation = Reservation { id, budgets, amount, at, lease_until };
        match self.ledger.reserve(&reservation).await? {
            Reserved::Refused(_) => Ok(0),
            _ => Ok(count),
        }
    }
}

/// A bound on the tokens of a request's first prompt: a token is at least a byte of text.
fn first_prompt_max(request: &Request, model: &ModelInfo) -> u64 {
    let told = request.told().map_or(0, |told| told.len() as u64);
    let tools = request.tools.spelt().iter().map(|tool| tool.to_string().len() as u64);
    let items = request.earlier.iter().chain(&request.input);
    let users_bytes_max = context::users_bytes_max(request.compact_threshold);
    let turns = input::turns(items, &[], model.reads_images, users_bytes_max);
    let turns = turns.iter().map(turn_tokens_max).sum::<u64>();
    let tokens = TEMPLATE_TOKENS_MAX + told + 2 * tools.sum::<u64>() + turns;
    tokens.min(model.context_window)
}

/// A rule that was begun with, so that its past is counted once.
const BUDGET: &str = "budget";

/// Lets budgets that were not there before count what was spent in their time. `known_as` gives the
/// name by which budgets know a model.
pub async fn adopt(
    store: &dyn Library,
    rules: &[BudgetRule],
    known_as: impl Fn(&str) -> String + Send + Sync,
    book: &PriceBook,
    at: i64,
) -> Result<(), StoreError> {
    let known = store.all_documents(BUDGET).await?;
    let rules = rules.iter().filter(|rule| rule.per != Per::Request);
    let rules: Vec<(String, &BudgetRule)> = rules.map(|rule| (rule.counts(), rule)).collect();
    let mut changes = vec![];
    for gone in known.iter().filter(|d| !rules.iter().any(|(counts, _)| *counts == d.id)) {
        let (kind, tenant, id) = (BUDGET.to_owned(), String::new(), gone.id.clone());
        changes.push(Change::Delete { kind, tenant, id });
    }
    for (counts, rule) in rules {
        if known.iter().any(|d| d.id == counts) {
            continue;
        }
        let query = LedgerQuery {
            from: Some(rule.over().since(at)),
            kind: Some(Kind::Model),
            ..LedgerQuery::default()
        };
        let mut of_scope: Vec<(Budget, Vec<LedgerLine>)> = vec![];
        for line in store.ledger(&query).await? {
            let model = known_as(&line.name);
            let budget = rule.budget(&line.payer, &model, &line.response_id, book, at);
            // A rule whose currency has no rate holds nobody, and its owner is told elsewhere.
            let Ok(Some(budget)) = budget else { continue };
            match of_scope.iter_mut().find(|(known, _)| known.scope == budget.scope) {
                Some((_, lines)) => lines.push(line),
                None => of_scope.push((budget, vec![line])),
            }
        }
        for (budget, lines) in of_scope {
            let spent = |line: &LedgerLine| {
                let id = reservation_of(line, &lines)?;
                Some(Spent { id, amount: line.amount?, at: line.at })
            };
            store.adopt(&budget, lines.iter().filter_map(spent).collect()).await?;
        }
        let (kind, tenant, parent) = (BUDGET.to_owned(), String::new(), String::new());
        let body = serde_json::Value::Null;
        changes.push(Change::Put(Document { kind, tenant, id: counts, parent, body }));
    }
    if changes.is_empty() { Ok(()) } else { store.apply(changes).await }
}

/// What a person is told of a budget that stops a run.
fn told_of(standing: &Standing, at: i64) -> String {
    let Standing { budget, spent, reserved } = standing;
    let mut told = if standing.unspent().is_zero() {
        format!("the budget of {budget} is spent")
    } else {
        let held = match reserved.is_zero() {
            true => String::new(),
            false => format!(" and ${reserved} held by other requests"),
        };
        let left = standing.left();
        format!(
            "of the budget of {budget}, ${spent} is spent{held}, and ${left} does not pay for more"
        )
    };
    if let Some(renewed) = budget.over.renewed(at) {
        told.push_str(&format!("; it begins anew at {}", show_instant(renewed)));
    }
    told
}

/// The id of a sample's reservation: the step, and how many samples of the step were cut before.
fn reservation_id(response_id: &str, step: u32, cuts: u32) -> String {
    format!("{response_id}:{step}:{cuts}")
}

/// The call of a sample that was cut.
fn cut_call(step: u32, cuts: u32) -> String {
    format!("{}:cut:{cuts}", LedgerLine::model_call(step))
}

/// How many samples of a step were cut, by the lines of its response.
fn cuts_of<'a>(step: u32, response_id: &str, lines: impl Iterator<Item = &'a LedgerLine>) -> u32 {
    let prefix = format!("{}:cut:", LedgerLine::model_call(step));
    lines.filter(|l| l.response_id == response_id && l.call.starts_with(&prefix)).count() as u32
}

/// The id that the sample of a line was reserved under. Tools that run here reserve nothing.
fn reservation_of(line: &LedgerLine, lines: &[LedgerLine]) -> Option<String> {
    let (step, rest) = line.call.split_once(':')?;
    let step = step.parse().ok()?;
    let cuts = match rest.strip_prefix("model:cut:") {
        Some(cuts) => cuts.parse().ok()?,
        None if rest == "model" => cuts_of(step, &line.response_id, lines.iter()),
        None => return None,
    };
    Some(reservation_id(&line.response_id, step, cuts))
}

/// What a template says of its own: the longest that we know, with tools, is about 400 tokens.
const TEMPLATE_TOKENS_MAX: u64 = 512;
/// Tools that run here and that the request does not spell: what their descriptions come to.
const TOOL_SPECS_TOKENS_MAX: u64 = 2_048;
/// An answer of fewer tokens than this is none: it is not begun where money for more is wanting.
const OUTPUT_TOKENS_MIN: u64 = 16;
/// A picture is at most so many tokens of the prompt.
const IMAGE_TOKENS_MAX: u64 = 4_096;
/// What a template adds to each message, at most.
const MESSAGE_TOKENS_MAX: u64 = 16;
/// Beside the time of the run: how long a reservation may outlive it.
const LEASE_SLACK_SECONDS: i64 = 60;
/// About so many bytes are a token in the languages that models are mostly trained on.
const BYTES_PER_TOKEN: u64 = 4;

/// A chunk without ids of more bytes than this is more than one token.
const TOKEN_BYTES_MAX: u64 = 8;

/// Why a sample is not made.
pub(crate) enum NoRoom {
    Store(StoreError),
    /// A limit is reached.
    Limit(Standing),
    /// Others hold what this call needs; when they end, some of it may be free again.
    Taken(Standing),
    /// There is a limit, and nothing to measure the call by.
    NoPrice(String),
}

impl From<StoreError> for NoRoom {
    fn from(e: StoreError) -> Self {
        NoRoom::Store(e)
    }
}

/// The costs of one run under way.
pub(crate) struct Spending {
    costs: Costs,
    response_id: String,
    model: String,
    /// Of the sample under way.
    step: u32,
    /// The tokens of the last prompt and its sample, and how many turns they were.
    known: Option<(u64, usize)>,
    /// Of the sample under way: what its prompt came to, and whether the model began to read it.
    prompt_tokens: Option<u64>,
    /// So many tokens came of it.
    seen: u64,
    /// How many samples of the step were cut before it.
    cuts: u32,
    /// What was charged before this process took the run up.
    before: Vec<LedgerLine>,
    total: Total,
    held: Option<Held>,
    began: Instant,
    /// The sample may not be as long as was asked for, for want of money.
    pub capped: bool,
    /// What a person is told of the budget that stopped the run.
    pub why: Option<String>,
}

struct Held {
    reservation: Reservation,
    turns: usize,
}

impl Spending {
    /// `resumed`: another process may have charged for this response before.
    pub async fn begin(
        costs: Costs,
        response_id: &str,
        model: &str,
        resumed: bool,
    ) -> Result<Self, StoreError> {
        let before = match resumed {
            true => costs.ledger.ledger(&LedgerQuery::response(response_id)).await?,
            false => vec![],
        };
        Ok(Spending {
            total: Total::of(&before),
            before,
            why: None,
            costs,
            response_id: response_id.to_owned(),
            model: model.to_owned(),
            step: 0,
            known: None,
            prompt_tokens: None,
            seen: 0,
            cuts: 0,
            held: None,
            began: Instant::now(),
            capped: false,
        })
    }

    /// What the response has cost so far.
    pub fn cost(&self) -> Cost {
        self.total.cost()
    }

    /// Ends the run for want of money.
    pub fn stopped_by(&mut self, standing: &Standing, at: i64) {
        self.why = Some(told_of(standing, at));
    }

    fn at_step(&mut self, step: u32) {
        if self.step != step {
            self.cuts = cuts_of(step, &self.response_id, self.before.iter());
        }
        self.step = step;
    }

    /// Reserves the worst case of a sample in all budgets, and cuts it to what they can pay for.
    pub async fn reserve(
        &mut self,
        step: u32,
        request: &mut SampleRequest,
        context_window: u64,
        at: i64,
        time_max: Duration,
    ) -> Result<(), NoRoom> {
        self.at_step(step);
        self.prompt_tokens = None;
        self.seen = 0;
        self.began = Instant::now();
        self.capped = false;
        let prompt_tokens = self.prompt_tokens_max(request).min(context_window);
        let mut reservation = Reservation {
            id: reservation_id(&self.response_id, step, self.cuts),
            budgets: self.costs.budgets.clone(),
            amount: Amount::ZERO,
            at,
            lease_until: at + time_max.as_secs() as i64 + LEASE_SLACK_SECONDS,
        };
        if reservation.budgets.is_empty() {
            self.held = Some(Held { reservation, turns: request.turns.len() });
            return Ok(());
        }
        let worst = self.costs.prices.worst_case(prompt_tokens, at).map_err(NoRoom::NoPrice)?;
        // A sample that is tried again makes room for itself first.
        self.costs.ledger.release(&reservation.id).await?;
        let asked = request.output_tokens_max.min(context_window);
        let mut tightest: Option<Standing> = None;
        for budget in &reservation.budgets {
            let standing = self.costs.ledger.standing(budget, at).await?;
            if tightest.as_ref().is_none_or(|t| standing.left() < t.left()) {
                tightest = Some(standing);
            }
        }
        let tightest = tightest.expect("there is a budget");
        let pays_for = |left: Amount| worst.output_tokens(left).unwrap_or(0).min(asked);
        let output_tokens = pays_for(tightest.left());
        let wanted = asked.min(OUTPUT_TOKENS_MIN);
        if output_tokens < asked && pays_for(tightest.unspent()) >= wanted.max(output_tokens + 1) {
            return Err(NoRoom::Taken(tightest));
        }
        let amount = worst.amount(output_tokens).filter(|_| output_tokens >= wanted);
        let Some(amount) = amount else { return Err(NoRoom::Limit(tightest)) };
        reservation.amount = amount;
        // Between the look and the reservation another call may have taken the room.
        if let Reserved::Refused(standing) = self.costs.ledger.reserve(&reservation).await? {
            return Err(NoRoom::Taken(standing));
        }
        if output_tokens < asked {
            let budget = &tightest.budget;
            self.why = Some(format!("the budget of {budget} pays for no more of this answer"));
        }
        self.capped = output_tokens < asked;
        request.output_tokens_max = request.output_tokens_max.min(output_tokens);
        self.held = Some(Held { reservation, turns: request.turns.len() });
        Ok(())
    }

    /// The next prompt does not begin as the last one did.
    pub fn forget_prompt(&mut self) {
        self.known = None;
    }

    /// The model has read its prompt.
    pub fn started(&mut self, prompt_tokens: u64) {
        self.prompt_tokens = Some(prompt_tokens);
    }

    /// A chunk came. A model whose ids nobody knows sends about a token at a time, or, under load,
    /// several that were joined.
    pub fn saw(&mut self, ids: usize, deltas: &[Delta]) {
        let bytes: usize = deltas.iter().map(|delta| delta.text().len()).sum();
        let about = (bytes as u64 / TOKEN_BYTES_MAX).max(1);
        self.seen += if ids == 0 { about } else { ids as u64 };
    }

    /// The sample is complete: its line. What was reserved for it is settled.
    pub async fn sampled(
        &mut self,
        usage: &Usage,
        is_estimate: bool,
        at: i64,
    ) -> Result<LedgerLine, StoreError> {
        let line = self.costs.prices.line(self.model_line(at), usage);
        let line = LedgerLine { estimate: is_estimate, ..self.with_machine(line) };
        self.total.add(&line);
        if let Some(held) = self.settle(line.amount, at).await? {
            self.known = Some((usage.input_tokens + usage.output_tokens, held.turns + 1));
        }
        Ok(line)
    }

    /// The sample ended before it told its usage: a line of what is known of it, marked as an
    /// estimate, unless the model had not begun.
    pub async fn cut(&mut self, at: i64) -> Result<Option<LedgerLine>, StoreError> {
        let Some(prompt_tokens) = self.prompt_tokens.take() else {
            if let Some(held) = self.held.take().filter(|h| !h.reservation.budgets.is_empty()) {
                self.costs.ledger.release(&held.reservation.id).await?;
            }
            return Ok(None);
        };
        if self.held.is_none() {
            return Ok(None);
        }
        let usage = Usage::of_sample(prompt_tokens, 0, self.seen, 0);
        let line = self.costs.prices.line(self.model_line(at), &usage);
        // The sample that is tried after it has the step's own key.
        let call = cut_call(self.step, self.cuts);
        self.cuts += 1;
        let line = LedgerLine { estimate: true, call, ..self.with_machine(line) };
        self.total.add(&line);
        self.settle(line.amount, at).await?;
        Ok(Some(line))
    }

    /// A sample died with the process before, and nothing of it can be gone on with: it was paid
    /// for, and how much is a guess.
    pub async fn lost(
        &mut self,
        step: u32,
        request: &SampleRequest,
        said_bytes: u64,
        at: i64,
    ) -> Result<LedgerLine, StoreError> {
        self.at_step(step);
        let prompt_tokens = self.prompt_tokens_max(request) / BYTES_PER_TOKEN;
        let usage = Usage::of_sample(prompt_tokens, 0, said_bytes.div_ceil(BYTES_PER_TOKEN), 0);
        let line = self.costs.prices.line(self.model_line(at), &usage);
        let line = LedgerLine { estimate: true, call: cut_call(step, self.cuts), ..line };
        let budgets = self.costs.budgets.clone();
        let id = reservation_id(&self.response_id, step, self.cuts);
        let amount = line.amount.unwrap_or(Amount::ZERO);
        let reservation = Reservation { id, budgets, amount, at, lease_until: at };
        self.held = Some(Held { reservation, turns: request.turns.len() });
        self.settle(line.amount, at).await?;
        self.cuts += 1;
        self.total.add(&line);
        Ok(line)
    }

    /// A tool call that ran on this machine: it costs nothing but its time.
    pub fn tool(
        &mut self,
        step: u32,
        index: usize,
        tool: &str,
        took: Duration,
        at: i64,
    ) -> LedgerLine {
        let call = LedgerLine::tool_call(step, index);
        let line = LedgerLine::new(&self.response_id, call, Kind::Tool, tool, at);
        let line = line.costing(Facts::new("", "", Tokens::default()), Amount::ZERO);
        let line = self.of_payer(LedgerLine { machine_ms: Some(took.as_millis() as u64), ..line });
        self.total.add(&line);
        line
    }

    fn model_line(&self, at: i64) -> LedgerLine {
        let call = LedgerLine::model_call(self.step);
        self.of_payer(LedgerLine::new(&self.response_id, call, Kind::Model, &self.model, at))
    }

    fn of_payer(&self, line: LedgerLine) -> LedgerLine {
        LedgerLine { payer: self.costs.payer.clone(), parent: self.costs.parent.clone(), ..line }
    }

    fn with_machine(&self, line: LedgerLine) -> LedgerLine {
        let Some((book, machine)) = &self.costs.machine else { return line };
        let milliseconds = self.began.elapsed().as_millis() as u64;
        let machine_amount = book.machine_time(machine, milliseconds, line.at);
        LedgerLine { machine_ms: Some(milliseconds), machine_amount, ..line }
    }

    /// Settled before the line is stored: a crash between the two counts too much for a moment and
    /// never too little, because the step that is run again settles the same reservation.
    async fn settle(
        &mut self,
        amount: Option<Amount>,
        at: i64,
    ) -> Result<Option<Held>, StoreError> {
        let Some(held) = self.held.take() else { return Ok(None) };
        let reservation = &held.reservation;
        if !reservation.budgets.is_empty() {
            let cost = amount.unwrap_or(reservation.amount);
            for alert in self.costs.ledger.settle(reservation, cost, at).await? {
                tracing::warn!("{} % of the budget of {} is spent", alert.percent, alert.budget);
            }
        }
        Ok(Some(held))
    }

    /// A bound: a token is at least a byte of text.
    fn prompt_tokens_max(&self, request: &SampleRequest) -> u64 {
        let turns = |turns: &[Turn]| turns.iter().map(turn_tokens_max).sum::<u64>();
        if let Some((tokens, count)) = self.known
            && let Some(new) = request.turns.get(count..)
        {
            return tokens + MESSAGE_TOKENS_MAX + turns(new);
        }
        let tools = request.tools.iter().map(|tool| {
            (tool.name.len() + tool.description.len() + tool.parameters.to_string().len()) as u64
        });
        let instructions = request.instructions.as_ref().map_or(0, String::len) as u64;
        TEMPLATE_TOKENS_MAX + instructions + tools.sum::<u64>() * 2 + turns(&request.turns)
    }
}

fn turn_tokens_max(turn: &Turn) -> u64 {
    let images = |images: &[ozone_model::Image]| images.len() as u64 * IMAGE_TOKENS_MAX;
    let tokens = match turn {
        Turn::Given(message) | Turn::Sampled { message, .. } => message_tokens_max(message),
        Turn::Shown { text, images: seen } => text.len() as u64 + images(seen),
        Turn::Returned { result, images: seen } => message_tokens_max(result) + images(seen),
    };
    tokens + MESSAGE_TOKENS_MAX
}

fn message_tokens_max(message: &Message) -> u64 {
    let bytes = match message {
        Message::System { text } | Message::Developer { text } | Message::User { text } => {
            text.len()
        }
        Message::Assistant { reasoning, text, tool_calls } => {
            let calls = tool_calls.iter().map(|c| c.name.len() + c.arguments.len());
            reasoning.as_ref().map_or(0, String::len) + text.len() + calls.sum::<usize>()
        }
        Message::ToolResult { name, output, .. } => name.len() + output.len(),
    };
    bytes as u64
}
