//! Pages of a configured web: opened, read by Python and by the image tools, and cited.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};

use ozone_web::mark_id;
use serde_json::{Value, json};

use crate::support::{Home, object, runs, says, stderr};

const CHART: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200">
    <rect x="20" y="20" width="60" height="60" fill="blue"/>
    <rect x="200" y="90" width="50" height="50" fill="blue"/></svg>"#;

/// A server on this machine, until the test's process ends.
fn site() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let (status, kind, body) = match first.split(' ').nth(1).unwrap() {
                "/cdd.csv" => ("200 OK", "text/csv", "year,cdd\n2024,930\n2025,1010\n"),
                "/solar.svg" => ("200 OK", "image/svg+xml", CHART),
                _ => ("404 Not Found", "text/plain", ""),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close");
            write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        }
    });
    address
}

fn calls(name: &str, arguments: Value) -> Value {
    let call = json!({"name": name, "arguments": arguments});
    says(&format!("<think>\nI look.\n</think>\n\n<tool_call>\n{call}\n</tool_call>"))
}

fn home(script: Value, web: &str) -> Home {
    let home = Home::scripted(script, 0);
    let path = home.path().join("ozone.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{config}{web}")).unwrap();
    home
}

#[test]
fn what_was_opened_is_read_by_python_and_by_the_image_tools() {
    let (csv, chart) = ("http://weather.test/cdd.csv", "http://weather.test/solar.svg");
    let measure = json!({"image": "web/solar.svg", "what": "components", "colour": "#0000ff"});
    let script = json!([
        runs("n = 1"),
        calls("web_open", json!({"url": csv})),
        runs("import csv\nprint(sum(int(r['cdd']) for r in csv.DictReader(open('web/cdd.csv'))))"),
        calls("web_open", json!({"url": chart})),
        calls("image_measure", measure),
        says(&format!("1,940 in all【{}†L3-L4】.", mark_id(csv))),
    ]);
    let web = format!("[web]\nfetch = true\n[web.hosts]\n\"weather.test\" = \"{}\"\n", site());
    let output = home(script, &web).run(&["ask", "--json", "How warm was it?"]);
    let response = object(&output);
    assert_eq!(response["status"], "completed", "{}{response}", stderr(&output));
    let items = response["output"].as_array().unwrap();
    let of = |kind: &str| items.iter().filter(|i| i["type"] == kind).collect::<Vec<_>>();
    let printed = &of("code_interpreter_call")[1]["outputs"][0]["logs"];
    assert_eq!(printed, "1940");
    let opened: Vec<&Value> = of("web_search_call").iter().map(|i| &i["action"]["url"]).collect();
    assert_eq!(opened, [csv, chart]);
    let measured = of("mcp_call")[0]["output"].as_str().unwrap();
    assert!(measured.starts_with("2 shapes"), "{measured}");
    let cited = &items.last().unwrap()["content"][0]["annotations"][0];
    assert_eq!(cited["url"], csv);
}

#[test]
fn only_what_the_work_made_is_listed_and_a_failure_says_why() {
    let url = "http://weather.test/cdd.csv";
    let code = "import os\nos.mkdir('out')\nopen('out/sum.txt', 'w').write('1940')\n\
                open('given.csv', 'a').close()\nopen('changed.csv', 'a').write('2')";
    let script = json!([
        calls("web_open", json!({"id": "7"})),
        calls("web_open", json!({"url": url})),
        runs(code),
        says("1,940."),
    ]);
    let web = format!("[web]\nfetch = true\n[web.hosts]\n\"weather.test\" = \"{}\"\n", site());
    let home = home(script, &web);
    std::fs::write(home.path().join("given.csv"), "1").unwrap();
    std::fs::write(home.path().join("changed.csv"), "1").unwrap();
    let output = home.run(&["ask", "-f", "given.csv", "-f", "changed.csv", "How warm?"]);
    let told = stderr(&output);
    let names = told.lines().filter_map(|line| line.strip_prefix("file: "));
    let names: Vec<&str> = names.map(|path| path.split_once("/resp_").unwrap().1).collect();
    let below: Vec<&str> = names.iter().map(|path| path.split_once('/').unwrap().1).collect();
    assert_eq!(below, ["changed.csv", "out/sum.txt"], "{told}");
    let failed = told.lines().skip_while(|line| *line != "▶ open a page").nth(1).unwrap();
    assert!(failed.contains('7'), "{told}");
}

#[test]
fn files_are_changed_where_python_finds_them() {
    let creates = json!({"type": "create_file", "path": "a.py", "diff": "+n = 6\n+print(n * 7)"});
    let updates = json!({"type": "update_file", "path": "a.py", "diff": "@@\n-n = 6\n+n = 7"});
    let script = json!([
        calls("apply_patch", creates),
        calls("apply_patch", updates),
        runs("exec(open('a.py').read())"),
        says("49."),
    ]);
    let output = Home::scripted(script, 0).run(&["ask", "What is it?"]);
    let told = stderr(&output);
    for line in ["▶ create a.py", "  created `a.py`, 2 lines", "  -n = 6", "  +n = 7", "  49"] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    assert!(told.contains("3 tool calls"), "{told}");
}

#[test]
fn the_doctor_asks_the_search_engine() {
    let address = site();
    let web = format!("[[web.search]]\nkind = \"searxng\"\nurl = \"http://{address}/\"\n");
    let output = home(json!([says("hello")]), &web).run(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let parts = object(&output);
    let part = parts.as_array().unwrap().iter().find(|part| part["part"] == "web").unwrap();
    assert_eq!(part["detail"], "SearXNG refused (404 Not Found)");
}

#[test]
fn a_configuration_that_cannot_work_says_what_to_do() {
    let told = |web: &str| {
        let output = home(json!([says("hello")]), web).run(&["ask", "Hi"]);
        assert_eq!(output.status.code(), Some(2), "{web}: {}", stderr(&output));
        stderr(&output)
    };
    assert!(told("[[web.search]]\nkind = \"searxng\"\n").contains("give its address"));
    assert!(told("[[web.search]]\nkind = \"brave\"\n").contains("api_key_env"));
    let unset = "[[web.search]]\nkind = \"exa\"\napi_key_env = \"OZONE_TEST_UNSET\"\n";
    assert!(told(unset).contains("OZONE_TEST_UNSET holds no key"));
    assert!(told("[[web.search]]\nkind = \"altavista\"\n").contains("unknown variant"));
    let network = "[web.hosts]\n\"a.test\" = \"somewhere\"\n";
    assert!(told(network).contains("invalid socket address"));
}
