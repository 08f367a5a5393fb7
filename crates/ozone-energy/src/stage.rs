//! Everything in its place for one question: the web, the script behind a model's address, and a
//! configuration of `ozone` that knows both.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::judge::{Evidence, Finding, judge};
use crate::script::Manner;
use crate::seen::Opened;
use crate::site::{HOSTS, Site};
use crate::upstream::{Fault, Upstream};
use crate::web::Web;
use crate::world::World;

/// What the script is called in the configuration.
pub const MODEL: &str = "script";
/// The host whose pages lie in a folder.
const SAVED: &str = "news.test";

pub struct Stage {
    pub world: World,
    pub site: Site,
    pub web: Web,
    pub upstream: Upstream,
    folder: PathBuf,
}

impl Stage {
    /// Sets it up in an empty folder.
    pub fn set(
        folder: &Path,
        seed: u64,
        manner: Manner,
        faults: Vec<Fault>,
        pace: Duration,
    ) -> io::Result<Stage> {
        let world = World::told_apart(seed);
        let site = Site::of(&world);
        let upstream = Upstream::serve(manner, faults, pace)?;
        let web = Web::serve(site.clone())?;
        let stage = Stage { world, site, web, upstream, folder: folder.to_owned() };
        std::fs::write(stage.config(), stage.configured()?)?;
        Ok(stage)
    }

    /// The configuration of `ozone`.
    pub fn config(&self) -> PathBuf {
        self.folder.join("ozone.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn configured(&self) -> io::Result<String> {
        let mut toml = format!(
            "default_model = \"{MODEL}\"\n[[model]]\nid = \"{MODEL}\"\nbackend = \"upstream\"\n\
             base_url = \"http://{}/v1\"\napi = \"chat\"\nmodel = \"script\"\nreads_images = true\n\
             coords = \"px_file\"\ncontext_window = 262144\nreasoning_field = \
             \"reasoning_content\"\n",
            self.upstream.address()
        );
        // Pages of one host lie in a folder; the others are found by an engine, and fetched.
        let saved = self.folder.join("pages");
        self.site.save(SAVED, &saved)?;
        let web = self.web.address();
        let _ = write!(
            toml,
            "[web]\nfetch = true\npause_ms = 0\n[[web.site]]\nfolder = {:?}\nurl = \
             \"http://{SAVED}/\"\n[[web.search]]\nkind = \"searxng\"\nurl = \"http://{web}/\"\n\
             [web.hosts]\n",
            saved.display().to_string()
        );
        for host in HOSTS {
            let _ = writeln!(toml, "\"{host}\" = \"{web}\"");
        }
        Ok(toml)
    }

    /// `ozone` with this configuration.
    pub fn command(&self, ozone: &Path) -> Command {
        let mut command = Command::new(ozone);
        command.env("OZONE_CONFIG", self.config()).env("OZONE_DATA", self.data());
        command.env_remove("OZONE_MODEL").current_dir(&self.folder);
        command
    }

    /// Checks a finished response.
    pub fn judge(&self, response: &Value, files: &[(String, Vec<u8>)]) -> Vec<Finding> {
        let cited = self.cited();
        let asked = self.web.asked();
        let (world, site) = (&self.world, &self.site);
        judge(&Evidence { world, site, response, files, cited: &cited, asked: &asked })
    }

    /// The files that a response left in the data folder, below its own.
    pub fn files(&self, response: &Value) -> io::Result<Vec<(String, Vec<u8>)>> {
        let id = response["id"].as_str().unwrap_or_default();
        let mut files = vec![];
        for entry in std::fs::read_dir(self.data().join("files").join(id))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                files.push((name, std::fs::read(entry.path())?));
            }
        }
        Ok(files)
    }

    /// The lines that the script cited, by their address, as it was shown them.
    fn cited(&self) -> Vec<(String, String)> {
        let Some(request) = self.upstream.requests().pop() else { return vec![] };
        let messages = request["messages"].as_array().cloned().unwrap_or_default();
        let outputs = messages.iter().filter(|m| m["role"] == "tool");
        let pages: Vec<Opened> =
            outputs.filter_map(|m| Opened::of(m["content"].as_str()?)).collect();
        let answers = self.upstream.answers();
        let answer = answers.last().map(String::as_str).unwrap_or_default();
        let marks = answer.split('【').skip(1).filter_map(|piece| piece.split('】').next());
        let mut cited = vec![];
        for mark in marks {
            let Some((id, lines)) = mark.split_once('†') else { continue };
            let number = |text: &str| text.trim_start_matches('L').parse::<u64>().ok();
            let Some((first, last)) = lines.split_once('-') else { continue };
            let (Some(first), Some(last)) = (number(first), number(last)) else { continue };
            for page in pages.iter().filter(|page| page.mark == id) {
                let within = page.lines.iter().filter(|(at, _)| (first..=last).contains(at));
                cited.extend(within.map(|(_, line)| (page.url.clone(), line.clone())));
            }
        }
        cited
    }
}
