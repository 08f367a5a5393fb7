//! Looking through vector stores: for `/vector_stores/{id}/search`, and for the model as the tool
//! `file_search`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use ozone_store::passages::{Hit, Search, Weights};
use ozone_tools::{FileSearchTool, Tool, ToolError};
use ozone_types::FoundPassage;
use serde_json::{Map, Value};

use crate::app::App;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;

const KIND: &str = "file_search";
const RESULTS_MAX: u64 = 50;
/// Results of the tool where the request says nothing: as OpenAI's.
const TOOL_RESULTS: u64 = 20;
const STORES_MAX: usize = 16;
const FILTERS_MAX: usize = 128;
const FILTER_DEPTH_MAX: usize = 8;
const RANKERS: &[&str] = &["none", "auto", "default-2024-08-21", "default-2024-11-15"];

/// Where is looked, for which files, and how much is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Looking {
    stores: Vec<String>,
    filter: Option<Filter>,
    results_max: usize,
    score_min: f64,
}

impl Looking {
    /// Reads `filters`, `max_num_results` and `ranking_options`.
    pub fn parse(fields: &Fields<'_>, stores: Vec<String>, results: u64) -> Result<Self, ApiError> {
        let filter = match fields.get("filters") {
            None => None,
            Some(value) => {
                let mut left = FILTERS_MAX;
                Some(Filter::parse(value, &fields.param("filters"), FILTER_DEPTH_MAX, &mut left)?)
            }
        };
        let results_max = fields.integer("max_num_results", 1, RESULTS_MAX)?.unwrap_or(results);
        let mut score_min = 0.0;
        if let Some(ranking) = fields.object("ranking_options")? {
            score_min = ranking.number("score_threshold", 0.0, 1.0)?.unwrap_or(0.0);
            if let Some(other) = ranking.string("ranker")?.filter(|r| !RANKERS.contains(r)) {
                let allowed = format!("'{}'", RANKERS.join("', '"));
                return Err(ranking.bad_word("ranker", other, &allowed));
            }
            if let Some(hybrid) = ranking.object("hybrid_search")? {
                let weight = |name| hybrid.number(name, 0.0, f64::MAX);
                if weight("embedding_weight")?.is_some_and(|weight| weight > 0.0) {
                    let param = hybrid.param("embedding_weight");
                    let message = format!(
                        "Unsupported parameter: '{param}': there is no embedding model here; \
                         words alone decide."
                    );
                    return Err(ApiError::unsupported(&param, message));
                }
                weight("text_weight")?;
            }
        }
        Ok(Looking { stores, filter, results_max: results_max as usize, score_min })
    }

    /// The `file_search` tool of a request, with its place.
    fn of_tools(tools: &[Value]) -> Result<Option<(Looking, String)>, ApiError> {
        let mut found = tools.iter().enumerate().filter(|(_, tool)| tool["type"] == KIND);
        let Some((index, tool)) = found.next() else { return Ok(None) };
        if let Some((second, _)) = found.next() {
            let place = format!("tools[{second}]");
            let message = "A request may have one file_search tool; it may name several stores.";
            return Err(ApiError::coded(&place, "invalid_value", message));
        }
        let place = format!("tools[{index}]");
        let fields = Fields::of(tool, &place)?;
        let param = fields.param("vector_store_ids");
        let ids = fields.list("vector_store_ids")?.ok_or_else(|| ApiError::missing(&param))?;
        let stores: Option<Vec<String>> =
            ids.iter().map(|id| id.as_str().map(str::to_owned)).collect();
        let given = stores.filter(|s| (1..=STORES_MAX).contains(&s.len())).ok_or_else(|| {
            let message = format!("Invalid '{param}': expected 1 to {STORES_MAX} ids.");
            ApiError::coded(&param, "invalid_value", message)
        })?;
        let mut stores: Vec<String> = vec![];
        for id in given {
            if !stores.contains(&id) {
                stores.push(id);
            }
        }
        Ok(Some((Looking::parse(&fields, stores, TOOL_RESULTS)?, param)))
    }
}

/// Which files are looked through, by their attributes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Compare { key: String, by: Comparison, value: Value },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    Nin,
}

