//! Files and containers.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says};

async fn upload(server: &TestServer, name: &str, bytes: &[u8], purpose: &str) -> reqwest::Response {
    let part = Part::bytes(bytes.to_vec()).file_name(name.to_owned());
    let form = Form::new().text("purpose", purpose.to_owned()).part("file", part);
    server.request(Method::POST, "/v1/files").multipart(form).send().await.unwrap()
}

#[tokio::test]
async fn a_file_is_kept_listed_and_deleted() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let file: Value =
        upload(&server, "../a b.bin", &bytes, "user_data").await.json().await.unwrap();
    assert_eq!(file["filename"], "a b.bin");
    assert_eq!(file["bytes"], 256);
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await.ok(), file);
    let content = server.request(Method::GET, &format!("{path}/content")).send().await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), bytes);
    upload(&server, "b.jsonl", b"{}", "batch").await;
    let list = server.get("/v1/files?purpose=batch").await.ok();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/v1/files").await.ok()["data"].as_array().unwrap().len(), 2);
    assert_eq!(server.delete(&path).await.ok()["deleted"], true);
    assert_eq!(server.get(&path).await.error(), "404 - -");
    assert_eq!(server.get(&format!("{path}/content")).await.error(), "404 - -");
}

#[tokio::test]
async fn a_file_too_large_or_without_purpose_is_refused() {
    let mut setup = Setup::new([says("Yes.")]);
    setup.limits.file_bytes_max = 100;
    let server = setup.start().await;
    assert_eq!(upload(&server, "a", &[0; 101], "user_data").await.status(), 413);
    assert_eq!(upload(&server, "a", b"x", "fun").await.status(), 400);
    let empty = server.request(Method::POST, "/v1/files").multipart(Form::new()).send().await;
    assert_eq!(empty.unwrap().status(), 400);
    assert_eq!(server.post("/v1/files", json!({})).await.status, 400);
}

#[tokio::test]
async fn a_container_takes_and_gives_files() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let file: Value =
        upload(&server, "data.csv", b"a,b\n1,2\n", "user_data").await.json().await.unwrap();
    let body = json!({"name": "work", "file_ids": [file["id"]]});
    let container = server.post("/v1/containers", body).await.ok();
    let path = format!("/v1/containers/{}", container["id"].as_str().unwrap());
    let list = server.get(&format!("{path}/files")).await.ok();
    assert_eq!(list["data"][0]["path"], "/mnt/data/data.csv");
    let id = list["data"][0]["id"].as_str().unwrap();
    let content =
        server.request(Method::GET, &format!("{path}/files/{id}/content")).send().await.unwrap();
    assert_eq!(content.text().await.unwrap(), "a,b\n1,2\n");
    assert_eq!(server.delete(&path).await.ok()["deleted"], true);
    assert_eq!(server.get(&format!("{path}/files")).await.error(), "404 - -");
}

/// Code may leave links in its folder; what they point at is not ours to give.
#[tokio::test]
async fn a_link_in_a_container_is_not_followed() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let container = server.post("/v1/containers", json!({"name": "work"})).await.ok();
    let id = container["id"].as_str().unwrap();
    let folder = server.containers.path().join(id);
    std::os::unix::fs::symlink("/etc/passwd", folder.join("passwd")).unwrap();
    let list = server.get(&format!("/v1/containers/{id}/files")).await.ok();
    assert_eq!(list["data"], json!([]));
}

async fn part(server: &TestServer, upload: &str, data: &[u8]) -> reqwest::Response {
    let form = Form::new().part("data", Part::bytes(data.to_vec()).file_name("part"));
    let path = format!("/v1/uploads/{upload}/parts");
    server.request(Method::POST, &path).multipart(form).send().await.unwrap()
}

#[tokio::test]
async fn a_file_is_put_together_from_its_parts() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let body = json!({
        "filename": "a.txt", "purpose": "user_data", "bytes": 11, "mime_type": "text/plain",
    });
    let upload = server.post("/v1/uploads", body).await.ok();
    let id = upload["id"].as_str().unwrap();
    let second: Value = part(&server, id, b"world").await.json().await.unwrap();
    let first: Value = part(&server, id, b"hello ").await.json().await.unwrap();
    assert_eq!(part(&server, id, b"!").await.status(), 400);
    let path = format!("/v1/uploads/{id}/complete");
    let short = server.post(&path, json!({"part_ids": [first["id"]]})).await;
    assert_eq!(short.error(), "400 part_ids -");
    let done = server.post(&path, json!({"part_ids": [first["id"], second["id"]]})).await.ok();
    assert_eq!(done["status"], "completed");
    let path = format!("/v1/files/{}/content", done["file"]["id"].as_str().unwrap());
    let content = server.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(content.text().await.unwrap(), "hello world");
    let late = server.post(&format!("/v1/uploads/{id}/cancel"), json!({})).await;
    assert_eq!(late.error(), "409 - conflict");
}
