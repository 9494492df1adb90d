//! What a reader copies out of the documentation, at a real API server: manifests are applied as a dry run, and commands of kubectl are
//! run, with a dry run where they write. An object that is not there is no fault: a page cannot know the names of its readers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "docs/pages.rs"]
#[allow(dead_code, reason = "the other half is used without a bed")]
mod pages;
#[path = "docs/shell.rs"]
mod shell;
mod support;

use std::collections::BTreeSet;

use futures::StreamExt as _;
use pages::{Block, Page, pages, project};
use shell::{Call, calls};
use support::Bed;
use support::command::{Finished, on_path, try_run};

/// Commands run side by side: kubectl waits for the disk and the server.
const AT_ONCE: usize = 4;

/// Commands of kubectl that write, and know a dry run.
const WRITES: [&str; 12] = [
    "annotate",
    "apply",
    "autoscale",
    "cordon",
    "create",
    "delete",
    "drain",
    "label",
    "patch",
    "replace",
    "scale",
    "taint",
];
/// Commands that only read.
const READS: [&str; 12] = [
    "api-resources",
    "api-versions",
    "auth",
    "cluster-info",
    "describe",
    "events",
    "explain",
    "get",
    "logs",
    "top",
    "version",
    "wait",
];
/// `kubectl rollout VERB` and others, which know no dry run. The bed has nothing that they would change.
const GROUPS: [&str; 3] = ["certificate", "rollout", "set"];

fn blocks() -> impl Iterator<Item = Block> {
    let blocks = pages().into_iter().flat_map(|page: Page| page.blocks());
    blocks.filter(|block| block.not_run.is_none())
}

/// The namespaces that manifests and commands name.
fn namespaces(texts: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts {
        let words: Vec<&str> = text
            .split(|char: char| char.is_whitespace() || ",{}=".contains(char))
            .collect();
        let pairs = words
            .windows(2)
            .filter(|pair| ["namespace:", "-n", "--namespace"].contains(&pair[0]));
        let named = pairs.map(|pair| pair[1].trim_matches('"'));
        found.extend(named.filter(|name| is_name(name)).map(str::to_owned));
    }
    found
}

fn is_name(text: &str) -> bool {
    let fits = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    !text.is_empty() && text.chars().all(fits)
}

async fn create_namespaces(bed: &Bed, names: &BTreeSet<String>) {
    let manifests: Vec<String> = names
        .iter()
        .map(|name| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"))
        .collect();
    bed.apply("default", &manifests.join("---\n")).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn manifests_in_the_documentation_are_accepted_by_the_api_server() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let with_gateways = bed
        .install_gateway_api("manifests_in_the_documentation_are_accepted_by_the_api_server")
        .await;
    let is_known = |block: &Block| with_gateways || !block.text.contains("gateway.networking.k8s.io");
    let manifests = blocks().filter(|block| block.language == "yaml" && is_known(block));
    let manifests: Vec<Block> = manifests.collect();
    let texts: Vec<String> = manifests.iter().map(|block| block.text.clone()).collect();
    create_namespaces(&bed, &namespaces(&texts)).await;
    let namespace = bed.new_namespace().await;
    let kubeconfig = bed.kubeconfig().display().to_string();
    let applied = futures::stream::iter(&manifests).map(async |block| {
        let dry = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            "-",
            "--kubeconfig",
            &kubeconfig,
        ];
        // What names its own namespace must not be given another one.
        let elsewhere = ["-n", &namespace];
        let elsewhere = if block.text.contains("namespace:") {
            &[][..]
        } else {
            &elsewhere[..]
        };
        let arguments = [&dry[..], elsewhere].concat();
        let finished = try_run("kubectl", &arguments, Some(&block.manifest())).await;
        (!finished.status.success()).then(|| format!("{}: {}", block.place, finished.stderr))
    });
    let faults: Vec<Option<String>> = applied.buffer_unordered(AT_ONCE).collect().await;
    println!("{} blocks applied", faults.len());
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(manifests.len() > 10);
}

/// The arguments with which a command of a page changes nothing; `None` if kubectl has no dry run for it.
fn harmless(call: &Call) -> Option<Vec<String>> {
    let arguments = &call.arguments[1..];
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Flags may stand before the verb, with their values: `-n shop get …`.
    let with_value = |word: &str| ["-n", "--namespace", "--context", "--kubeconfig", "--as"].contains(&word);
    let mut at = 0;
    while words.get(at)?.starts_with('-') {
        at += if with_value(words[at]) { 2 } else { 1 };
    }
    let verb = *words.get(at)?;
    let mut harmless: Vec<String> = arguments.to_vec();
    if WRITES.contains(&verb) {
        if verb == "delete" {
            harmless.push("--wait=false".to_owned());
        }
        harmless.push("--dry-run=server".to_owned());
    } else if verb == "wait" || (verb == "rollout" && words.get(at + 1) == Some(&"status")) {
        harmless.push("--timeout=1s".to_owned());
    } else if !GROUPS.contains(&verb) && !READS.contains(&verb) {
        return None;
    }
    harmless.retain(|word| !["-w", "--watch", "--follow"].contains(&word.as_str()));
    Some(harmless)
}

