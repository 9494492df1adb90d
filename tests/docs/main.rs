//! The documentation: what a reader copies, follows or looks up is there. `cluster_docs` has the part that needs an API server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod annotations;
mod flags;
#[allow(dead_code, reason = "cluster_docs uses the other part")]
mod pages;
#[allow(dead_code, reason = "cluster_docs uses the other part")]
mod shell;

use std::collections::{BTreeMap, BTreeSet};

use pages::{Block, Page, pages, project};
use shell::{Call, calls};

/// Languages of blocks that are no commands. Their content is to be read: nothing is applied or started.
const TO_READ: [&str; 6] = ["text", "json", "mermaid", "promql", "toml", "rust"];

/// Programs in commands, and who judges their arguments.
const PROGRAMS: [(&str, &str); 37] = [
    ("certlet", "the parser of its command line, here"),
    ("kubectl", "kubectl and the API server, in cluster_docs"),
    ("make", "the Makefile, here"),
    (
        "helm",
        "helm, in cluster_docs: the chart with the values in the command",
    ),
    ("argocd", "not judged: its server is not in the test bed"),
    ("aws", "not judged: it needs an account"),
    ("az", "not judged: it needs an account"),
    ("base64", "not judged: it filters what another command prints"),
    ("bao", "not judged: cluster_servers configures OpenBao through its API"),
    ("cargo", "not judged: make calls it"),
    ("cat", "not judged: it prints a file"),
    ("cfssl", "not judged: the old way, for comparison"),
    ("cmctl", "cluster_cmctl"),
    ("cosign", "not judged: it needs a key"),
    ("ctr", "not judged: cluster_workload imports the image with it"),
    ("curl", "not judged: it shows what a server answers"),
    ("docker", "not judged: it is not in the test bed"),
    ("flux", "not judged: its controllers are not in the test bed"),
    ("gcloud", "not judged: it needs an account"),
    ("git", "not judged: it is not about certlet"),
    ("grep", "not judged: it filters what another command prints"),
    ("head", "not judged: it filters what another command prints"),
    ("install", "not judged: it copies a file"),
    ("jq", "not judged: it filters what another command prints"),
    ("kind", "not judged: it needs docker"),
    ("kustomize", "not judged: cluster_namespaced applies with kubectl -k"),
    ("ln", "not judged: it makes a link"),
    ("oc", "not judged: OpenShift is not in the test bed"),
    ("openssl", "not judged: cluster tests use openssl as a judge"),
    ("podman", "not judged: it is not in the test bed"),
    ("promtool", "not judged: it belongs to Prometheus"),
    ("sed", "not judged: it edits a copy"),
    ("sha256sum", "cluster_release, which checks the checksums"),
    ("skopeo", "not judged: it is not in the test bed"),
    ("tail", "not judged: it filters what another command prints"),
    ("tar", "not judged: cluster_release lists what is in the archives"),
    ("velero", "not judged: its server is not in the test bed"),
];

fn blocks() -> Vec<Block> {
    pages().iter().flat_map(Page::blocks).collect()
}

fn commands() -> Vec<Call> {
    let judged = blocks()
        .into_iter()
        .filter(|block| is_shell(block) && block.not_run.is_none());
    judged.flat_map(|block| calls(&block).unwrap()).collect()
}

fn is_shell(block: &Block) -> bool {
    ["sh", "bash", "console"].contains(&block.language.as_str())
}

#[test]
fn every_block_of_every_page_is_judged_or_says_why_not() {
    let mut counted = BTreeMap::new();
    for block in blocks() {
        let to_read = TO_READ.contains(&block.language.as_str());
        let known = to_read || is_shell(&block) || block.language == "yaml";
        assert!(known, "{}: language {:?}", block.place, block.language);
        if let Some(reason) = &block.not_run {
            assert!(
                !to_read,
                "{}: nothing would be run, the mark is not needed",
                block.place
            );
            assert!(reason.split(' ').count() > 2, "{}: why is it not run?", block.place);
        }
        let judged = if block.not_run.is_some() { "not run" } else { "judged" };
        *counted.entry((block.language, judged)).or_insert(0) += 1;
    }
    println!("{counted:#?}");
    assert!(counted[&("sh".to_owned(), "judged")] > 50, "{counted:?}");
}

#[test]
fn lines_that_look_like_code_are_code() {
    let lost: Vec<String> = pages().iter().flat_map(Page::lost_lines).collect();
    assert!(lost.is_empty(), "a list comes before: fence them\n{}", lost.join("\n"));
}

