//! What a run costs while it runs: a ledger line for each call, and a stop before a limit is passed.
//!
//! Before a sample its worst case is reserved in every budget, and the answer is cut to what the
//! budgets can pay for. After it, the reservation is settled at what the sample cost, and its line
//! goes into the journal's next transaction. A sample that was cut counts as an estimate, and one
//! whose price is unknown as its worst case: never as nothing.

use std::sync::Arc;
use std::time::Duration;

use ozone_cost::{
    Amount, Budget, Facts, Kind, LedgerLine, ModelPrice, Payer, PriceBook, Reservation, Reserved,
    Standing, Tokens, WorstCase,
};
use ozone_model::{SampleRequest, Turn};
use ozone_prompt::Message;
use ozone_store::{Ledger, StoreError};
use ozone_types::Usage;
use tokio::time::Instant;

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

    fn worst_case(&self, prompt_tokens: u64, at: i64) -> Result<WorstCase, String> {
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

/// A picture is at most so many tokens of the prompt.
const IMAGE_TOKENS_MAX: u64 = 4_096;
/// What a template adds to each message, at most.
const MESSAGE_TOKENS_MAX: u64 = 16;
/// Beside the time of the run: how long a reservation may outlive it.
const LEASE_SLACK_SECONDS: i64 = 60;

/// Why a sample is not made.
pub(crate) enum NoRoom {
    Store(StoreError),
    /// A limit is reached.
    Limit(Standing),
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
    /// How many samples were cut before it.
    cuts: u32,
    held: Option<Held>,
    began: Instant,
    /// The sample may not be as long as was asked for, for want of money.
    pub capped: bool,
}

struct Held {
    reservation: Reservation,
    turns: usize,
}

impl Spending {
    pub fn new(costs: Costs, response_id: &str, model: &str) -> Self {
        Spending {
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
        }
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
        self.step = step;
        self.prompt_tokens = None;
        self.seen = 0;
        self.began = Instant::now();
        self.capped = false;
        let prompt_tokens = self.prompt_tokens_max(request).min(context_window);
        let mut reservation = Reservation {
            id: format!("{}:{step}:{}", self.response_id, self.cuts),
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
        let affordable = worst.output_tokens(tightest.left()).unwrap_or(0);
        let output_tokens = asked.min(affordable);
        let Some(amount) = worst.amount(output_tokens).filter(|_| output_tokens > 0) else {
            return Err(NoRoom::Limit(tightest));
        };
        reservation.amount = amount;
        // Between the look and the reservation another call may have taken the room.
        if let Reserved::Refused(standing) = self.costs.ledger.reserve(&reservation).await? {
            return Err(NoRoom::Limit(standing));
        }
        self.capped = output_tokens < asked;
        request.output_tokens_max = request.output_tokens_max.min(output_tokens);
        self.held = Some(Held { reservation, turns: request.turns.len() });
        Ok(())
    }

    /// The model has read its prompt.
    pub fn started(&mut self, prompt_tokens: u64) {
        self.prompt_tokens = Some(prompt_tokens);
    }

    /// A chunk came. A model whose ids nobody knows sends about a token at a time.
    pub fn saw(&mut self, ids: usize) {
        self.seen += ids.max(1) as u64;
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
        let call = format!("{}:cut:{}", line.call, self.cuts);
        self.cuts += 1;
        let line = LedgerLine { estimate: true, call, ..self.with_machine(line) };
        self.settle(line.amount, at).await?;
        Ok(Some(line))
    }

    /// A tool call that ran on this machine: it costs nothing but its time.
    pub fn tool(&self, step: u32, index: usize, tool: &str, took: Duration, at: i64) -> LedgerLine {
        let call = LedgerLine::tool_call(step, index);
        let line = LedgerLine::new(&self.response_id, call, Kind::Tool, tool, at);
        let line = line.costing(Facts::new("", "", Tokens::default()), Amount::ZERO);
        self.of_payer(LedgerLine { machine_ms: Some(took.as_millis() as u64), ..line })
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
        for budget in &reservation.budgets {
            let before = self.costs.ledger.standing(budget, at).await?.spent;
            let after = before + amount.unwrap_or(reservation.amount);
            for percent in budget.alerts(before, after) {
                tracing::warn!(
                    "{percent} % of the budget of ${} for {} is spent",
                    budget.limit,
                    budget.scope
                );
            }
        }
        if !reservation.budgets.is_empty() {
            let cost = amount.unwrap_or(reservation.amount);
            self.costs.ledger.settle(reservation, cost, at).await?;
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
        // The template's own words beside what it is given.
        4_096 + instructions + tools.sum::<u64>() * 2 + turns(&request.turns)
    }
}

fn turn_tokens_max(turn: &Turn) -> u64 {
    let bytes = match turn {
        Turn::Given(message) | Turn::Sampled { message, .. } => match message {
            Message::System { text } | Message::Developer { text } | Message::User { text } => {
                text.len()
            }
            Message::Assistant { reasoning, text, tool_calls } => {
                let calls = tool_calls.iter().map(|c| c.name.len() + c.arguments.len());
                reasoning.as_ref().map_or(0, String::len) + text.len() + calls.sum::<usize>()
            }
            Message::ToolResult { name, output, .. } => name.len() + output.len(),
        },
        Turn::Shown { text, images } => {
            return text.len() as u64 + images.len() as u64 * IMAGE_TOKENS_MAX + MESSAGE_TOKENS_MAX;
        }
    };
    bytes as u64 + MESSAGE_TOKENS_MAX
}
