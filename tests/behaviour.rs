//! docs/behaviour.md against what cites it: every row that code, tests and pages name is there, and every row has a state.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Folders whose files cite rows.
const FOLDERS: [&str; 5] = ["src", "tests", "docs", "benches", "deploy"];
/// What looks like a row and is none.
const NO_ROWS: [&str; 1] = ["VAL-00"];

/// Rows and their states, from the tables.
fn rows() -> BTreeMap<String, String> {
    let page = include_str!("../docs/behaviour.md");
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, words, state] = cells.as_slice() else { continue };
        if ids(id).next().as_deref() != Some(*id) {
            continue;
        }
        assert!(!words.is_empty(), "{line}");
        assert!(
            rows.insert((*id).to_owned(), (*state).to_owned()).is_none(),
            "{id} is there twice"
        );
    }
    rows
}

/// The ids in a text: capital letters, a dash and two digits, with nothing of the kind around them.
fn ids(text: &str) -> impl Iterator<Item = String> {
    let words =
        text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-' || character == '_'));
    words
        .filter(|word| {
            let Some((letters, digits)) = word.split_once('-') else {
                return false;
            };
            let known = PREFIXES.contains(&letters);
            known && digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

const PREFIXES: [&str; 37] = [
    "CRD", "CRT", "CST", "CRQ", "ISS", "ORD", "ANN", "ANO", "ANW", "ACC", "AOR", "ACH", "SEL", "HTT", "DNS", "ARI",
    "LIF", "POL", "BKO", "SEC", "MST", "RDY", "SGN", "CSR", "CTL", "FLG", "GAT", "VAL", "WHK", "MET", "HLT", "CAI",
    "HLM", "SHM", "GWS", "NB", "BUN",
];

fn texts(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            texts(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push((path.display().to_string(), text));
        }
    }
}

#[test]
fn every_row_that_is_cited_is_in_the_table() {
    let rows = rows();
    let mut found = Vec::new();
    for folder in FOLDERS {
        texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    let mut missing = BTreeSet::new();
    let mut cited = BTreeSet::new();
    for (path, text) in &found {
        for id in ids(text).filter(|id| !NO_ROWS.contains(&id.as_str())) {
            if !rows.contains_key(&id) {
                missing.insert(format!("{id} in {path}"));
            }
            if !path.ends_with("behaviour.md") {
                cited.insert(id);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(cited.len() > 200, "rows are cited: {}", cited.len());
}

#[test]
fn every_row_has_a_state_and_what_differs_has_a_reason() {
    let rows = rows();
    assert!(rows.len() > 450, "{} rows", rows.len());
    for (id, state) in &rows {
        let (state, reason) = state.split_once(": ").unwrap_or((state, ""));
        match state {
            "same" => {}
            "different" | "not yet" => assert!(reason.len() > 10, "{id}: {state} and no reason"),
            _ => panic!("{id} has no state: {state:?}"),
        }
    }
}

#[test]
fn every_difference_is_explained_by_subject_and_the_other_way_round() {
    let page = include_str!("../docs/differences.md");
    // the rows of a difference stand behind it
    let explained = page
        .lines()
        .filter_map(|line| line.strip_prefix("* ")?.rsplit_once('('));
    let explained: BTreeSet<String> = explained.flat_map(|(_, rows)| ids(rows)).collect();
    let different = rows().into_iter().filter(|(_, state)| state.starts_with("different"));
    let different: BTreeSet<String> = different.map(|(id, _)| id).collect();
    let unexplained: Vec<_> = different.difference(&explained).collect();
    assert!(unexplained.is_empty(), "not in docs/differences.md: {unexplained:?}");
    let stale: Vec<_> = explained.difference(&different).collect();
    assert!(
        stale.is_empty(),
        "in docs/differences.md, but the same or not there yet: {stale:?}"
    );
}