const COMPARISONS: &[(&str, Comparison)] = &[
    ("eq", Comparison::Eq),
    ("ne", Comparison::Ne),
    ("gt", Comparison::Gt),
    ("gte", Comparison::Gte),
    ("lt", Comparison::Lt),
    ("lte", Comparison::Lte),
    ("in", Comparison::In),
    ("nin", Comparison::Nin),
];

impl Filter {
    fn parse(
        value: &Value,
        place: &str,
        depth_left: usize,
        left: &mut usize,
    ) -> Result<Filter, ApiError> {
        if depth_left == 0 || *left == 0 {
            let message = format!(
                "Invalid '{place}': at most {FILTERS_MAX} filters are taken, {FILTER_DEPTH_MAX} \
                 within one another."
            );
            return Err(ApiError::coded(place, "invalid_value", message));
        }
        *left -= 1;
        let fields = Fields::of(value, place)?;
        let kind = fields.required("type")?;
        if kind == "and" || kind == "or" {
            let param = fields.param("filters");
            let inner = fields.list("filters")?.ok_or_else(|| ApiError::missing(&param))?;
            let inner: Result<Vec<Filter>, ApiError> = (inner.iter().enumerate())
                .map(|(i, one)| Filter::parse(one, &format!("{param}[{i}]"), depth_left - 1, left))
                .collect();
            return Ok(if kind == "and" { Filter::All(inner?) } else { Filter::Any(inner?) });
        }
        let Some((_, by)) = COMPARISONS.iter().find(|(name, _)| *name == kind) else {
            let names: Vec<&str> = COMPARISONS.iter().map(|(name, _)| *name).collect();
            let allowed = format!("'{}', 'and', 'or'", names.join("', '"));
            return Err(fields.bad_word("type", kind, &allowed));
        };
        let key = fields.required("key")?.to_owned();
        let param = fields.param("value");
        let value = fields.get("value").ok_or_else(|| ApiError::missing(&param))?.clone();
        let plain = |v: &Value| v.is_string() || v.is_number() || v.is_boolean();
        let (fits, wanted) = match by {
            Comparison::In | Comparison::Nin => (
                value.as_array().is_some_and(|all| all.iter().all(plain)),
                "an array of strings and numbers",
            ),
            _ => (plain(&value), "a string, a number or a boolean"),
        };
        if !fits {
            let message = format!("Invalid type for '{param}': expected {wanted}.");
            return Err(ApiError::coded(&param, "invalid_type", message));
        }
        Ok(Filter::Compare { key, by: *by, value })
    }

    /// An attribute that is missing, or of another type, equals nothing and is neither more nor
    /// less.
    fn holds(&self, attributes: &Map<String, Value>) -> bool {
        match self {
            Filter::All(all) => all.iter().all(|filter| filter.holds(attributes)),
            Filter::Any(any) => any.iter().any(|filter| filter.holds(attributes)),
            Filter::Compare { key, by, value } => {
                let order = |value: &Value| attributes.get(key).and_then(|own| order(own, value));
                let is_in = || {
                    let mut all = value.as_array().into_iter().flatten();
                    all.any(|one| order(one) == Some(Ordering::Equal))
                };
                match by {
                    Comparison::Eq => order(value) == Some(Ordering::Equal),
                    Comparison::Ne => order(value) != Some(Ordering::Equal),
                    Comparison::Gt => order(value) == Some(Ordering::Greater),
                    Comparison::Gte => order(value).is_some_and(Ordering::is_ge),
                    Comparison::Lt => order(value) == Some(Ordering::Less),
                    Comparison::Lte => order(value).is_some_and(Ordering::is_le),
                    Comparison::In => is_in(),
                    Comparison::Nin => !is_in(),
                }
            }
        }
    }
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        _ => None,
    }
}

