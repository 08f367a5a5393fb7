//! The organization's usage and costs as OpenAI's `/organization/usage/*` and
//! `/organization/costs` give them: buckets of time, grouped, in pages.
//!
//! Buckets are half-open in UTC. A page's cursor is the start of its first bucket, so that pages
//! stay the same however often they are read. Names are those of OpenAI's SDK 3.54; a field that no
//! ledger line can tell (the size of a search's context, the vector store of a file search) is not
//! given, and grouping by it is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{Amount, Kind, LedgerLine, LedgerQuery, Meter, TIER_BATCH, TIER_DEFAULT, Total};

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Minute,
    Hour,
    Day,
}

impl Width {
    fn parse(text: &str) -> Option<Width> {
        match text {
            "1m" => Some(Width::Minute),
            "1h" => Some(Width::Hour),
            "1d" => Some(Width::Day),
            _ => None,
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Width::Minute => 60,
            Width::Hour => 3_600,
            Width::Day => crate::DAY,
        }
    }

    /// How many buckets a page has, and may have at most.
    fn limits(self) -> (usize, usize) {
        match self {
            Width::Minute => (60, 1_440),
            Width::Hour => (24, 168),
            Width::Day => (7, 31),
        }
    }
}

/// What results are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    ProjectId,
    UserId,
    ApiKeyId,
    Model,
    Batch,
    ServiceTier,
    /// Costs only: the model, or the tool.
    LineItem,
    /// OpenAI's mark of its Agents API, which nothing here comes from.
    ApiSource,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::ProjectId => "project_id",
            Field::UserId => "user_id",
            Field::ApiKeyId => "api_key_id",
            Field::Model => "model",
            Field::Batch => "batch",
            Field::ServiceTier => "service_tier",
            Field::LineItem => "line_item",
            Field::ApiSource => "api_source",
        }
    }

    fn of(self, line: &LedgerLine) -> Value {
        let or_null = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        match self {
            Field::ProjectId => or_null(&line.payer.project),
            Field::UserId => or_null(&line.payer.user),
            Field::ApiKeyId => or_null(&line.payer.key),
            Field::Model | Field::LineItem => or_null(&line.name),
            Field::Batch => (line.facts.tier == TIER_BATCH).into(),
            Field::ServiceTier if line.facts.tier.is_empty() => TIER_DEFAULT.into(),
            Field::ServiceTier => line.facts.tier.as_str().into(),
            Field::ApiSource => "unlabeled".into(),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    Completions,
    /// Calls of code interpreters, by container.
    CodeInterpreterSessions,
    WebSearchCalls,
    FileSearchCalls,
    /// What vector stores hold. The ledger does not know: see [`UsageQuery::stored`].
    VectorStores,
    Costs,
}

impl Usage {
    /// By the last part of its route: `completions`, `web_search_calls`.
    pub fn named(name: &str) -> Option<Usage> {
        match name {
            "completions" => Some(Usage::Completions),
            "code_interpreter_sessions" => Some(Usage::CodeInterpreterSessions),
            "web_search_calls" => Some(Usage::WebSearchCalls),
            "file_search_calls" => Some(Usage::FileSearchCalls),
            "vector_stores" => Some(Usage::VectorStores),
            _ => None,
        }
    }

    fn object(self) -> &'static str {
        match self {
            Usage::Completions => "organization.usage.completions.result",
            Usage::CodeInterpreterSessions => "organization.usage.code_interpreter_sessions.result",
            Usage::WebSearchCalls => "organization.usage.web_searches.result",
            Usage::FileSearchCalls => "organization.usage.file_searches.result",
            Usage::VectorStores => "organization.usage.vector_stores.result",
            Usage::Costs => "organization.costs.result",
        }
    }

    fn fields(self) -> &'static [Field] {
        use Field::{ApiKeyId, ApiSource, Batch, LineItem, Model, ProjectId, ServiceTier, UserId};
        match self {
            Usage::Completions => {
                &[ProjectId, UserId, ApiKeyId, Model, Batch, ServiceTier, ApiSource]
            }
            Usage::CodeInterpreterSessions | Usage::VectorStores => &[ProjectId],
            Usage::WebSearchCalls => &[ProjectId, UserId, ApiKeyId, Model, ApiSource],
            Usage::FileSearchCalls => &[ProjectId, UserId, ApiKeyId],
            Usage::Costs => &[ProjectId, UserId, LineItem, ApiKeyId, ApiSource],
        }
    }

    fn holds(self, line: &LedgerLine) -> bool {
        match self {
            Usage::Completions => line.kind == Kind::Model,
            Usage::CodeInterpreterSessions => {
                line.kind == Kind::Tool && matches!(&*line.name, "python" | "code_interpreter")
            }
            Usage::WebSearchCalls => line.kind == Kind::Tool && line.name == "web_search",
            Usage::FileSearchCalls => line.kind == Kind::Tool && line.name == "file_search",
            Usage::VectorStores => false,
            Usage::Costs => true,
        }
    }
}

