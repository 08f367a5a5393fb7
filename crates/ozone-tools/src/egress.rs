//! HTTP to addresses that somebody else named.
//!
//! A request that names a URL must not reach what only this machine can see: its own services, its
//! network, a cloud's metadata. A name is resolved once, its addresses are checked, and the
//! connection goes to one of those addresses, so that a second look-up cannot change the answer.
//! Redirects are followed here, each checked like the first, and what the sender said in headers
//! stays with the host it was meant for. Proxies of the environment are not used: they would do the
//! look-up themselves.
//!
//! What it does not cover: a public address that forwards to a private one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
pub use ipnet::IpNet;
use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Response, StatusCode};
use url::{Host, Url};

/// Hops of one request.
const REDIRECTS_MAX: usize = 5;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
const URL_BYTES_MAX: usize = 8 << 10;

/// None of its texts shows a path, a query or a header: secrets may stand there.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("{0}")]
    BadUrl(String),
    #[error(
        "`{host}` is not a public address, and only public ones may be reached unless the \
         configuration allows more"
    )]
    Refused { host: String },
    #[error("the name `{host}` could not be resolved")]
    NotFound { host: String },
    #[error("more than {REDIRECTS_MAX} redirects")]
    TooManyRedirects,
    #[error("a redirect leads nowhere: {0}")]
    BadRedirect(String),
    #[error("the answer is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("{what}")]
    Http {
        what: &'static str,
        #[source]
        source: reqwest::Error,
    },
}

/// Reaches public addresses, and those that the configuration adds.
#[derive(Debug, Clone)]
pub struct Egress {
    beyond: Arc<Beyond>,
    client: Client,
}

/// In place of the system's resolver. What it says is checked like what that says.
pub type Lookup = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// What may be reached although it is not public.
#[derive(Clone, Default)]
pub struct Beyond {
    pub networks: Vec<IpNet>,
    /// Names that stand for one address and port of the operator's, whatever a resolver says.
    pub hosts: BTreeMap<String, SocketAddr>,
    /// This host may be reached wherever it is.
    pub trusted: Option<String>,
    pub lookup: Option<Lookup>,
}

impl fmt::Debug for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Beyond { networks, hosts, trusted, lookup: _ } = self;
        write!(f, "Beyond {{ {networks:?}, {hosts:?}, {trusted:?} }}")
    }
}

impl Beyond {
    fn may_reach(&self, host: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address)
            || self.networks.iter().any(|net| net.contains(&address))
            || self.trusted.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(host))
    }
}

/// Where a request led.
#[derive(Debug)]
pub enum Hop {
    Answer(Response),
    /// What to send next, not checked yet.
    Redirect(Request),
}

