//! From a checked body to a run: references are looked up, sealed reasoning is opened, files are
//! read, and what came before is put in front.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_agent::request::InvalidRequest;
use ozone_agent::{Echo, OfferedTools, Request};
use ozone_store::{Order, Page, StoreError};
use ozone_types::item::Known;
use ozone_types::{Item, ResponseId};
use serde_json::{Value, json};

use std::sync::Arc;

use crate::app::{App, mint};
use crate::auth::Tenant;
use crate::built_in::{IMAGE, MEMORY};
use crate::error::ApiError;
use crate::fetch::Fetches;
use crate::fields::Fields;
use crate::mcp::McpUse;
use crate::request::{Before, Create, ReasoningContext, previous_not_found};
use crate::rollouts;
use crate::runs::{self, CONVERSATION_ITEM, ITEM, Job, Serve, from_stored};
use crate::websocket::Memory;
use crate::{files, image_generation, images, workplace};

/// The most items that a conversation may put before a request.
const CONVERSATION_ITEMS_MAX: usize = 10_000;

impl From<InvalidRequest> for ApiError {
    fn from(e: InvalidRequest) -> Self {
        ApiError::Invalid {
            message: e.to_string(),
            param: Some(e.param().to_owned()),
            code: e.code(),
        }
    }
}

impl App {
    /// A job for what was asked. Waits for its conversation.
    pub async fn prepare(&self, tenant: &Tenant, create: Create) -> Result<Job, ApiError> {
        self.prepare_on(tenant, create, None).await
    }

