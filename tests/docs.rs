//! The book: every link in it leads somewhere, and the life of a query names the steps of the code.

use std::path::{Path, PathBuf};

use forebay::request::Step;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All pages: those at the top and those in the folders that are for reading.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The targets of `[text](target)` that are files, without their anchors.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#') && !target.contains(char::is_whitespace))
        .map(|target| target.split('#').next().unwrap_or(target))
        .collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let pages = pages();
    assert!(pages.len() >= 10, "the book was not found");
    let mut broken = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).expect("a readable page");
        let folder = page.parent().expect("a page is in a folder");
        broken.extend(
            links(&text)
                .into_iter()
                .filter(|link| !folder.join(link).exists())
                .map(|link| format!("{}: {link}", page.display())),
        );
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_life_of_a_query_has_the_steps_of_the_code_in_their_order() {
    let page = std::fs::read_to_string(root().join("docs/life-of-a-query.md")).expect("the page");
    let places: Vec<_> = Step::ALL
        .map(|step| page.find(&format!("| `{}` |", step.as_str())).unwrap_or_else(|| panic!("no row for {step:?}")))
        .to_vec();
    assert!(places.is_sorted());
}
