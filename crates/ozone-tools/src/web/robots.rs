//! What sites ask of programs: their `robots.txt` (RFC 9309).
//!
//! One that is not there forbids nothing. One that its server fails to give forbids everything,
//! as the standard has it: a site in trouble is not to be visited.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use texting_robots::Robot;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use super::fetch::{FetchError, Got};

/// The name by which sites may speak of us.
const AGENT: &str = "ozone";
/// Of a `robots.txt`; the rest is not read.
const BYTES_MAX: usize = 500 << 10;
const FRESH: Duration = Duration::from_secs(60 * 60);
const SITES_MAX: usize = 2_000;
const REDIRECTS_MAX: usize = 5;
/// A longer delay than this is not kept to: a page would never come.
const DELAY_MAX: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Robots {
    /// By origin.
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    at: Instant,
    rule: Arc<OnceCell<Arc<Rule>>>,
}

/// What a site asks for.
pub(super) struct Rule {
    /// Between two requests.
    pub pause: Option<Duration>,
    says: Says,
}

enum Says {
    Nothing,
    Rules(Box<Robot>),
    Unknown(String),
}

impl Rule {
    /// `Err` says why not.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        match &self.says {
            Says::Nothing => Ok(()),
            Says::Rules(robot) if robot.allowed(url.as_str()) => Ok(()),
            Says::Rules(_) => Err("its robots.txt forbids it".to_owned()),
            Says::Unknown(why) => Err(why.clone()),
        }
    }

    fn read(bytes: &[u8]) -> Rule {
        match Robot::new(AGENT, &bytes[..bytes.len().min(BYTES_MAX)]) {
            Ok(robot) => {
                let delay = robot.delay.and_then(|s| Duration::try_from_secs_f32(s).ok());
                let pause = delay.map(|delay| delay.min(DELAY_MAX));
                Rule { pause, says: Says::Rules(Box::new(robot)) }
            }
            // What nobody can read forbids nothing.
            Err(_) => Rule { pause: None, says: Says::Nothing },
        }
    }
}

impl Robots {
    /// The rule of a page's site, read by `fetch` if it is not known.
    pub async fn rule<F>(
        &self,
        page: &Url,
        fetch: impl Fn(Url) -> F,
    ) -> Result<Arc<Rule>, FetchError>
    where
        F: Future<Output = Result<Got, FetchError>>,
    {
        let cell = self.cell(&page.origin().ascii_serialization());
        let reading = async {
            let Ok(mut url) = page.join("/robots.txt") else {
                return Ok(Arc::new(Rule { pause: None, says: Says::Nothing }));
            };
            for _ in 0..=REDIRECTS_MAX {
                let answer = match fetch(url).await {
                    Ok(Got::Redirect(next)) => {
                        url = next;
                        continue;
                    }
                    Ok(Got::Page(answer)) => answer,
                    Err(FetchError::Status { status, .. }) if status.is_server_error() => {
                        let why = format!("its robots.txt cannot be read: it answers {status}");
                        return Ok(Arc::new(Rule { pause: None, says: Says::Unknown(why) }));
                    }
                    Err(FetchError::Status { .. }) => break,
                    Err(e) => return Err(e),
                };
                return Ok(Arc::new(match answer.status.is_success() {
                    true => Rule::read(&answer.fetched.bytes),
                    false => Rule { pause: None, says: Says::Nothing },
                }));
            }
            Ok(Arc::new(Rule { pause: None, says: Says::Nothing }))
        };
        cell.get_or_try_init(|| reading).await.cloned()
    }

    fn cell(&self, origin: &str) -> Arc<OnceCell<Arc<Rule>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SITES_MAX || known.get(origin).is_some_and(|k| k.at.elapsed() > FRESH) {
            known.retain(|_, known| known.at.elapsed() <= FRESH);
        }
        if known.len() >= SITES_MAX {
            known.clear();
        }
        let fresh = || Known { at: Instant::now(), rule: Arc::default() };
        known.entry(origin.to_owned()).or_insert_with(fresh).rule.clone()
    }
}
