//! The organization's usage and costs as OpenAI's `/organization/usage/*` and
//! `/organization/costs` give them: buckets of time, grouped, in pages.
//!
//! Buckets are half-open in UTC. A page's cursor is the start of its first bucket, so that pages
//! stay the same however often they are read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{Amount, Kind, LedgerLine, LedgerQuery, Meter, TIER_BATCH, TIER_DEFAULT};

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
    Costs,
}

impl Usage {
    fn object(self) -> &'static str {
        match self {
            Usage::Completions => "organization.usage.completions.result",
            Usage::CodeInterpreterSessions => "organization.usage.code_interpreter_sessions.result",
            Usage::WebSearchCalls => "organization.usage.web_search_calls.result",
            Usage::FileSearchCalls => "organization.usage.file_search_calls.result",
            Usage::Costs => "organization.costs.result",
        }
    }

    fn fields(self) -> &'static [Field] {
        use Field::{ApiKeyId, Batch, LineItem, Model, ProjectId, ServiceTier, UserId};
        match self {
            Usage::Completions => &[ProjectId, UserId, ApiKeyId, Model, Batch, ServiceTier],
            Usage::CodeInterpreterSessions => &[ProjectId],
            Usage::WebSearchCalls | Usage::FileSearchCalls => &[ProjectId, UserId, ApiKeyId, Model],
            Usage::Costs => &[ProjectId, LineItem, ApiKeyId],
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
    models: Vec<String>,
    keys: Vec<String>,
    projects: Vec<String>,
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
        let owned = |param: &str| all(param).into_iter().map(str::to_owned).collect();
        let to = from.saturating_add(limit as i64 * width.seconds()).min(end);
        Ok(UsageQuery {
            usage,
            width,
            from,
            to,
            end,
            group_by,
            models: owned("models"),
            keys: owned("api_key_ids"),
            projects: owned("project_ids"),
        })
    }

    /// The lines that the page needs.
    pub fn ledger(&self) -> LedgerQuery {
        LedgerQuery::between(self.from, self.to)
    }

    /// The page, of the lines that [`UsageQuery::ledger`] asks for.
    pub fn page(&self, lines: &[LedgerLine]) -> Value {
        let within = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        let ours = lines.iter().filter(|line| {
            self.usage.holds(line)
                && (self.from..self.to).contains(&line.at)
                && within(&self.models, &line.name)
                && within(&self.keys, &line.payer.key)
                && within(&self.projects, &line.payer.project)
        });
        let mut buckets: BTreeMap<i64, Vec<&LedgerLine>> = BTreeMap::new();
        let seconds = self.width.seconds();
        for line in ours {
            buckets.entry(line.at.div_euclid(seconds) * seconds).or_default().push(line);
        }
        let mut data = vec![];
        let mut start = self.from;
        while start < self.to {
            let end = start + seconds;
            let lines = buckets.remove(&start).unwrap_or_default();
            data.push(json!({
                "object": "bucket",
                "start_time": start,
                "end_time": end.min(self.end),
                "results": self.results(&lines),
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
            Usage::Completions => json!({
                "input_tokens": total(|l| l.facts.tokens.prompt()),
                "output_tokens": total(|l| l.facts.tokens.output()),
                "input_cached_tokens": sum(&[
                    Meter::CachedInput, Meter::CachedAudioInput, Meter::CachedImageInput,
                ]),
                "input_audio_tokens": sum(&[Meter::AudioInput, Meter::CachedAudioInput]),
                "output_audio_tokens": sum(&[Meter::AudioOutput]),
                "num_model_requests": lines.len(),
            }),
            Usage::CodeInterpreterSessions => {
                // A response has one container.
                let mut responses: Vec<_> = lines.iter().map(|l| &l.response_id).collect();
                responses.sort();
                responses.dedup();
                json!({"num_sessions": responses.len()})
            }
            Usage::WebSearchCalls | Usage::FileSearchCalls => json!({"num_requests": lines.len()}),
            Usage::Costs => {
                let known: Amount = lines.iter().filter_map(|l| l.amount).sum();
                json!({
                    "amount": {"value": known.approximately(), "currency": "usd"},
                    // Ours: the number above is a float, as OpenAI's is.
                    "amount_exact": known,
                    "unknown_lines": lines.iter().filter(|l| l.amount.is_none()).count(),
                    "quantity": lines.len(),
                    "quantity_unit": "calls",
                })
            }
        };
        let (Value::Object(result_fields), Value::Object(numbers)) = (&mut result, numbers) else {
            unreachable!("both are written as objects above")
        };
        result_fields.extend(numbers);
        result_fields.extend(fields);
        result
    }
}