    /// The same for a connection that remembers what is not stored.
    pub async fn prepare_on(
        &self,
        tenant: &Tenant,
        create: Create,
        memory: Option<&Memory>,
    ) -> Result<Job, ApiError> {
        let model = self.model(tenant, &create.model)?;
        let entry = &model.entry;
        let effort = create.effort.or(entry.effort);
        if let Some(effort) =
            effort.filter(|e| !entry.efforts.is_empty() && !entry.efforts.contains(e))
        {
            let words: Vec<Value> = entry.efforts.iter().map(|e| json!(e)).collect();
            let message = format!(
                "Unsupported value: 'reasoning.effort' does not support {} with this model. \
                 Supported values are: {}.",
                json!(effort),
                Value::from(words)
            );
            return Err(ApiError::coded("reasoning.effort", "unsupported_value", message));
        }
        let conversation = match &create.before {
            Before::Conversation(id) => {
                self.conversation(tenant, id).await?;
                Some(self.lock(&tenant.name, id).await?)
            }
            Before::Nothing | Before::Response(_) => None,
        };
        let id = ResponseId::mint();
        let mut serve = Serve {
            tenant: tenant.name.clone(),
            tier: create.tier.name().to_owned(),
            background: create.background,
            stream: create.stream,
            store: create.store,
            previous_response_id: match &create.before {
                Before::Response(id) => Some(id.clone()),
                Before::Nothing | Before::Conversation(_) => None,
            },
            conversation: match &create.before {
                Before::Conversation(id) => Some(id.clone()),
                Before::Nothing | Before::Response(_) => None,
            },
            container: None,
            current_turn_only: create.reasoning_context == ReasoningContext::CurrentTurn,
        };
        let remembered =
            serve.previous_response_id.as_ref().and_then(|id| memory.and_then(|m| m.get(id)));
        let earlier = match remembered {
            Some(items) => items,
            None => self.earlier_of(&serve).await?,
        };
        images::look(entry, &earlier, &create.input).await;
        let reads_images = entry.backend.info().reads_images;
        let works_on_images = IMAGE.asked(&create.tools, entry)?;
        let remembers = MEMORY.asked(&create.tools, entry)?;
        workplace::check_learnt(&create.tools, entry)?;
        // Who makes pictures may change those of the user.
        let makes_pictures = create.tools.iter().any(|tool| tool["type"] == image_generation::KIND);
        let takes_images = reads_images || works_on_images || makes_pictures;
        // The files of a request fill at most half of the context, at four bytes a token.
        let window = entry.backend.info().context_window;
        let file_text_bytes_max = usize::try_from(window).unwrap_or(usize::MAX).saturating_mul(2);
        let mut fetches = self.fetches(takes_images, file_text_bytes_max);
        let mut input = vec![];
        for (index, item) in create.input.iter().enumerate() {
            let place = format!("input[{index}]");
            input.push(self.input_item(tenant, &entry.id, item, &place, &mut fetches).await?);
        }
        let mut tools = create.tools;
        self.read_mask(tenant, &mut tools, &mut fetches).await?;
        let servers = self.mcp_servers(&mut tools)?;
        let mcp = McpUse::of(servers, &[&earlier, &input]);
        let mut request = Request::new(&entry.id, input, takes_images)?;
        request.earlier = earlier;
        request.instructions = create.instructions.or_else(|| entry.instructions.clone());
        request.tools = OfferedTools::parse(tools)?;
        request.tool_choice = create.tool_choice;
        request.parallel_tool_calls = create.parallel_tool_calls;
        request.text = serde_json::from_value(create.text).map_err(|e| {
            ApiError::coded("text", "invalid_value", format!("Invalid 'text': {e}."))
        })?;
        request.summary = create.summary;
        request.recorded = create.recorded;
        if create.recorded {
            rollouts::check(entry)?;
        }
        request.raw_reasoning = entry.raw_reasoning;
        request.truncation = create.truncation;
        request.compact_threshold = create.compaction.map(|compaction| {
            let window = entry.backend.info().context_window;
            compaction.threshold.unwrap_or(window - window / 4)
        });
        request.sealed_reasoning = create.include.encrypted_reasoning;
        request.logprobs = create.include.logprobs;
        request.search_results = create.include.search_results;
        request.web_results = create.include.web_results;
        request.effort = effort;
        request.sampling = entry.sampling;
        if let Some(temperature) = create.temperature {
            request.sampling.temperature = temperature as f32;
        }
        if let Some(top_p) = create.top_p {
            request.sampling.top_p = top_p as f32;
        }
        if let Some(x_pro) = &create.pro {
            request.pro = Some(entry.pro.clone().with(x_pro)?);
            if create.temperature.is_none() && request.sampling.temperature == 0.0 {
                request.sampling.temperature = ozone_agent::pro::TEMPERATURE;
            }
        }
        request.sampling.top_logprobs = create.top_logprobs as u8;
        // A seed of its own for each response; it is stored, so a killed run goes on the same.
        request.sampling.seed = create.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        request.max_output_tokens = create.max_output_tokens;
        request.max_tool_calls = create.max_tool_calls;
        request.metadata = create.metadata;
        request.echo = Echo {
            previous_response_id: serve.previous_response_id.clone(),
            conversation: serve.conversation.clone(),
            background: create.background,
            store: create.store,
            service_tier: serve.tier.clone(),
            user: create.user,
            safety_identifier: create.safety_identifier,
            prompt_cache_key: create.prompt_cache_key,
        };
        let mut request = request.checked()?;
        self.check_file_search(tenant, request.tools.spelt()).await?;
        self.check_web_search(request.tools.spelt())?;
        let context: [&[Item]; 2] = [&request.earlier, &request.input];
        self.check_image_generation(request.tools.spelt(), entry, &context)?;
        if remembers {
            request.memory = Some(self.remembered(&tenant.name, &request).await?);
        }
        // Last, since it makes a container: a request that is refused leaves nothing behind.
        let own = id.as_str().replacen("resp_", "cntr_", 1);
        serve.container = self.container(tenant, &request, &serve, &own).await?;
        if let Some(container) = serve.container.as_ref().filter(|_| works_on_images) {
            let (folder, is_new) = (self.containers_dir.join(container), *container == own);
            let put = images::put(folder, is_new, &mut request, images::profile(entry)).await;
            if put.is_err() && is_new {
                self.remove_container(tenant, container).await?;
            }
            put?;
        }
        Ok(Job { id, request, serve, model, mcp, tier: create.tier, conversation })
    }