/// Whether kubectl understood the command, and the API server the kinds in it.
fn understood(finished: &Finished) -> bool {
    let absent = |line: &str| {
        line.is_empty()
            || line.contains("(NotFound)")
            || line.starts_with("Warning:")
            || line.starts_with("No resources found")
            || line.contains("no matching resources found")
            || line.contains("error: no objects passed to")
            || line.contains("resource(s) were provided, but no name was specified")
            || line.contains("timed out waiting for the condition")
            || is_file_of_a_reader(line)
    };
    finished.status.success() || finished.stderr.lines().all(absent)
}

/// Whether a complaint is about a file that a reader makes. Those of this project are there.
fn is_file_of_a_reader(complaint: &str) -> bool {
    let absent = complaint.contains("no such file or directory") || complaint.contains("does not exist");
    absent && !["deploy/", "crds"].iter().any(|folder| complaint.contains(folder))
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn commands_of_kubectl_in_the_documentation_are_understood() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let commands = blocks().filter(|block| ["sh", "bash", "console"].contains(&block.language.as_str()));
    let calls: Vec<Call> = commands.flat_map(|block| calls(&block).unwrap()).collect();
    let calls: Vec<Call> = calls
        .into_iter()
        .filter(|call| call.program() == "kubectl" && call.arguments.get(1).is_some_and(|word| word != "certlet"))
        .collect();
    let texts: Vec<String> = calls.iter().map(|call| call.arguments.join(" ")).collect();
    create_namespaces(&bed, &namespaces(&texts)).await;
    let kubeconfig = bed.kubeconfig().display().to_string();
    let ran = futures::stream::iter(&calls).map(async |call| {
        let Some(harmless) = harmless(call) else {
            return Some(format!(
                "{}: cannot be run without a change: mark its block",
                call.text()
            ));
        };
        let script = r#"cd "$1"; export KUBECONFIG=$2; shift 2; exec kubectl "$@""#;
        let project = project().display().to_string();
        let head = ["-c", script, "bash", &project, &kubeconfig];
        let arguments: Vec<&str> = head.into_iter().chain(harmless.iter().map(String::as_str)).collect();
        let finished = try_run("bash", &arguments, Some(&call.input)).await;
        (!understood(&finished)).then(|| format!("{}: {}", call.text(), finished.stderr))
    });
    let faults: Vec<Option<String>> = ran.buffer_unordered(AT_ONCE).collect().await;
    println!("{} commands run", faults.len());
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(calls.len() > 30, "{}", calls.len());
}

/// The arguments with which helm renders what a command of a page installs; `None` for another command.
fn rendering(call: &Call) -> Option<Vec<String>> {
    let words = &call.arguments;
    let installs =
        words.iter().any(|word| word == "deploy/chart") && ["install", "upgrade"].contains(&words.get(1)?.as_str());
    let mut rendering = ["template", "certlet", "deploy/chart", "--kube-version", "1.36.0"]
        .map(str::to_owned)
        .to_vec();
    for pair in words.windows(2) {
        if ["--set", "--set-string", "--namespace", "-n"].contains(&pair[0].as_str()) {
            rendering.extend_from_slice(pair);
        }
    }
    installs.then_some(rendering)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn values_of_the_chart_in_the_documentation_are_accepted_by_helm() {
    let bed = Bed::attach().await;
    if on_path("helm").is_none() {
        let test = "values_of_the_chart_in_the_documentation_are_accepted_by_helm";
        bed.skip(test, "tests/testbed/build.sh helm has not been run");
        return;
    }
    let commands = blocks().filter(|block| ["sh", "bash", "console"].contains(&block.language.as_str()));
    let calls = commands
        .flat_map(|block| calls(&block).unwrap())
        .filter(|call| call.program() == "helm");
    let mut rendered = 0;
    for call in calls {
        let Some(rendering) = rendering(&call) else {
            continue;
        };
        let project = project().display().to_string();
        let head = ["-c", r#"cd "$1"; shift; exec helm "$@""#, "bash", &project];
        let arguments: Vec<&str> = head.into_iter().chain(rendering.iter().map(String::as_str)).collect();
        let finished = try_run("bash", &arguments, None).await;
        assert!(finished.status.success(), "{}: {}", call.text(), finished.stderr);
        rendered += 1;
    }
    assert!(rendered > 3, "{rendered}");
}