impl App {
    /// The passages that fit these queries best, each once, best first.
    pub async fn look(
        &self,
        tenant: &str,
        looking: &Looking,
        queries: &[String],
    ) -> Result<Vec<FoundPassage>, ApiError> {
        // By store, file and number.
        let mut best: HashMap<(String, String, u64), (f64, Hit)> = HashMap::new();
        for store in &looking.stores {
            self.use_vector_store(tenant, store).await?;
            let files = match &looking.filter {
                None => None,
                Some(filter) => Some(self.filtered(tenant, store, filter).await?),
            };
            for query in queries {
                let search = Search {
                    shelf: store.clone(),
                    query: query.clone(),
                    vector: None,
                    weights: Weights::default(),
                    files: files.clone(),
                    limit: looking.results_max,
                };
                for hit in self.store.search(search).await? {
                    if hit.score < looking.score_min {
                        continue;
                    }
                    let (score, key) = (hit.score, (store.clone(), hit.file.clone(), hit.number));
                    let place = best.entry(key).or_insert((score, hit));
                    place.0 = place.0.max(score);
                }
            }
        }
        let mut best: Vec<_> = best.into_iter().collect();
        best.sort_by(|(a, (x, _)), (b, (y, _))| y.total_cmp(x).then_with(|| a.cmp(b)));
        let mut found: Vec<FoundPassage> = vec![];
        for ((store, file, _), (score, hit)) in best {
            if found.len() == looking.results_max {
                break;
            }
            // It may have been deleted meanwhile.
            let Some(mut card) = self.vector_store_file(tenant, &store, &file).await? else {
                continue;
            };
            let attributes = match card["view"]["attributes"].take() {
                Value::Object(attributes) => attributes,
                _ => Map::new(),
            };
            let filename = card["filename"].as_str().unwrap_or("file").to_owned();
            let Hit { text, page, .. } = hit;
            found.push(FoundPassage { file_id: file, filename, score, attributes, text, page });
        }
        Ok(found)
    }

    async fn filtered(
        &self,
        tenant: &str,
        store: &str,
        filter: &Filter,
    ) -> Result<Vec<String>, ApiError> {
        let none = Map::new();
        let cards = self.cards(tenant, store).await?;
        let wanted = cards.iter().map(|card| &card["view"]).filter(|view| {
            (view["status"] == "completed" || view["status"] == "in_progress")
                && filter.holds(view["attributes"].as_object().unwrap_or(&none))
        });
        Ok(wanted.filter_map(|view| view["id"].as_str().map(str::to_owned)).collect())
    }

    /// Whether the `file_search` of a request can be done.
    pub async fn check_file_search(
        &self,
        tenant: &Tenant,
        tools: &[Value],
    ) -> Result<(), ApiError> {
        let Some((looking, param)) = Looking::of_tools(tools)? else { return Ok(()) };
        for id in &looking.stores {
            self.check_vector_store(tenant, id).await.map_err(|e| match e {
                ApiError::NotFound { message, .. } => {
                    ApiError::coded(&param, "vector_store_not_found", message)
                }
                ApiError::Invalid { message, code, .. } => {
                    ApiError::Invalid { message, param: Some(param.clone()), code }
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// The tools of a response, and those behind `file_search` and `web_search` if it asked for them.
    /// The first ones work in `folder`.
    pub fn with_searches(
        self: &Arc<Self>,
        mut tools: Vec<Box<dyn Tool>>,
        tenant: &str,
        spelt: &[Value],
        folder: Option<PathBuf>,
    ) -> Vec<Box<dyn Tool>> {
        tools.extend(self.file_search_tool(tenant, spelt));
        tools.extend(self.picture_tool(spelt, folder.clone()));
        tools.extend(self.web_tools(spelt, folder));
        tools
    }

    fn file_search_tool(self: &Arc<Self>, tenant: &str, tools: &[Value]) -> Option<Box<dyn Tool>> {
        // It was checked when the response was made.
        let (looking, _) = Looking::of_tools(tools).ok()??;
        let (app, tenant) = (self.clone(), tenant.to_owned());
        let searcher = move |queries: Vec<String>| {
            let (app, tenant, looking) = (app.clone(), tenant.clone(), looking.clone());
            Box::pin(async move {
                app.look(&tenant, &looking, &queries).await.map_err(|e| match e {
                    ApiError::NotFound { .. } | ApiError::Invalid { .. } => {
                        ToolError::Unavailable(e.to_string())
                    }
                    ours => ToolError::Internal(Box::new(ours)),
                })
            }) as ozone_tools::file_search::Searching
        };
        Some(Box::new(FileSearchTool::new(Arc::new(searcher))))
    }
}
