//! The commands and manifests of the documentation, for tests that do what it says.

use super::bed::project;

/// The text below a heading, up to the next one.
///
/// # Panics
/// If the document has no such heading.
fn section(document: &str, heading: &str) -> String {
    let text = std::fs::read_to_string(project().join(document)).unwrap();
    let start = format!("\n{heading}\n");
    let (_, section) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("{document} has no {heading:?}"));
    let lines = section.lines().take_while(|line| !line.starts_with('#'));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

/// All indented commands below a heading, up to the next one.
///
/// # Panics
/// If there are none.
pub(crate) fn commands(document: &str, heading: &str) -> String {
    let section = section(document, heading);
    let lines: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(!lines.is_empty(), "{document} has no commands below {heading:?}");
    lines.join("\n")
}

/// The YAML below a heading.
///
/// # Panics
/// If there is none.
pub(crate) fn yaml(document: &str, heading: &str) -> String {
    let section = section(document, heading);
    let block = section
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    block
        .unwrap_or_else(|| panic!("{document} has no YAML below {heading:?}"))
        .to_owned()
}