#[test]
fn blocks_of_commands_are_read_by_bash_and_start_known_programs() {
    let mut faults = Vec::new();
    for block in blocks()
        .iter()
        .filter(|block| is_shell(block) && block.not_run.is_none())
    {
        match calls(block) {
            Err(fault) => faults.push(fault),
            Ok(calls) if calls.is_empty() => faults.push(format!("{}: starts nothing", block.place)),
            Ok(calls) => {
                let known = |call: &&Call| PROGRAMS.iter().any(|(name, _)| *name == call.program());
                faults.extend(calls.iter().filter(|call| !known(call)).map(Call::text));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn commands_of_certlet_are_understood_by_certlet() {
    let mut faults = Vec::new();
    let calls = commands();
    let mut seen = 0;
    for call in &calls {
        let arguments = match call.arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["certlet", ..] => &call.arguments[..],
            ["kubectl", "certlet", ..] => &call.arguments[1..],
            _ => continue,
        };
        seen += 1;
        if let Err(error) = certlet::cli::command().try_get_matches_from(arguments)
            && error.exit_code() != 0
        {
            faults.push(format!("{}\n{error}", call.text()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen > 10, "{seen}");
}

/// The code in running text that begins with a program, as words: `certlet plan -A`. What stands for something else (`…`, `[…]`) is left out.
fn spans(program: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for page in pages() {
        for (place, text) in page.spans() {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            let stands_for = |char: char| "…[]|<>{}\"'".contains(char);
            if words.first().is_some_and(|word| word == program) && !text.contains(stands_for) && !text.contains("...")
            {
                found.push((place, words));
            }
        }
    }
    found
}

#[test]
fn commands_of_certlet_in_running_text_exist() {
    use clap::error::ErrorKind;
    // A text may name a command without what it needs.
    let in_part = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::MissingSubcommand,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    let mut faults = Vec::new();
    for (place, words) in spans("certlet") {
        if let Err(error) = certlet::cli::command().try_get_matches_from(&words)
            && error.exit_code() != 0
            && !in_part.contains(&error.kind())
        {
            faults.push(format!("{place}: {}\n{error}", words.join(" ")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn targets_of_make_are_in_the_makefile() {
    let makefile = std::fs::read_to_string(project().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    let mut called: Vec<(String, Vec<String>)> = spans("make");
    called.extend(
        commands()
            .into_iter()
            .filter(|call| call.program() == "make")
            .map(|call| (call.place, call.arguments)),
    );
    for (place, words) in called {
        let mut words = words[1..].iter();
        let target = words.find(|word| !word.contains('=') && !word.starts_with('-'));
        assert!(
            target.is_none_or(|target| targets.contains(target.as_str())),
            "{place}: make {target:?}"
        );
    }
}

#[test]
fn yaml_and_json_can_be_read() {
    for block in blocks() {
        let parts = block.text.split("\n---\n").filter(|part| !part.trim().is_empty());
        for part in parts {
            let read: Result<serde_json::Value, String> = match block.language.as_str() {
                "yaml" => serde_saphyr::from_str(part).map_err(|error| error.to_string()),
                "json" => serde_json::from_str(part).map_err(|error| error.to_string()),
                _ => break,
            };
            if let Err(error) = read {
                panic!("{}: {error}", block.place);
            }
        }
    }
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let pages = pages();
    let mut faults = Vec::new();
    for page in &pages {
        for link in page.links() {
            if link.target.contains("://") || link.target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let folder = project().join(page.path.parent().unwrap());
            let path = if file.is_empty() {
                project().join(&page.path)
            } else {
                folder.join(file)
            };
            let Ok(path) = path.canonicalize() else {
                faults.push(format!("{}: {} does not exist", link.place, link.target));
                continue;
            };
            let found = pages
                .iter()
                .find(|page| project().join(&page.path).canonicalize().unwrap() == path);
            let there = anchor.is_empty() || found.is_some_and(|page| page.anchors().iter().any(|name| name == anchor));
            if !there {
                faults.push(format!("{}: {} has no such heading", link.place, link.target));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_index_names_every_page_of_the_documentation() {
    let pages = pages();
    let index = pages.iter().find(|page| page.path.ends_with("docs/README.md")).unwrap();
    let named: BTreeSet<String> = index.links().into_iter().map(|link| link.target).collect();
    let own = |page: &&Page| page.path.starts_with("docs") && page.path.components().count() == 2;
    let missing = pages.iter().filter(own).filter_map(|page| {
        let name = page.path.file_name().unwrap().to_str().unwrap();
        (name != "README.md" && !named.contains(name)).then_some(name)
    });
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&str>::new());
}
