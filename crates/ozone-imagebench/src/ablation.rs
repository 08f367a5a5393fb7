//! Tools that look like the image tools and do nothing: whatever is asked, the unchanged picture
//! comes back. A gain that stays under them is the prompt's and not theirs.

use std::sync::Arc;

use async_trait::async_trait;
use ozone_prompt::ToolSpec;
use ozone_tools::{Call, OnText, Shown, Tool, ToolError, ToolOutput};
use tokio::sync::Mutex;

/// The tool that shows a picture as it is.
const VIEW: &str = "image_view";

struct Unchanged {
    spec: ToolSpec,
    shown: Shown,
    view: Arc<Mutex<Box<dyn Tool>>>,
}

/// The image tools of a response, each of them answering with the first picture as it is.
pub fn unchanged(tools: Vec<Box<dyn Tool>>) -> Vec<Box<dyn Tool>> {
    let faces: Vec<_> = tools.iter().map(|tool| (tool.spec().clone(), tool.shown())).collect();
    let Some(view) = tools.into_iter().find(|tool| tool.spec().name == VIEW) else {
        return vec![];
    };
    let view = Arc::new(Mutex::new(view));
    let tool = |(spec, shown)| -> Box<dyn Tool> {
        Box::new(Unchanged { spec, shown, view: view.clone() })
    };
    faces.into_iter().map(tool).collect()
}

#[async_trait]
impl Tool for Unchanged {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        self.shown.clone()
    }

    fn resumed(&mut self, _: usize) {}

    async fn call(
        &mut self,
        call: Call,
        on_text: &mut OnText<'_>,
    ) -> Result<ToolOutput, ToolError> {
        let call = Call { arguments: r#"{"image": "img_0"}"#.to_owned(), ..call };
        self.view.lock().await.call(call, on_text).await
    }
}
