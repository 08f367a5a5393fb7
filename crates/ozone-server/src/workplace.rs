//! Where the tools of a response work: the container that its `code_interpreter`, its hosted `shell`
//! and its hosted `apply_patch` share, and which of the tools there it asked for.

use std::io;

use ozone_agent::Request;
use ozone_agent::tools::runs_at_client;
use ozone_store::StoreError;
use ozone_tools::{Shown, Tool};
use ozone_types::item::Known;
use ozone_types::{Item, ShellEnvironment};
use serde_json::Value;

use crate::app::App;
use crate::auth::Tenant;
use crate::built_in::IMAGE;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::images;
use crate::runs::{Job, SERVE, Serve};
use crate::{ModelEntry, Workplace};

/// The container that a tool asks for.
enum Wanted {
    Named(String),
    /// With these files, if it is a new one.
    Automatic(Vec<Value>),
}

/// What a tool says of its container. `None` for a tool that needs none.
fn wanted(tool: &Value, place: &str) -> Result<Option<Wanted>, ApiError> {
    let kind = tool["type"].as_str().unwrap_or_default();
    let value = match kind {
        "code_interpreter" => &tool["container"],
        "shell" | "apply_patch" if !runs_at_client(tool)? => &tool["environment"],
        _ => return Ok(None),
    };
    if let Value::String(id) = value {
        return Ok(Some(Wanted::Named(id.clone())));
    }
    if value.is_null() {
        return Err(ApiError::missing(place));
    }
    let fields = Fields::of(value, place)?;
    match (kind, fields.required("type")?) {
        ("shell" | "apply_patch", "container_reference") => {
            return Ok(Some(Wanted::Named(fields.required("container_id")?.to_owned())));
        }
        ("code_interpreter", "auto") | ("shell" | "apply_patch", "container_auto") => {}
        (_, other) => return Err(fields.bad_word("type", other, "'auto'")),
    }
    if fields.list("skills")?.is_some_and(|skills| !skills.is_empty()) {
        let param = fields.param("skills");
        let message = format!("Unsupported parameter: '{param}': skills are not stored here.");
        return Err(ApiError::unsupported(&param, message));
    }
    if let Some(policy) = fields.object("network_policy")?
        && let Some(other) = policy.string("type")?.filter(|kind| *kind != "disabled")
    {
        let param = policy.param("type");
        let other: String = other.chars().take(80).collect();
        let message = format!("Unsupported value: '{other}': containers have no network here.");
        return Err(ApiError::unsupported(&param, message));
    }
    let file_ids = fields.list("file_ids")?.cloned().unwrap_or_default();
    Ok(Some(Wanted::Automatic(file_ids)))
}

/// Refuses what works in a container to a model that knows Python and pictures alone.
pub(crate) fn check_learnt(tools: &[Value], entry: &ModelEntry) -> Result<(), ApiError> {
    for (index, tool) in tools.iter().enumerate() {
        let what = match tool["type"].as_str() {
            Some("shell") => "the shell",
            Some("apply_patch") => "apply_patch",
            _ => continue,
        };
        if entry.narrow && !runs_at_client(tool)? {
            return Err(ApiError::untrained(&format!("tools[{index}]"), &entry.id, what));
        }
    }
    Ok(())
}

/// The container that a tool of an earlier response worked in.
fn used(item: &Item) -> Option<&str> {
    match item {
        Item::Known(
            Known::CodeInterpreterCall { container_id, .. }
            | Known::ShellCall {
                environment: Some(ShellEnvironment::ContainerReference { container_id }),
                ..
            }
            | Known::ApplyPatchCall {
                environment: Some(ShellEnvironment::ContainerReference { container_id }),
                ..
            },
        ) => Some(container_id),
        _ => None,
    }
}

impl App {
    /// The container of a response with tools that need one: the one that was named, the one that
    /// its context worked in, or its `own`, which is new.
    pub async fn container(
        &self,
        tenant: &Tenant,
        request: &Request,
        serve: &Serve,
        own: &str,
    ) -> Result<Option<String>, ApiError> {
        let (mut named, mut file_ids, mut asked) = (None::<String>, vec![], None::<String>);
        for (index, tool) in request.tools.spelt().iter().enumerate() {
            let is_python = tool["type"] == "code_interpreter";
            let field = if is_python { "container" } else { "environment" };
            let place = format!("tools[{index}].{field}");
            match wanted(tool, &place)? {
                None => continue,
                Some(Wanted::Automatic(files)) => file_ids.extend(files),
                Some(Wanted::Named(id)) => {
                    self.named_container(tenant, &id, &place).await?;
                    if named.as_ref().is_some_and(|other| *other != id) {
                        let message = "The tools of a response work in one container; name it in \
                                       all of them.";
                        return Err(ApiError::coded(&place, "invalid_value", message));
                    }
                    named = Some(id);
                }
            }
            asked.get_or_insert(place);
        }
        let place = match asked {
            None if !request.tools.spelt().iter().any(|tool| IMAGE.is_it(tool)) => return Ok(None),
            place => place.unwrap_or_default(),
        };
        if named.is_some() {
            return Ok(named);
        }
        if let Some(used) = self.used_container(request, serve).await?
            && self.named_container(tenant, &used, &place).await.is_ok()
        {
            return Ok(Some(used));
        }
        self.new_container(tenant, own, "auto", &file_ids, &place).await?;
        Ok(Some(own.to_owned()))
    }

    /// Where the context of a request worked last.
    async fn used_container(
        &self,
        request: &Request,
        serve: &Serve,
    ) -> Result<Option<String>, ApiError> {
        let called = request.earlier.iter().rev().find_map(used);
        let (None, Some(previous)) = (called, &serve.previous_response_id) else {
            return Ok(called.map(str::to_owned));
        };
        match self.store.get(previous).await {
            Ok(stored) => Ok(stored.request[SERVE]["container"].as_str().map(str::to_owned)),
            // It is remembered by a connection alone.
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The tools of a response that work in its container.
    pub async fn tools_of(&self, job: &Job) -> io::Result<Vec<Box<dyn Tool>>> {
        let Some(container_id) = job.serve.container.clone() else { return Ok(vec![]) };
        let folder = self.containers_dir.join(&container_id);
        std::fs::create_dir_all(&folder)?;
        self.tools_in(Workplace { container_id, folder }, &job.request, &job.model.entry).await
    }

    /// Those of the request's tools that work in a folder.
    pub async fn tools_in(
        &self,
        place: Workplace,
        request: &Request,
        entry: &ModelEntry,
    ) -> io::Result<Vec<Box<dyn Tool>>> {
        let spelt = request.tools.spelt();
        let asks = |kind: &str| {
            spelt.iter().any(|tool| tool["type"] == kind && !runs_at_client(tool).unwrap_or(true))
        };
        let of_images = images::tools(spelt, &place.folder, entry).await?;
        let mut tools = (self.tools)(place);
        tools.retain(|tool| match tool.shown() {
            Shown::Shell { .. } => asks("shell"),
            Shown::Patch { .. } => asks("apply_patch"),
            _ => spelt.iter().any(|tool| tool["type"] == "code_interpreter"),
        });
        tools.extend(of_images);
        Ok(tools)
    }
}
