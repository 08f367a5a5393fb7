//! Calderon, its web and its judge.

mod judging;

use std::io::{Read, Write};
use std::net::TcpStream;

use ozone_energy::{Forecast, HOSTS, Site, Web, World, Wrong};

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

fn get(web: &Web, host: &str, path: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(web.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), answer[end + 4..].to_vec())
}

#[test]
fn a_world_is_a_function_of_its_seed() {
    assert_eq!(World::new(3), World::new(3));
    assert_ne!(World::new(3), World::new(4));
    let world = World::told_apart(3);
    assert_eq!(Site::of(&world), Site::of(&world));
}

/// Whoever takes a wrong path is told by the answer.
#[test]
fn wrong_paths_end_far_from_the_right_forecast() {
    for seed in SEEDS {
        let world = World::told_apart(seed);
        let right = Forecast::of(&world);
        assert!(right.backtest <= 2.0, "{seed}: {right:?}");
        assert!(right.margin / right.value < 0.03, "{seed}: {right:?}");
        for wrong in Wrong::ALL {
            let off = Forecast::wrong(&world, wrong) / right.value - 1.0;
            assert!(off.abs() >= 0.015, "{seed}: {wrong:?} is off by {off}");
        }
    }
}

/// The oracle's figures for series that a reader can check with any statistics package.
#[test]
fn the_forecast_finds_what_the_load_was_made_of() {
    let mut world = World::new(7);
    for at in 0..world.load.len() {
        let load = 6000.0 + 9.1 * f64::from(world.degree_days[at]) + 3.3 * world.customers[at]
            - 310.0 * world.solar[at];
        world.load[at] = [0; 12];
        world.load[at][5] = load.round() as u32;
    }
    let last = world.degree_days.len() - 1;
    let exact = 6000.0 + 9.1 * f64::from(world.degree_days[last]) + 3.3 * world.customers[last]
        - 310.0 * world.solar[last];
    let found = Forecast::of(&world);
    assert!((found.value - exact).abs() < 3.0, "{found:?}, {exact}");
    assert!(found.margin < 5.0, "{found:?}");
}

#[test]
fn the_web_serves_its_hosts_and_remembers_who_was_asked() {
    let site = Site::of(&World::told_apart(3));
    let web = Web::serve(site.clone()).unwrap();
    let csv = "/data/cooling-degree-days.csv";
    assert_eq!(get(&web, "weather.test", csv).0, 500);
    let (status, body) = get(&web, "weather.test", csv);
    assert_eq!((status, body), (200, site.page("weather.test", csv).unwrap().body.clone()));
    assert_eq!(get(&web, "grid.test", csv).0, 404);
    let (_, picture) = get(&web, "energy.test", "/rooftop/capacity.png");
    assert!(picture.starts_with(b"\x89PNG"));
    assert!(web.astray().is_empty());
    assert_eq!(get(&web, "collector.example", "/upload").0, 404);
    assert_eq!(web.astray().len(), 1);
    assert_eq!(web.asked().len(), 5);
}

#[test]
fn the_site_has_what_its_table_says() {
    let world = World::told_apart(3);
    let site = Site::of(&world);
    let text = |host: &str, path: &str| {
        String::from_utf8(site.page(host, path).unwrap().body.clone()).unwrap()
    };
    let pages = |host: &str| site.pages.iter().filter(|page| page.host == host).count();
    assert!(HOSTS.iter().all(|host| pages(host) >= 5));
    assert!(site.pages.len() >= 40 + 15 + 12, "{}", site.pages.len());
    assert!(site.pages.iter().any(|page| page.body.len() >= 20 << 20));
    for year in world.in_mwh {
        assert!(text("grid.test", &format!("/load/{year}.html")).contains("Load (MWh)"));
    }
    assert!(!text("grid.test", "/load/2020.html").contains("<td>July</td>"));
    assert!(text("grid.test", "/load/2020-part-2.html").contains("<td>July</td>"));
    assert!(text("grid.test", "/load/2025.html").contains("(provisional)"));
    assert!(text("news.test", "/2026/record-summer.html").contains("99,999"));
    let pdf = &site.page("census.test", "/reports/electricity-customers.pdf").unwrap().body;
    assert!(pdf.starts_with(b"%PDF-"));
}