    /// Everything that stands before the input, oldest first, as the loop remembers it.
    pub async fn earlier_of(&self, serve: &Serve) -> Result<Vec<Item>, ApiError> {
        let mut earlier = match (&serve.previous_response_id, &serve.conversation) {
            (Some(id), _) => self.chain(&serve.tenant, id).await?,
            (None, Some(id)) => self.conversation_items(&serve.tenant, id).await?,
            (None, None) => vec![],
        };
        if serve.current_turn_only {
            earlier.retain(|item| !matches!(item, Item::Known(Known::Reasoning { .. })));
        }
        Ok(earlier)
    }

    async fn chain(&self, tenant: &str, newest: &ResponseId) -> Result<Vec<Item>, ApiError> {
        let max = self.limits.chain_max;
        let links = self.store.chain(newest, runs::before, max.saturating_add(1)).await?;
        let (mut turns, mut next) = (vec![], Some(newest.clone()));
        for (index, link) in links.into_iter().enumerate() {
            let id = link.stored.id;
            let read = from_stored(link.stored.request);
            let read = read.ok_or_else(|| previous_not_found(id.as_str()))?;
            let (request, serve) = read.map_err(ApiError::internal)?;
            if serve.tenant != tenant {
                return Err(previous_not_found(id.as_str()));
            }
            if index >= max {
                let message = format!(
                    "More than {max} responses stand behind one another; compact them, or begin \
                     anew."
                );
                return Err(ApiError::invalid("previous_response_id", message));
            }
            let Some(ended) = link.last.as_ref().and_then(|e| e.kind.terminal()) else {
                let message = format!("Previous response '{id}' has not ended yet.");
                return Err(ApiError::invalid("previous_response_id", message));
            };
            let output = ozone_agent::remembered(ended.output.clone(), link.records);
            turns.push([request.input, output].concat());
            next = serve.previous_response_id;
            if next.is_none()
                && let Some(conversation) = serve.conversation
            {
                // Its conversation has gone on since; what stood before it there is not kept apart.
                let message = format!(
                    "Response '{id}' is part of conversation '{conversation}': go on there."
                );
                return Err(ApiError::invalid("previous_response_id", message));
            }
        }
        match next {
            Some(missing) => Err(previous_not_found(missing.as_str())),
            None => Ok(turns.into_iter().rev().flatten().collect()),
        }
    }

    async fn conversation_items(&self, tenant: &str, id: &str) -> Result<Vec<Item>, ApiError> {
        let page = Page {
            parent: Some(id.to_owned()),
            after: None,
            order: Order::Ascending,
            limit: CONVERSATION_ITEMS_MAX + 1,
        };
        let items = self.store.documents(CONVERSATION_ITEM, tenant, &page).await?;
        if items.len() > CONVERSATION_ITEMS_MAX {
            let message = format!("The conversation has more than {CONVERSATION_ITEMS_MAX} items.");
            return Err(ApiError::invalid("conversation", message));
        }
        let kept = items.into_iter().map(|mut d| serde_json::from_value(d.body["kept"].take()));
        kept.collect::<Result<_, _>>().map_err(ApiError::internal)
    }

    /// A response of this tenant.
    pub async fn stored(
        &self,
        tenant: &str,
        id: &ResponseId,
    ) -> Result<(Request, Serve), ApiError> {
        let not_found = || ApiError::not_found(format!("Response with id '{id}' not found."));
        let stored = match self.store.get(id).await {
            Ok(stored) => stored,
            Err(StoreError::NotFound(_)) => return Err(not_found()),
            Err(e) => return Err(e.into()),
        };
        let read = from_stored(stored.request).ok_or_else(not_found)?;
        let (request, serve) = read.map_err(ApiError::internal)?;
        if serve.tenant == tenant { Ok((request, serve)) } else { Err(not_found()) }
    }

