//! What may be reached, at real sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use ozone_tools::egress::{self, Egress, EgressError, is_public};
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[test]
fn only_the_open_internet_is_public() {
    let public = "1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 100.128.0.1 192.0.3.1 2606:4700::1111 \
                  2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808";
    for address in public.split_whitespace() {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
    let private = "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 \
                   169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.168.1.1 \
                   198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 \
                   255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::7f00:1 \
                   64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:db8::1 \
                   2002:7f00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1";
    for address in private.split_whitespace() {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
}

/// A server that gives one answer to everybody and keeps what it was sent.
async fn answering(answer: String) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let keep = heard.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 8192];
            let n = stream.read(&mut bytes).await.unwrap();
            keep.lock().unwrap().push(String::from_utf8_lossy(&bytes[..n]).to_lowercase());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, heard)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn redirect(status: u16, to: &str) -> String {
    format!(
        "HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

fn loopback() -> Egress {
    Egress::new(["127.0.0.1/32".parse().unwrap()]).unwrap()
}

async fn get(egress: &Egress, url: &str) -> Result<String, EgressError> {
    let mut request = egress.request(Method::GET, egress.url(url)?);
    request.headers_mut().insert("x-api-key", "secret".parse().unwrap());
    request.headers_mut().insert("authorization", "Bearer secret".parse().unwrap());
    let response = egress.send(request).await?;
    Ok(String::from_utf8(egress::body(response, 1000).await?).unwrap())
}

#[tokio::test]
async fn what_the_configuration_allows_is_reached() {
    let (address, heard) = answering(ok("hello")).await;
    assert_eq!(get(&loopback(), &format!("http://{address}/a")).await.unwrap(), "hello");
    assert!(heard.lock().unwrap()[0].contains("x-api-key: secret"));
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused() {
    let (address, heard) = answering(ok("hello")).await;
    let url = format!("http://localhost:{}/", address.port());
    let public_only = Egress::new([]).unwrap();
    let error = get(&public_only, &url).await.unwrap_err();
    assert!(matches!(&error, EgressError::Refused { host } if host == "localhost"), "{error}");
    assert!(heard.lock().unwrap().is_empty());
    assert_eq!(get(&loopback(), &url).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_trusted_host_is_reached_wherever_it_is_and_leads_nowhere_else() {
    let (inside, heard) = answering(ok("secret")).await;
    let to = format!("http://127.0.0.1:{}/", inside.port());
    let (front, _) = answering(redirect(307, &to)).await;
    let url = format!("http://localhost:{}/", front.port());
    let error = get(&Egress::trusting(&url).unwrap(), &url).await.unwrap_err();
    assert!(matches!(&error, EgressError::Refused { host } if host == "127.0.0.1"), "{error}");
    assert!(heard.lock().unwrap().is_empty());
    let url = format!("http://localhost:{}/", inside.port());
    assert_eq!(get(&Egress::trusting(&url).unwrap(), &url).await.unwrap(), "secret");
}

#[tokio::test]
async fn each_redirect_is_checked() {
    for to in ["http://169.254.169.254/", "http://[::ffff:10.0.0.1]/", "http://10.1.2.3/"] {
        let (address, _) = answering(redirect(302, to)).await;
        let error = get(&loopback(), &format!("http://{address}/")).await.unwrap_err();
        assert!(matches!(error, EgressError::Refused { .. }), "{to}: {error}");
    }
    let (address, _) = answering(redirect(302, "file:///etc/passwd")).await;
    let error = get(&loopback(), &format!("http://{address}/")).await.unwrap_err();
    assert!(matches!(error, EgressError::BadUrl(_)), "{error}");
}

#[tokio::test]
async fn redirects_end() {
    let (address, heard) = answering(redirect(302, "/again")).await;
    let error = get(&loopback(), &format!("http://{address}/")).await.unwrap_err();
    assert!(matches!(error, EgressError::TooManyRedirects), "{error}");
    assert_eq!(heard.lock().unwrap().len(), 6);
}

/// What was said to one host is not said to another; on the same host it is said again.
#[tokio::test]
async fn secrets_stay_with_their_host() {
    let (other, heard) = answering(ok("hello")).await;
    let (address, _) = answering(redirect(307, &format!("http://{other}/"))).await;
    assert_eq!(get(&loopback(), &format!("http://{address}/")).await.unwrap(), "hello");
    let heard = heard.lock().unwrap()[0].clone();
    assert!(!heard.contains("secret"), "{heard}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let (address, _) = answering(ok(&"x".repeat(1001))).await;
    let error = get(&loopback(), &format!("http://{address}/")).await.unwrap_err();
    assert!(matches!(error, EgressError::TooLarge { max: 1000 }), "{error}");
}

#[tokio::test]
async fn errors_show_no_secret() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let error = get(&loopback(), &format!("http://{address}/path?key=secret")).await.unwrap_err();
    let mut shown = format!("{error} {error:?}");
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(e) = cause {
        shown.push_str(&e.to_string());
        cause = e.source();
    }
    assert!(!shown.contains("secret"), "{shown}");
    for url in ["", "x", "ftp://a/", "http://", "http://u:p@a/", "http://[::1"] {
        assert!(matches!(loopback().url(url), Err(EgressError::BadUrl(_))), "{url}");
    }
    let ip: IpAddr = "127.0.0.1".parse().unwrap();
    assert!(!is_public(ip));
}