impl Egress {
    /// These networks may be reached although they are not public.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Result<Self, EgressError> {
        Self::to(Beyond { networks: networks.into_iter().collect(), ..Beyond::default() })
    }

    /// The host of this URL may be reached wherever it is: the operator named it. Where it redirects
    /// to must be public.
    pub fn trusting(url: &str) -> Result<Self, EgressError> {
        let url = Url::parse(url).map_err(|e| EgressError::BadUrl(format!("no URL: {e}")))?;
        let trusted = url.host_str().map(str::to_owned);
        Self::to(Beyond { trusted, ..Beyond::default() })
    }

    pub fn to(beyond: Beyond) -> Result<Self, EgressError> {
        let beyond = Arc::new(beyond);
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_TIME_MAX)
            .user_agent(concat!("ozone/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Checked { beyond: beyond.clone() }))
            .build()
            .map_err(http)?;
        Ok(Egress { beyond, client })
    }

    /// A URL that a request may name, as far as that can be told without resolving its host.
    pub fn url(&self, text: &str) -> Result<Url, EgressError> {
        let bad = |why: &str| EgressError::BadUrl(why.to_owned());
        if text.len() > URL_BYTES_MAX {
            return Err(bad("the URL is too long"));
        }
        let url = Url::parse(text).map_err(|e| EgressError::BadUrl(format!("no URL: {e}")))?;
        self.check(&url)?;
        Ok(url)
    }

    fn check(&self, url: &Url) -> Result<(), EgressError> {
        let bad = |why: &str| Err(EgressError::BadUrl(why.to_owned()));
        if !matches!(url.scheme(), "http" | "https") {
            return bad("only http and https URLs are taken");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return bad("a URL may hold no user name and no password; send a header");
        }
        let address: IpAddr = match url.host() {
            None => return bad("the URL names no host"),
            // It stands for one port, and would lead to others.
            Some(Host::Domain(name))
                if url.port().is_some() && self.beyond.hosts.contains_key(name) =>
            {
                return bad("this host has no other ports");
            }
            // Looked at when it is resolved.
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(ip)) => ip.into(),
            Some(Host::Ipv6(ip)) => ip.into(),
        };
        if self.beyond.may_reach(&host(url), address) {
            return Ok(());
        }
        Err(EgressError::Refused { host: host(url) })
    }

    pub fn request(&self, method: Method, url: Url) -> Request {
        Request::new(method, url)
    }

    /// Sends a request and follows its redirects. The body must be one that can be sent again.
    pub async fn send(&self, mut request: Request) -> Result<Response, EgressError> {
        for _ in 0..=REDIRECTS_MAX {
            match self.hop(request).await? {
                Hop::Answer(response) => return Ok(response),
                Hop::Redirect(next) => request = next,
            }
        }
        Err(EgressError::TooManyRedirects)
    }

    /// Sends a request and follows nothing: for callers with a say in where it goes.
    pub async fn hop(&self, request: Request) -> Result<Hop, EgressError> {
        self.check(request.url())?;
        let again = request.try_clone();
        let from = request.url().clone();
        let response = self.client.execute(request).await.map_err(|e| told(e, &from))?;
        let status = response.status();
        let Some(to) = response.headers().get(header::LOCATION) else {
            return Ok(Hop::Answer(response));
        };
        let follows = matches!(
            status,
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        if !follows {
            return Ok(Hop::Answer(response));
        }
        let to = to.to_str().ok().and_then(|to| from.join(to).ok());
        let to = to.ok_or_else(|| EgressError::BadRedirect("it names no URL".into()))?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(EgressError::BadRedirect("from https to http".into()));
        }
        let Some(mut next) = again else {
            return Err(EgressError::BadRedirect("the body cannot be sent again".into()));
        };
        if status == StatusCode::SEE_OTHER {
            *next.method_mut() = Method::GET;
            *next.body_mut() = None;
        }
        if from.origin() != to.origin() {
            keep_harmless(next.headers_mut());
        }
        *next.url_mut() = to;
        Ok(Hop::Redirect(next))
    }
}