    /// One item of the input as the loop reads it, with an id.
    pub async fn input_item(
        &self,
        tenant: &Tenant,
        model: &str,
        given: &Value,
        place: &str,
        fetches: &mut Fetches,
    ) -> Result<Item, ApiError> {
        let mut value = given.clone();
        let fields = Fields::of(given, place)?;
        let kind = fields.string("type")?.map(str::to_owned);
        let is_reference = kind.as_deref() == Some("item_reference")
            || (kind.is_none() && fields.get("role").is_none() && fields.get("id").is_some());
        if is_reference {
            return self.referenced(&tenant.name, fields.required("id")?, place).await;
        }
        match kind.as_deref() {
            None | Some("message") => {
                fields.required("role")?;
                if fields.get("content").is_none() {
                    return Err(ApiError::missing(&format!("{place}.content")));
                }
                value["type"] = json!("message");
                let place = format!("{place}.content");
                self.read_parts(tenant, &mut value["content"], &place, fetches).await?;
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                let place = format!("{place}.output");
                self.read_parts(tenant, &mut value["output"], &place, fetches).await?;
            }
            Some("reasoning") => {
                if let Some(kept) = self.reasoning(tenant, model, &fields, place).await? {
                    value["content"] = json!([{ "type": "reasoning_text", "text": kept }]);
                }
            }
            Some("compaction") => {
                let param = format!("{place}.encrypted_content");
                let token = fields.required("encrypted_content")?;
                let text = self.sealer.open(&tenant.name, model, token).map_err(|e| {
                    let message = format!("Invalid '{param}': {e}.");
                    ApiError::coded(&param, "invalid_encrypted_content", message)
                })?;
                value["text"] = json!(text);
            }
            Some("image_generation_call") => image_generation::check_item(given, place)?,
            Some("compaction_trigger") => {
                let message = format!(
                    "Unsupported item: '{place}' is a compaction_trigger; use /responses/compact."
                );
                return Err(ApiError::unsupported(place, message));
            }
            Some(_) => {}
        }
        if value["id"].as_str().is_none() && fields.string("id")?.is_none() {
            let prefix = prefix(kind.as_deref().unwrap_or("message"));
            value["id"] = json!(mint(prefix));
        }
        let item: Item = serde_json::from_value(value).map_err(|e| {
            ApiError::coded(place, "invalid_value", format!("Invalid '{place}': {e}."))
        })?;
        match item.problem() {
            None => Ok(item),
            Some(problem) => {
                let message = format!("Invalid '{place}': {problem}.");
                Err(ApiError::coded(place, "invalid_value", message))
            }
        }
    }

    async fn referenced(&self, tenant: &str, id: &str, place: &str) -> Result<Item, ApiError> {
        let kept = match self.store.document(ITEM, tenant, id).await? {
            Some(item) => Some(item.body),
            None => self
                .store
                .document(CONVERSATION_ITEM, tenant, id)
                .await?
                .map(|mut item| item.body["kept"].take()),
        };
        let Some(kept) = kept else {
            let id: String = id.chars().take(80).collect();
            let message = format!(
                "Item with id '{id}' not found. Items are not kept when `store` is false; send \
                 the item itself."
            );
            return Err(ApiError::Invalid {
                message,
                param: Some(format!("{place}.id")),
                code: Some("item_not_found"),
            });
        };
        serde_json::from_value(kept).map_err(ApiError::internal)
    }

    /// The text of a reasoning item that came back: sealed, or still stored here.
    async fn reasoning(
        &self,
        tenant: &Tenant,
        model: &str,
        fields: &Fields<'_>,
        place: &str,
    ) -> Result<Option<String>, ApiError> {
        if let Some(token) = fields.string("encrypted_content")? {
            let opened = self.sealer.open(&tenant.name, model, token);
            return opened.map(Some).map_err(|e| {
                let param = format!("{place}.encrypted_content");
                ApiError::coded(
                    &param,
                    "invalid_encrypted_content",
                    format!("Invalid '{param}': {e}."),
                )
            });
        }
        let content = fields.list("content")?;
        let (Some(id), true) = (fields.string("id")?, content.is_none_or(Vec::is_empty)) else {
            return Ok(None);
        };
        let Some(kept) = self.store.document(ITEM, &tenant.name, id).await? else {
            return Ok(None);
        };
        let parts = kept.body["content"].as_array().into_iter().flatten();
        let text: String = parts.filter_map(|part| part["text"].as_str()).collect();
        Ok((!text.is_empty()).then_some(text))
    }

    /// What the URLs of one request may use up.
    pub fn fetches(&self, pictures: bool, file_text_bytes_max: usize) -> Fetches {
        Fetches::new(&self.mcp.egress, &self.limits, pictures, file_text_bytes_max)
    }

