//! The hosts on one loopback address, told apart by the `Host` header, with a search engine over them
//! at the address itself.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::listen::{self, Listening};
use crate::search::Engine;
use crate::site::{HOSTS, Site};

/// Fails the first time it is asked for.
const FALTERING: (&str, &str) = ("weather.test", "/data/cooling-degree-days.csv");

/// The search engine's host: nobody gave it a name.
const ENGINE: &str = "127.0.0.1";

/// A request that came to one of the hosts, or astray.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    pub host: String,
    pub path: String,
    pub status: u16,
}

/// A server of the site that remembers what it was asked.
#[derive(Debug)]
pub struct Web {
    listening: Listening,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    pub fn serve(site: Site) -> io::Result<Web> {
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (log, times) = (asked.clone(), Mutex::new(HashMap::<(String, String), u32>::new()));
        let engine = Engine::over(&site);
        let listening = listen::listen(move |heard, stream| {
            let host = heard.host.split(':').next().unwrap_or_default().to_owned();
            if let (ENGINE, Some(query)) = (host.as_str(), heard.path.strip_prefix("/search?")) {
                let found = engine.answer(query).to_string();
                return listen::whole(stream, "200 OK", "application/json", found.as_bytes());
            }
            let path = heard.path.split('?').next().unwrap_or_default().to_owned();
            let time = {
                let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                let time = times.entry((host.clone(), path.clone())).or_default();
                *time += 1;
                *time
            };
            let page = site.page(&host, &path);
            let falters = (host.as_str(), path.as_str()) == FALTERING && time == 1;
            let (status, told): (u16, &str) = match page {
                Some(_) if falters => (500, "500 Internal Server Error"),
                Some(_) => (200, "200 OK"),
                None => (404, "404 Not Found"),
            };
            let asked = Asked { method: heard.method, host, path, status };
            log.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
            match page.filter(|_| status == 200) {
                Some(page) => listen::whole(stream, told, page.media_type, &page.body),
                None => listen::whole(stream, told, "text/plain", told.as_bytes()),
            }
        })?;
        Ok(Web { listening, asked })
    }

    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// What was asked for until now.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests to hosts that are none of ours.
    pub fn astray(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| !HOSTS.contains(&asked.host.as_str())).collect()
    }
}
