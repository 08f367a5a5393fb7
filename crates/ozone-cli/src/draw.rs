//! From a response's journal to the terminal, while it is written.

use std::io;
use std::time::{Duration, Instant};

use ozone_store::{Reader, StoreError};
use ozone_types::item::Known;
use ozone_types::{Event, EventKind, Item, ItemStatus};

use crate::paint::Painter;

/// Why drawing stopped.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    #[error(transparent)]
    Output(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn draw(
    journal: &Reader,
    painter: &mut Painter,
    started: Instant,
) -> Result<(), DrawError> {
    let mut lines = journal.lines(0);
    loop {
        tokio::select! {
            event = lines.next() => match event? {
                Some(event) => painter.event(&explained(event, journal).await?)?,
                None => break,
            },
            () = tokio::time::sleep(Duration::from_millis(100)) => painter.tick(started.elapsed())?,
        }
    }
    Ok(painter.end()?)
}

/// A look at pages, or a picture, says in the loop's records alone why it failed.
async fn explained(mut event: Event, journal: &Reader) -> Result<Event, StoreError> {
    if let EventKind::OutputItemDone { item, .. } = &mut event.kind
        && let Item::Known(
            Known::WebSearchCall { status: ItemStatus::Failed, .. }
            | Known::ImageGenerationCall { status: ItemStatus::Failed, .. },
        ) = item
    {
        let records = journal.records().await?;
        let known = ozone_agent::remembered(vec![item.clone()], records);
        *item = known.into_iter().next().unwrap_or_else(|| item.clone());
    }
    Ok(event)
}