/// A parameter that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadQuery {
    pub param: &'static str,
    pub reason: String,
}

/// A request that is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    usage: Usage,
    width: Width,
    /// The start of the first bucket of the page, and the end of the last.
    from: i64,
    to: i64,
    /// The end of everything that is asked for.
    end: i64,
    group_by: Vec<Field>,
    /// Models, or the line items of costs.
    names: Vec<String>,
    keys: Vec<String>,
    projects: Vec<String>,
    users: Vec<String>,
    batch: Option<bool>,
    /// The only key that whoever asks may hear of.
    own: Option<String>,
}

impl UsageQuery {
    /// Reads the parameters as a URL has them; `group_by[]=model` and `group_by=model` are the same.
    pub fn parse(usage: Usage, params: &[(String, String)], now: i64) -> Result<Self, BadQuery> {
        let bad = |param, reason: String| BadQuery { param, reason };
        let is = |name: &str, param: &str| name == param || name.strip_suffix("[]") == Some(param);
        let all = |param: &str| -> Vec<&str> {
            let own = params.iter().filter(|(name, _)| is(name, param));
            own.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()).collect()
        };
        let one = |param: &str| all(param).last().copied();
        let seconds = |param: &'static str| -> Result<Option<i64>, BadQuery> {
            let read = |text: &str| text.parse().ok().filter(|s: &i64| (0..1 << 40).contains(s));
            match one(param) {
                None => Ok(None),
                Some(text) => read(text).map(Some).ok_or_else(|| {
                    bad(param, format!("`{param}` = `{text}` is no time in seconds since 1970"))
                }),
            }
        };
        let width = match (usage, one("bucket_width")) {
            (_, None) => Width::Day,
            (Usage::Costs, Some("1d")) => Width::Day,
            (Usage::Costs, Some(other)) => {
                let reason = format!("`bucket_width` = `{other}`: costs are given by day, `1d`");
                return Err(bad("bucket_width", reason));
            }
            (_, Some(text)) => Width::parse(text).ok_or_else(|| {
                let reason = format!("`bucket_width` = `{text}` is none of 1m, 1h, 1d");
                bad("bucket_width", reason)
            })?,
        };
        let (limit, limit_max) = match usage {
            Usage::Costs => (7, 180),
            _ => width.limits(),
        };
        let limit = match one("limit") {
            None => limit,
            Some(text) => {
                text.parse().ok().filter(|n| (1..=limit_max).contains(n)).ok_or_else(|| {
                    bad("limit", format!("`limit` = `{text}` is no number from 1 to {limit_max}"))
                })?
            }
        };
        let start = seconds("start_time")?
            .ok_or_else(|| bad("start_time", "`start_time` is required".to_owned()))?;
        let end = seconds("end_time")?.unwrap_or(now);
        if end < start {
            return Err(bad("end_time", "`end_time` is before `start_time`".to_owned()));
        }
        let first = start.div_euclid(width.seconds()) * width.seconds();
        let from = match one("page") {
            None => first,
            Some(page) => {
                let at = page.strip_prefix("page_").and_then(|at| at.parse::<i64>().ok());
                let is_ours =
                    |at: &i64| (first..=end).contains(at) && (at - first) % width.seconds() == 0;
                at.filter(is_ours).ok_or_else(|| {
                    bad("page", format!("`page` = `{page}` is not a page of this query"))
                })?
            }
        };
        let mut group_by = vec![];
        for name in all("group_by") {
            let field = usage.fields().iter().find(|field| field.name() == name);
            group_by.push(*field.ok_or_else(|| {
                let known: Vec<_> = usage.fields().iter().map(|f| f.name()).collect();
                let reason = format!("`group_by` = `{name}` is none of {}", known.join(", "));
                bad("group_by", reason)
            })?);
        }
        group_by.sort();
        group_by.dedup();
        let batch = match one("batch") {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(other) => {
                let reason = format!("`batch` = `{other}` is neither true nor false");
                return Err(bad("batch", reason));
            }
        };
        let owned = |param: &str| all(param).into_iter().map(str::to_owned).collect();
        let to = from.saturating_add(limit as i64 * width.seconds()).min(end);
        Ok(UsageQuery {
            usage,
            width,
            from,
            to,
            end,
            group_by,
            names: owned(if usage == Usage::Costs { "line_items" } else { "models" }),
            keys: owned("api_key_ids"),
            projects: owned("project_ids"),
            users: owned("user_ids"),
            batch,
            own: None,
        })
    }

    /// Of this key alone, whatever else was asked for.
    pub fn of_key(self, key: &str) -> UsageQuery {
        UsageQuery { own: Some(key.to_owned()), ..self }
    }

    /// The lines that the page needs.
    pub fn ledger(&self) -> LedgerQuery {
        let only = |list: &[String]| match list {
            [one] => Some(one.clone()),
            _ => None,
        };
        LedgerQuery {
            key: self.own.clone().or_else(|| only(&self.keys)),
            project: only(&self.projects),
            ..LedgerQuery::between(self.from, self.to)
        }
    }

    /// Whether the page is asked for what this project has.
    fn holds_project(&self, project: &str) -> bool {
        self.projects.is_empty() || self.projects.iter().any(|p| p == project)
    }

    /// The page, of the lines that [`UsageQuery::ledger`] asks for.
    pub fn page(&self, lines: &[LedgerLine]) -> Value {
        let within = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        // Searches are told apart by the model of their response, which their line does not name.
        let by_name = matches!(self.usage, Usage::Completions | Usage::Costs);
        let ours = lines.iter().filter(|line| {
            self.usage.holds(line)
                && (self.from..self.to).contains(&line.at)
                && (!by_name || within(&self.names, &line.name))
                && within(&self.keys, &line.payer.key)
                && self.own.as_ref().is_none_or(|own| *own == line.payer.key)
                && self.holds_project(&line.payer.project)
                && within(&self.users, &line.payer.user)
                && self.batch.is_none_or(|batch| batch == (line.facts.tier == TIER_BATCH))
        });
        let mut buckets: BTreeMap<i64, Vec<&LedgerLine>> = BTreeMap::new();
        let seconds = self.width.seconds();
        for line in ours {
            buckets.entry(line.at.div_euclid(seconds) * seconds).or_default().push(line);
        }
        self.pages(|start| self.results(&buckets.remove(&start).unwrap_or_default()))
    }

    /// The page of what is stored, of `(project, bytes)` at the end of the bucket that ends then.
    pub fn stored(&self, at: impl Fn(i64) -> Vec<(String, u64)>) -> Value {
        let by_project = self.group_by.contains(&Field::ProjectId);
        self.pages(|start| {
            let mut groups: BTreeMap<Option<String>, u64> = BTreeMap::new();
            for (project, bytes) in at((start + self.width.seconds()).min(self.end)) {
                if self.holds_project(&project) {
                    let group = by_project.then_some(project).filter(|name| !name.is_empty());
                    let sum = groups.entry(group).or_default();
                    *sum = sum.saturating_add(bytes);
                }
            }
            let result = |(project, bytes)| {
                json!({"object": self.usage.object(), "usage_bytes": bytes, "project_id": project})
            };
            groups.into_iter().map(result).collect()
        })
    }

    /// Bucket by bucket, with what `results` says of the one that starts then.
    fn pages(&self, mut results: impl FnMut(i64) -> Vec<Value>) -> Value {
        let mut data = vec![];
        let mut start = self.from;
        while start < self.to {
            let end = start + self.width.seconds();
            data.push(json!({
                "object": "bucket",
                "start_time": start,
                "end_time": end.min(self.end),
                "results": results(start),
            }));
            start = end;
        }
        let has_more = self.to < self.end;
        json!({
            "object": "page",
            "data": data,
            "has_more": has_more,
            "next_page": has_more.then(|| format!("page_{}", self.to)),
        })
    }

    fn results(&self, lines: &[&LedgerLine]) -> Vec<Value> {
        let mut groups: BTreeMap<String, (Map<String, Value>, Vec<&LedgerLine>)> = BTreeMap::new();
        for line in lines {
            let fields = self.usage.fields().iter().map(|field| {
                let value =
                    if self.group_by.contains(field) { field.of(line) } else { Value::Null };
                (field.name().to_owned(), value)
            });
            let fields: Map<String, Value> = fields.collect();
            let key = Value::Object(fields.clone()).to_string();
            groups.entry(key).or_insert_with(|| (fields, vec![])).1.push(line);
        }
        groups.into_values().map(|(fields, lines)| self.result(fields, &lines)).collect()
    }

    fn result(&self, fields: Map<String, Value>, lines: &[&LedgerLine]) -> Value {
        let sum = |meters: &[Meter]| -> u64 {
            let counts = lines.iter().flat_map(|l| meters.iter().map(|m| l.facts.tokens.get(*m)));
            counts.fold(0, u64::saturating_add)
        };
        let total = |of: fn(&LedgerLine) -> u64| -> u64 {
            lines.iter().map(|l| of(l)).fold(0, u64::saturating_add)
        };
        let mut result = json!({"object": self.usage.object()});
        let numbers = match self.usage {
            Usage::Completions => {
                use Meter::*;
                let written = sum(&[CacheWrite, CacheWrite1h, CacheWrite12h, AudioCacheWrite]);
                json!({
                    "input_tokens": total(|l| l.facts.tokens.prompt()),
                    "input_uncached_tokens": sum(&[Input, AudioInput, ImageInput, VideoInput]),
                    "input_text_tokens": sum(&[Input]),
                    "input_audio_tokens": sum(&[AudioInput]),
                    "input_image_tokens": sum(&[ImageInput]),
                    "input_cached_tokens": sum(&[CachedInput, CachedAudioInput, CachedImageInput]),
                    "input_cached_text_tokens": sum(&[CachedInput]),
                    "input_cached_audio_tokens": sum(&[CachedAudioInput]),
                    "input_cached_image_tokens": sum(&[CachedImageInput]),
                    "input_cache_write_tokens": written,
                    "output_tokens": total(|l| l.facts.tokens.output()),
                    "output_text_tokens": sum(&[Output, ReasoningOutput]),
                    "output_audio_tokens": sum(&[AudioOutput]),
                    "output_image_tokens": sum(&[ImageOutput]),
                    "num_model_requests": lines.len(),
                })
            }
            // A response has one container.
            Usage::CodeInterpreterSessions => {
                json!({"num_sessions": distinct(lines, |l| &l.response_id)})
            }
            Usage::WebSearchCalls => json!({
                "num_model_requests": distinct(lines, |l| (&l.response_id, step(l))),
                "num_requests": lines.len(),
            }),
            Usage::FileSearchCalls => json!({"num_requests": lines.len()}),
            Usage::VectorStores => json!({}),
            Usage::Costs => self.cost(lines),
        };
        let (Value::Object(result_fields), Value::Object(numbers)) = (&mut result, numbers) else {
            unreachable!("both are written as objects above")
        };
        result_fields.extend(numbers);
        result_fields.extend(fields);
        result
    }

    /// What is known of it is a lower bound where a line has no price; where none has one, there is
    /// no number at all.
    fn cost(&self, lines: &[&LedgerLine]) -> Value {
        let total = Total::of(lines.iter().copied());
        let known = (total.unknown < total.lines).then_some(total.known);
        let (quantity, unit) = match (self.group_by.contains(&Field::LineItem), lines.first()) {
            (true, Some(line)) if line.kind == Kind::Model => {
                let tokens = |l: &LedgerLine| {
                    l.facts.tokens.prompt().saturating_add(l.facts.tokens.output())
                };
                let tokens = lines.iter().map(|l| tokens(l)).fold(0, u64::saturating_add);
                (json!(tokens), json!("tokens"))
            }
            (true, Some(_)) => (json!(lines.len()), json!("calls")),
            _ => (Value::Null, Value::Null),
        };
        json!({
            "amount": {"value": known.map(Amount::approximately), "currency": "usd"},
            "quantity": quantity,
            "quantity_unit": unit,
            // Ours: the number above is a float, as OpenAI's is, and unknown is no number.
            "amount_exact": known,
            "unknown_calls": total.unknown,
            "estimates": total.estimates,
        })
    }
}

fn distinct<'a, K: Ord>(lines: &[&'a LedgerLine], key: impl Fn(&'a LedgerLine) -> K) -> usize {
    lines.iter().map(|line| key(line)).collect::<BTreeSet<_>>().len()
}

/// The step of a call's key: what stands before its first colon.
fn step(line: &LedgerLine) -> &str {
    line.call.split(':').next().unwrap_or_default()
}
