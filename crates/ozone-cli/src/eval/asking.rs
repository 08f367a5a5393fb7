//! One question through the loop that serves users, from nothing and into a store of its own.

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ozone_agent::{Costs, Limits, Prices, Pro, ProPolicy, Request, Run};
use ozone_cost::{LedgerLine, LedgerQuery, Payer, PriceBook};
use ozone_eval::{Answered, Plan, Problem};
use ozone_image::Coords;
use ozone_model::{Delivery, ModelBackend};
use ozone_store::{Journal, Ledger, MemoryStore, Store, Stored};
use ozone_tasks::Offer;
use ozone_tools::image::Profile;
use ozone_tools::{PythonTool, Tool};
use ozone_types::item::Known;
use ozone_types::{Item, Response, ResponseId, ResponseStatus, Usage};
use tokio_util::sync::CancellationToken;

use super::easel::Easel;
use crate::failure::Failure;
use crate::setup::Python;

/// The most samples of the model in one answer.
const STEPS_MAX: u32 = 8;

pub(super) struct Asker<'a> {
    pub backend: Arc<dyn ModelBackend>,
    pub prices: Prices,
    /// What this machine costs, for the second ledger.
    pub machine: Option<(Arc<PriceBook>, String)>,
    pub python: &'a Python,
    /// How the model writes places in a picture.
    pub coords: Option<Coords>,
    pub plan: Plan,
}

impl Asker<'_> {
    /// What is wrong with ourselves is a failed answer with its cause, and never a wrong one.
    pub async fn ask(&self, problem: Problem, epoch: u32) -> Answered {
        let started = Instant::now();
        let done = self.run(&problem, epoch).await;
        let seconds = started.elapsed().as_secs_f64();
        match done {
            Ok((response, ledger)) => answered(response, ledger, seconds),
            Err(e) => Answered {
                reply: String::new(),
                status: ResponseStatus::Failed,
                reason: Some(e.to_string()),
                calls: 0,
                samples: 0,
                usage: Usage::default(),
                ledger: vec![],
                seconds,
            },
        }
    }

    async fn run(
        &self,
        problem: &Problem,
        epoch: u32,
    ) -> Result<(Response, Vec<LedgerLine>), Failure> {
        let store = Arc::new(MemoryStore::default());
        let id = ResponseId::mint();
        let model = self.backend.info().id.clone();
        let info = self.backend.info();
        let easel = match (&problem.picture, self.plan.outfit) {
            (Some(picture), Some(outfit)) => {
                let coords = self.coords.unwrap_or_default();
                let profile = Profile {
                    coords,
                    ..Profile::new(self.backend.delivery() != Delivery::Text)
                        .of_context(info.context_window)
                };
                Some(Easel::set_up(picture, outfit, profile).await?)
            }
            _ => None,
        };
        let asked = match &easel {
            Some(easel) => easel.message(&problem.text),
            None => Item::user(&problem.text),
        };
        let mut request = Request::new(&model, vec![asked], info.reads_images)?;
        request.instructions = self.plan.instructions.clone();
        request.effort = self.plan.effort;
        request.max_output_tokens = self.plan.max_output_tokens;
        request.sampling.temperature = self.plan.temperature;
        request.sampling.seed = self.plan.seed_of(epoch);
        request.pro = self.plan.pro.map(policy);
        let stored = Stored {
            id: id.clone(),
            created_at: 0,
            status: ResponseStatus::InProgress,
            model,
            request: serde_json::Value::Null,
        };
        store.create(stored).await?;
        let python = match problem.offer {
            Offer::Python if self.plan.tools => Some(self.python.source()),
            Offer::Python | Offer::Images { .. } | Offer::Nothing => None,
        };
        // The folder of the pictures stays until the answer is there.
        let easel = easel.map(Arc::new);
        let tools = move || -> Vec<Box<dyn Tool>> {
            let folder = easel.as_ref().map(|easel| easel.folder().to_owned());
            let tool = |source| PythonTool::new(source, "cntr_eval".into(), folder.clone());
            let python = python.clone().into_iter().map(|s| Box::new(tool(s)) as Box<dyn Tool>);
            python.chain(easel.iter().flat_map(|easel| easel.tools())).collect()
        };
        let time_max = Duration::from_secs(self.plan.seconds_max);
        let limits = Limits { steps_max: STEPS_MAX, time_max, ..Limits::default() };
        let (backend, clock) = (self.backend.clone(), crate::ask::clock);
        let journal = Journal::open(store.clone(), id).await?;
        let (cancel, seal) = (CancellationToken::new(), None);
        let costs = Costs {
            prices: self.prices.clone(),
            payer: Payer::default(),
            parent: None,
            budgets: vec![],
            ledger: store.clone(),
            machine: self.machine.clone(),
        };
        let response = if request.pro.is_some() {
            let run = Pro {
                tools_shown: vec![],
                outfit: Arc::new(move |_, journal| Box::pin(ready(Ok((journal, tools()))))),
                crown: Box::new(|_| Ok(())),
                store: store.clone(),
                mark: serde_json::Map::new(),
                backend,
                journal,
                request,
                limits,
                clock,
                cancel,
                seal,
            };
            run.run(Some(costs)).await?
        } else {
            let run =
                Run { backend, tools: tools(), journal, request, limits, clock, cancel, seal };
            run.run_costing(costs).await?
        };
        Ok((response, store.ledger(&LedgerQuery::default()).await?))
    }
}

fn policy(plan: ozone_eval::Pro) -> ProPolicy {
    let (n_max, policy) = (plan.samples_max, ProPolicy::default());
    let n_min = if plan.stops_early { policy.n_min.min(n_max) } else { n_max };
    ProPolicy { n_min, n_max, ..policy }
}

fn answered(response: Response, ledger: Vec<LedgerLine>, seconds: f64) -> Answered {
    let is_call = |item: &&Item| {
        let call = matches!(item, Item::Known(Known::CodeInterpreterCall { .. }));
        call || matches!(item, Item::Known(Known::McpCall { .. }))
    };
    let error = response.error.as_ref().map(|e| e.message.clone());
    let cut = response.incomplete_details.as_ref().map(|d| format!("{:?}", d.reason));
    Answered {
        reply: response.output_text(),
        status: response.status,
        reason: error.or(cut),
        calls: response.output.iter().filter(is_call).count(),
        samples: response.pro.as_ref().map_or(1, |pro| pro.started),
        usage: response.usage.unwrap_or_default(),
        ledger,
        seconds,
    }
}
