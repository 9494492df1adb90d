//! docs/annotations.md against the constants in `src/api/names.rs`.

use std::collections::BTreeSet;

const NAMES: &str = include_str!("../../src/api/names.rs");
const PAGE: &str = include_str!("../../docs/annotations.md");

/// The values of the constants of a module, in the source.
fn constants(module: &str) -> BTreeSet<String> {
    let (_, rest) = NAMES.split_once(&format!("pub mod {module} {{\n")).unwrap();
    let (body, _) = rest.split_once("\n}\n").unwrap();
    let values = body.split('"').skip(1).step_by(2);
    values.map(str::to_owned).collect()
}

/// The names in the first column of the tables below a heading.
fn listed(part: &str) -> BTreeSet<String> {
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let first = rows.map(|line| line.split(" | ").next().unwrap());
    let names = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

#[test]
fn the_page_lists_every_annotation_and_label_of_the_code_and_no_other() {
    let (annotations, labels) = PAGE.split_once("\n## Labels\n").unwrap();
    assert_eq!(listed(annotations), constants("annotation"));
    assert_eq!(listed(labels), constants("label"));
}
