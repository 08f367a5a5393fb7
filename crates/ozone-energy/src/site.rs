//! What the five hosts publish.

use std::io;
use std::path::Path;

use crate::world::World;
use crate::{chart, pages};

/// All that there is of the web.
pub const HOSTS: [&str; 5] =
    ["grid.test", "weather.test", "census.test", "energy.test", "news.test"];

/// Of the largest file.
const HOURLY_BYTES: usize = 20 << 20;

/// One address.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub host: &'static str,
    /// With its slash.
    pub path: String,
    pub media_type: &'static str,
    pub body: Vec<u8>,
}

impl Page {
    pub fn url(&self) -> String {
        format!("http://{}{}", self.host, self.path)
    }
}

/// The five hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    pub pages: Vec<Page>,
}

impl Site {
    pub fn of(world: &World) -> Site {
        let mut pages = pages::all(world);
        pages.push(Page {
            host: "energy.test",
            path: "/rooftop/capacity.png".into(),
            media_type: "image/png",
            body: chart::solar(world),
        });
        pages.push(Page {
            host: "grid.test",
            path: "/load/hourly.csv".into(),
            media_type: "text/csv",
            body: hourly(),
        });
        Site { pages }
    }

    pub fn page(&self, host: &str, path: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.host == host && page.path == path)
    }

    /// Writes the pages of a host into a folder.
    pub fn save(&self, host: &str, folder: &Path) -> io::Result<()> {
        for page in self.pages.iter().filter(|page| page.host == host) {
            let path = folder.join(page.path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(path, &page.body)?;
        }
        Ok(())
    }
}

/// Loads by the hour: large, and of no use to the question.
fn hourly() -> Vec<u8> {
    let mut csv = b"hour,load_mw\n".to_vec();
    let mut hour = 0u32;
    while csv.len() < HOURLY_BYTES {
        let load = 3000 + (hour.wrapping_mul(2_654_435_761) >> 20);
        csv.extend_from_slice(format!("{hour},{load}\n").as_bytes());
        hour += 1;
    }
    csv
}
