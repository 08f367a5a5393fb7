//! Responses in pro mode: each sample gets a container and connections of its own, and is stored as a
//! response of its own, which can be read but belongs to its vote.

use std::sync::Arc;

use futures::FutureExt;
use ozone_agent::pro::Folders;
use ozone_agent::{AgentError, Costs, Outfit, Pro, Request};
use ozone_store::{Journal, StoreError};
use ozone_tools::Tool;
use ozone_types::{Response, ResponseId};
use serde_json::Map;

use crate::Workplace;
use crate::app::App;
use crate::mcp;
use crate::runs::{Job, Live, SERVE, Serve};

impl App {
    /// `None` when it could not begin, or the server stops first.
    pub async fn vote(
        self: &Arc<Self>,
        job: &Job,
        journal: Journal,
        costs: Option<Costs>,
        live: &Live,
    ) -> Option<Result<Response, AgentError>> {
        let Some(costs) = self.costs_of(job, costs).await else {
            self.fail(journal, job, live, "its budget could not be told".to_owned()).await;
            return None;
        };
        let folder = job.serve.container.as_ref().map(|id| self.containers_dir.join(id));
        let folders = folder.map(Folders::of);
        let mut mark = Map::new();
        // A sample is no part of its conversation, and nobody takes it up but its vote.
        let serve = Serve { conversation: None, ..job.serve.clone() };
        mark.insert(SERVE.into(), serde_json::to_value(serve).unwrap_or_default());
        let of_crown = folders.clone();
        let pro = Pro {
            backend: job.model.entry.backend.clone(),
            outfit: self.outfit(job, live, folders),
            store: self.store_of(job.serve.store),
            journal,
            request: job.request.clone(),
            limits: self.limits.run,
            clock: self.clock,
            cancel: live.cancel.clone(),
            seal: Some(self.seal_for(&job.serve.tenant, &job.model.entry.id)),
            tools_shown: vec![],
            mark,
            crown: Box::new(move |winner: &ResponseId| {
                of_crown.as_ref().map_or(Ok(()), |folders| folders.crown(winner))
            }),
        };
        tokio::select! {
            () = self.hard_stop.cancelled() => None,
            ended = pro.run(Some(costs)) => Some(ended),
        }
    }

    fn outfit(self: &Arc<Self>, job: &Job, live: &Live, folders: Option<Folders>) -> Outfit {
        let (app, cancel, servers) = (self.clone(), live.cancel.clone(), job.mcp.clone());
        let (serve, model) = (job.serve.clone(), job.model.clone());
        let request = Request { pro: None, ..job.request.clone() };
        Arc::new(move |id: ResponseId, mut journal: Journal| {
            let (app, cancel, servers) = (app.clone(), cancel.clone(), servers.clone());
            let (serve, request, folders) = (serve.clone(), request.clone(), folders.clone());
            let model = model.clone();
            async move {
                let (mut tools, mut own_folder): (Vec<Box<dyn Tool>>, _) = (vec![], None);
                if let (Some(container_id), Some(folders)) = (serve.container.clone(), folders) {
                    let folder = folders.sample(&id);
                    let folder = folder.map_err(|e| StoreError::Internal(Box::new(e)))?;
                    own_folder = Some(folder.clone());
                    let place = Workplace { container_id, folder };
                    let made = app.tools_in(place, &request, &model.entry).await;
                    tools = made.map_err(|e| StoreError::Internal(Box::new(e)))?;
                }
                tools.extend(app.memory_tools(&request, &serve, None));
                let taken = tools.iter().map(|tool| tool.spec().name.clone()).collect();
                let now = app.now();
                let more = mcp::tools(servers, &mut journal, &request, now, taken, &cancel).await?;
                tools.extend(more);
                let spelt = request.tools.spelt();
                Ok((journal, app.with_searches(tools, &serve.tenant, spelt, own_folder)))
            }
            .boxed()
        })
    }
}