/// The whole body of an answer, up to `max` bytes.
pub async fn body(mut response: Response, max: usize) -> Result<Vec<u8>, EgressError> {
    if response.content_length().is_some_and(|length| length > max as u64) {
        return Err(EgressError::TooLarge { max });
    }
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(http)? {
        if body.len() + chunk.len() > max {
            return Err(EgressError::TooLarge { max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The same as it comes.
pub(crate) fn chunks(
    response: Response,
    max: usize,
) -> impl Stream<Item = Result<Bytes, EgressError>> + Send + 'static {
    stream::unfold((Some(response), 0), move |(response, before)| async move {
        let mut response = response?;
        match response.chunk().await {
            Ok(None) => None,
            Ok(Some(chunk)) if before + chunk.len() > max => {
                Some((Err(EgressError::TooLarge { max }), (None, before)))
            }
            Ok(Some(chunk)) => {
                let so_far = before + chunk.len();
                Some((Ok(chunk), (Some(response), so_far)))
            }
            Err(e) => Some((Err(http(e)), (None, before))),
        }
    })
}

/// Headers that another host may see.
fn keep_harmless(headers: &mut HeaderMap) {
    const HARMLESS: [HeaderName; 4] =
        [header::ACCEPT, header::ACCEPT_ENCODING, header::CONTENT_TYPE, header::ACCEPT_LANGUAGE];
    let own: Vec<HeaderName> =
        headers.keys().filter(|name| !HARMLESS.contains(name)).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().chars().take(255).collect()
}

pub(crate) fn http(source: reqwest::Error) -> EgressError {
    let what = if source.is_connect() {
        "no connection could be made"
    } else if source.is_timeout() {
        "it took too long"
    } else {
        "the connection broke"
    };
    EgressError::Http { what, source: source.without_url() }
}

/// What our own resolver said is somewhere among the causes.
fn told(error: reqwest::Error, url: &Url) -> EgressError {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(e) = cause {
        match e.downcast_ref::<Unresolved>() {
            Some(Unresolved::Refused) => return EgressError::Refused { host: host(url) },
            Some(Unresolved::NotFound) => return EgressError::NotFound { host: host(url) },
            None => cause = e.source(),
        }
    }
    http(error)
}

#[derive(Debug, thiserror::Error)]
enum Unresolved {
    #[error("not a public address")]
    Refused,
    #[error("no such host")]
    NotFound,
}

/// Resolves names to addresses that may be reached.
struct Checked {
    beyond: Arc<Beyond>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let beyond = self.beyond.clone();
        Box::pin(async move {
            if let Some(address) = beyond.hosts.get(name.as_str()) {
                return Ok(Box::new(std::iter::once(*address)) as Addrs);
            }
            let found: Vec<SocketAddr> = match &beyond.lookup {
                Some(lookup) => {
                    lookup(name.as_str()).into_iter().map(|ip| (ip, 0).into()).collect()
                }
                None => {
                    let found = tokio::net::lookup_host((name.as_str(), 0)).await;
                    found.map_err(|_| Unresolved::NotFound)?.collect()
                }
            };
            if found.is_empty() {
                return Err(Unresolved::NotFound.into());
            }
            let may_reach = |a: &SocketAddr| beyond.may_reach(name.as_str(), a.ip());
            let may: Vec<SocketAddr> = found.into_iter().filter(may_reach).collect();
            if may.is_empty() {
                return Err(Unresolved::Refused.into());
            }
            Ok(Box::new(may.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the open Internet.
/// Source: IANA's registries of special-purpose addresses for IPv4 and IPv6.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const fn net(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
    }
    const SPECIAL: [Ipv4Net; 15] = [
        net(0, 0, 0, 8),
        net(10, 0, 0, 8),
        net(100, 64, 0, 10),
        net(127, 0, 0, 8),
        net(169, 254, 0, 16),
        net(172, 16, 0, 12),
        net(192, 0, 0, 24),
        net(192, 0, 2, 24),
        net(192, 88, 99, 24),
        net(192, 168, 0, 16),
        net(198, 18, 0, 15),
        net(198, 51, 100, 24),
        net(203, 0, 113, 24),
        // Multicast, and what is reserved up to the broadcast address.
        net(224, 0, 0, 4),
        net(240, 0, 0, 4),
    ];
    !SPECIAL.iter().any(|net| net.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    const fn net(a: u16, b: u16, length: u8) -> Ipv6Net {
        Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
    }
    // An IPv4 address behind a translator (NAT64).
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    const GLOBAL_UNICAST: Ipv6Net = net(0x2000, 0, 3);
    const SPECIAL: [Ipv6Net; 4] =
        // Protocols (Teredo among them), documentation, 6to4, documentation.
        [net(0x2001, 0, 23), net(0x2001, 0xdb8, 32), net(0x2002, 0, 16), net(0x3fff, 0, 20)];
    GLOBAL_UNICAST.contains(&address) && !SPECIAL.iter().any(|net| net.contains(&address))
}
