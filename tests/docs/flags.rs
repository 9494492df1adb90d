//! The list of flags at the end of docs/flags.md, which is written from the command line itself.

use std::fmt::Write as _;

use crate::pages::project;

const BEGIN: &str = "<!-- written from `certlet run --help`: CERTLET_WRITE_DOCS=1 cargo test --test docs flags -->\n";

/// The flags that have an effect, by the headings of `--help`.
fn tables() -> String {
    let mut command = certlet::cli::command();
    command.build();
    let run = command.find_subcommand("run").unwrap();
    let mut text = String::from(BEGIN);
    let mut heading = None;
    for flag in run.get_arguments().filter(|flag| !flag.is_hide_set()) {
        let (Some(long), Some(help)) = (flag.get_long(), flag.get_help()) else {
            continue;
        };
        let Some(group) = flag.get_help_heading() else {
            continue; // --help itself
        };
        if heading != Some(group) {
            heading = Some(group);
            write!(
                text,
                "\n### {group}\n\n| flag | default | what it does |\n|---|---|---|\n"
            )
            .unwrap();
        }
        let defaults: Vec<&str> = flag
            .get_default_values()
            .iter()
            .filter_map(|value| value.to_str())
            .collect();
        let default = match defaults.join(",") {
            none if none.is_empty() => String::new(),
            some => format!("`{some}`"),
        };
        let help = help.to_string().replace('|', "\\|").replace('\n', " ");
        writeln!(text, "| `--{long}` | {default} | {help} |").unwrap();
    }
    text
}

#[test]
fn the_page_about_flags_lists_all_flags_with_their_defaults() {
    let path = project().join("docs/flags.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, _) = page
        .split_once(BEGIN)
        .unwrap_or_else(|| panic!("docs/flags.md has no line {BEGIN}"));
    let expected = format!("{before}{}", tables());
    if std::env::var_os("CERTLET_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(
        page == expected,
        "docs/flags.md: run CERTLET_WRITE_DOCS=1 cargo test --test docs flags"
    );
}