    /// Puts the content of stored, sent and fetched files where the parts only name them.
    pub async fn read_parts(
        &self,
        tenant: &Tenant,
        content: &mut Value,
        place: &str,
        fetches: &mut Fetches,
    ) -> Result<(), ApiError> {
        let Some(parts) = content.as_array_mut() else { return Ok(()) };
        for (index, part) in parts.iter_mut().enumerate() {
            let place = format!("{place}[{index}]");
            let fields = Fields::of(part, &place)?;
            match fields.string("type")? {
                Some("input_image") => {
                    if let Some(url) = fields.string("image_url")? {
                        let param = fields.param("image_url");
                        if let Some(data) = fetches.image(url, &param).await? {
                            part["image_url"] = json!(data);
                        }
                        continue;
                    }
                    let id = fields.required("file_id")?.to_owned();
                    let file = self.file_bytes(tenant, &id, &format!("{place}.file_id")).await?;
                    let mime = files::image_type(&file.bytes).ok_or_else(|| {
                        let message = format!("File '{id}' is no PNG, JPEG, GIF or WebP picture.");
                        ApiError::coded(&place, "invalid_image_format", message)
                    })?;
                    let data = STANDARD.encode(&file.bytes);
                    part["image_url"] = json!(format!("data:{mime};base64,{data}"));
                }
                Some("input_file") => {
                    let (name, bytes) = self.sent_file(tenant, &fields, fetches).await?;
                    *part = self.read_file(&name, bytes, &place, fetches).await?;
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// As OpenAI spells the ids of items.
fn prefix(kind: &str) -> &'static str {
    match kind {
        "message" => "msg_",
        "reasoning" => "rs_",
        "function_call" => "fc_",
        "function_call_output" => "fco_",
        "custom_tool_call" => "ctc_",
        "custom_tool_call_output" => "ctco_",
        "code_interpreter_call" => "ci_",
        "file_search_call" => "fs_",
        "web_search_call" => "ws_",
        "image_generation_call" => "ig_",
        "shell_call" => "sh_",
        "shell_call_output" => "sho_",
        "apply_patch_call" => "apc_",
        "apply_patch_call_output" => "apco_",
        "compaction" => "cmp_",
        "mcp_call" => "mcp_",
        "mcp_list_tools" => "mcpl_",
        "mcp_approval_request" => "mcpr_",
        "mcp_approval_response" => "mcpa_",
        _ => "item_",
    }
}

/// A list as the API pages it.
pub(crate) struct Paging {
    pub page: Page,
}

impl Paging {
    /// `limit`, `order` and `after` of a query.
    pub fn parse(query: &[(String, String)], limit_max: usize) -> Result<Self, ApiError> {
        let get = |name: &str| query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
        let limit = match get("limit") {
            None => 20,
            Some(text) => {
                text.parse().ok().filter(|n| (1..=limit_max).contains(n)).ok_or_else(|| {
                    let message =
                        format!("Invalid 'limit': expected an integer from 1 to {limit_max}.");
                    ApiError::coded("limit", "invalid_value", message)
                })?
            }
        };
        let order = match get("order") {
            None | Some("desc") => Order::Descending,
            Some("asc") => Order::Ascending,
            Some(_) => {
                let message = "Invalid value for 'order'. Supported values are: 'asc', 'desc'.";
                return Err(ApiError::coded("order", "invalid_value", message));
            }
        };
        let after = get("after").map(str::to_owned);
        // One more tells whether there is more.
        Ok(Paging { page: Page { parent: None, after, order, limit: limit + 1 } })
    }

    pub fn within(mut self, parent: &str) -> Self {
        self.page.parent = Some(parent.to_owned());
        self
    }

    /// The list object.
    pub fn list(&self, mut items: Vec<Value>) -> Value {
        let has_more = items.len() >= self.page.limit;
        items.truncate(self.page.limit - 1);
        let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
        json!({
            "object": "list",
            "first_id": id(items.first()),
            "last_id": id(items.last()),
            "has_more": has_more,
            "data": items,
        })
    }
}

/// A tenant as handlers get it.
pub(crate) type Who = Arc<Tenant>;
