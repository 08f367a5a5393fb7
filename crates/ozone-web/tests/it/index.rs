//! The index over folders.

use std::fs;
use std::path::Path;

use ozone_store::passages::terms;
use ozone_web::{Index, IndexError, Site};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.pages().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn pages(&self) -> std::path::PathBuf {
        self.0.path().join("pages")
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("web.index")
    }

    fn site(&self, url: Option<&str>) -> Site {
        Site { folder: self.pages(), url: url.map(|url| url.parse().unwrap()) }
    }

    fn open(&self) -> Index {
        Index::open(self.file(), vec![self.site(Some("https://grid.test/"))], terms).unwrap().0
    }
}

fn urls(index: &Index, query: &str) -> Vec<String> {
    let found = index.search(&[query.to_owned()], 10, |_| true);
    found.into_iter().map(|page| page.url).collect()
}

const FILES: &[(&str, &str)] = &[
    ("index.html", "<title>Grid operator</title><p>Load of Calderon, by year."),
    ("load/2025.html", "<title>Load 2025</title><p>Electricity use in June: 5012 GWh."),
    ("load/2024.html", "<title>Load 2024</title><p>Electricity use in June: 4711 GWh."),
    ("solar.md", "# Rooftop solar\nCapacity is growing quickly."),
    ("notes/a b.txt", "Something about transformers."),
];

#[test]
fn pages_are_found_by_their_words_under_their_addresses() {
    let index = Folder::new(FILES).open();
    assert_eq!(index.pages(), 5);
    assert_eq!(urls(&index, "solar capacities"), ["https://grid.test/solar.md"]);
    assert_eq!(urls(&index, "transformer"), ["https://grid.test/notes/a%20b.txt"]);
    assert_eq!(urls(&index, "electricity 2025")[0], "https://grid.test/load/2025.html");
    assert_eq!(urls(&index, "Calderon"), ["https://grid.test/"]);
    assert_eq!(urls(&index, "zebra"), Vec::<String>::new());
}

#[test]
fn a_result_says_what_the_page_says_about_it() {
    let index = Folder::new(&[("a.md", "# Title\nfirst\nThe load was 4711 GWh.\nlast")]).open();
    let found = index.search(&["4711 gwh".into()], 10, |_| true);
    assert_eq!(found[0].title, "Title");
    assert_eq!(found[0].snippet, "The load was 4711 GWh. last");
}

#[test]
fn several_queries_find_pages_of_each_and_unwanted_pages_are_left_out() {
    let index = Folder::new(FILES).open();
    let queries = ["solar".to_owned(), "transformers".to_owned()];
    assert_eq!(index.search(&queries, 10, |_| true).len(), 2);
    let found = index.search(&queries, 10, |url| url.ends_with(".md"));
    assert_eq!(found.len(), 1);
}

#[test]
fn a_page_is_read_as_its_file_is_now() {
    let folder = Folder::new(FILES);
    let index = folder.open();
    folder.write("solar.md", "# Rooftop solar\n12 GW");
    let page = index.page("http://grid.test/solar.md#top").unwrap().unwrap();
    assert_eq!(page.lines, ["# Rooftop solar", "12 GW"]);
    assert!(index.page("https://grid.test/else").unwrap().is_none());
    fs::remove_file(folder.pages().join("solar.md")).unwrap();
    let gone = index.page("https://grid.test/solar.md");
    assert!(matches!(gone, Err(IndexError::Gone { .. })), "{gone:?}");
}

#[test]
fn the_index_is_kept_and_only_what_changed_is_read_again() {
    let folder = Folder::new(FILES);
    drop(folder.open());
    let sites = || vec![folder.site(Some("https://grid.test/"))];
    let (index, refreshed) = Index::open(folder.file(), sites(), terms).unwrap();
    assert_eq!((refreshed.pages, refreshed.read, refreshed.gone), (5, 0, 0));
    assert_eq!(urls(&index, "rooftop"), ["https://grid.test/solar.md"]);

    folder.write("solar.md", "Now it is about wind turbines.");
    folder.write("new.csv", "year,wind\n2025,1\n");
    fs::remove_file(folder.pages().join("load/2024.html")).unwrap();
    let refreshed = index.refresh().unwrap();
    assert_eq!((refreshed.pages, refreshed.read, refreshed.gone), (5, 2, 1));
    assert!(urls(&index, "rooftop").is_empty());
    assert_eq!(urls(&index, "wind").len(), 2);
    let kept = index.search(&["5012".into()], 1, |_| true);
    assert_eq!(kept[0].snippet, "Electricity use in June: 5012 GWh.");
    assert_eq!(index.refresh().unwrap().read, 0);
}

#[test]
fn a_damaged_index_is_built_anew() {
    let folder = Folder::new(FILES);
    drop(folder.open());
    let whole = fs::read(folder.file()).unwrap();
    for damaged in [&whole[..whole.len() - 9], &whole[..50], b"{}\nnothing\n", b""] {
        fs::write(folder.file(), damaged).unwrap();
        assert_eq!(urls(&folder.open(), "solar"), ["https://grid.test/solar.md"]);
    }
    assert_eq!(fs::read(folder.file()).unwrap(), whole);
}

#[test]
fn a_folder_without_an_address_has_pages_where_they_were_saved_from_or_lie() {
    let folder = Folder::new(&[
        ("story.html", "<!-- saved from url=(0023)https://news.test/story --><p>An outage."),
        ("plain.txt", "An outage, too."),
    ]);
    let (index, _) = Index::open(folder.file(), vec![folder.site(None)], terms).unwrap();
    let mut found = urls(&index, "outage");
    found.sort();
    assert!(found[0].starts_with("file:///") && found[0].ends_with("/pages/plain.txt"));
    assert_eq!(found[1], "https://news.test/story");
    assert!(index.page(&found[0]).unwrap().is_some());
}

#[test]
fn a_page_cannot_claim_an_address_of_another_host() {
    let claim = "<link rel=canonical href='https://bank.test/login'><p>Transfer";
    let folder = Folder::new(&[("a.html", claim)]);
    assert_eq!(urls(&folder.open(), "transfer"), ["https://grid.test/a.html"]);
}

#[test]
fn what_is_no_page_is_counted_and_not_read_again() {
    let folder = Folder::new(&[("a.txt", "words"), ("b.txt", "%PDF-1.7"), (".hidden.txt", "x")]);
    let sites = vec![folder.site(None)];
    let (index, refreshed) = Index::open(folder.file(), sites, terms).unwrap();
    assert_eq!((refreshed.pages, refreshed.read, refreshed.unreadable), (1, 2, 1));
    let again = index.refresh().unwrap();
    assert_eq!((again.read, again.unreadable), (0, 1));
}

#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let folder = Folder::new(&[("a.txt", "words")]);
    let secret = folder.0.path().join("secret.txt");
    fs::write(&secret, "password").unwrap();
    std::os::unix::fs::symlink(&secret, folder.pages().join("b.txt")).unwrap();
    assert!(urls(&folder.open(), "password").is_empty());
    assert!(folder.open().page("https://grid.test/../secret.txt").unwrap().is_none());
}

#[test]
fn a_folder_that_is_missing_is_an_error_that_names_it() {
    let folder = Folder::new(&[]);
    let sites = vec![Site { folder: Path::new("/nowhere/at/all").into(), url: None }];
    let e = Index::open(folder.file(), sites, terms).err().unwrap();
    assert_eq!(e.to_string(), "the folder /nowhere/at/all cannot be read");
}
