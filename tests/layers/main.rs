//! Keeps the layers of `src/` apart: which folder may use which, and what decisions and bytes never touch.
//!
//! Who uses whom is read from the sources' tokens ([`reader`]); who uses one another in a circle is computed from that ([`circles`]).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod circles;
mod language;
mod reader;

use std::collections::BTreeSet;
use std::fs;

use reader::{Use, source_root, sources};

/// A folder of `src/`, the folders that it may use beside itself, and words that may not occur in it.
struct Layer {
    folder: &'static str,
    may_use: &'static [&'static str],
    never: &'static [&'static str],
}

/// The clock, in all its disguises.
const CLOCK: [&str; 5] = ["Timestamp::now", "Zoned::now", "SystemTime", "Instant::now", "Utc::now"];
/// Sources of randomness. Keys come from the crypto provider, which is not among them.
const RANDOMNESS: [&str; 2] = ["fastrand", "getrandom"];

const LAYERS: [Layer; 14] = [
    Layer {
        folder: "text",
        may_use: &[],
        never: &["async", "tokio", "kube", "k8s_openapi"],
    },
    Layer {
        folder: "process",
        may_use: &["text"],
        never: &["kube", "k8s_openapi"],
    },
    Layer {
        folder: "work",
        may_use: &["process"],
        never: &["kube", "k8s_openapi"],
    },
    Layer {
        folder: "net",
        may_use: &["text", "pki", "process"],
        never: &["kube", "k8s_openapi"],
    },
    Layer {
        folder: "cloud",
        may_use: &["text", "net", "pki", "process"],
        never: &["kube", "k8s_openapi"],
    },
    Layer {
        folder: "dns",
        may_use: &["text", "net"],
        never: &["kube", "k8s_openapi"],
    },
    Layer {
        folder: "api",
        may_use: &["text"],
        never: &["async", "tokio", "kube::Client"],
    },
    Layer {
        folder: "pki",
        may_use: &[],
        never: &["async", "tokio", "kube", "k8s_openapi"],
    },
    Layer {
        folder: "plan",
        may_use: &["text", "api", "pki", "acme", "net"],
        never: &["async", "tokio", "kube::Client", "Client", "rand"],
    },
    Layer {
        folder: "acme",
        may_use: &["text", "api", "pki", "net"],
        never: &["kube::Client"],
    },
    Layer {
        folder: "signer",
        may_use: &["text", "api", "pki", "net", "plan", "work"],
        never: &["kube::Client"],
    },
    Layer {
        folder: "solver",
        may_use: &["api", "pki", "net", "dns", "cloud", "plan", "process"],
        never: &["kube::Client"],
    },
    Layer {
        folder: "cluster",
        may_use: &["text", "api", "pki", "process", "plan"],
        never: &[],
    },
    Layer {
        folder: "controller",
        may_use: &[
            "text", "api", "pki", "process", "net", "dns", "cloud", "work", "plan", "acme", "signer", "solver",
            "cluster",
        ],
        never: &[],
    },
];

/// These may use everything.
const TOP: [&str; 5] = ["runtime", "cli", "fuzz", "main", "lib"];

/// Folders that may neither read the clock nor draw lots: both are arguments there.
const TIMELESS: [&str; 3] = ["api", "pki", "plan"];

/// What plan may know of the ACME client: plain data, no requests.
const PLAIN_ACME: [&str; 10] = [
    "Action",
    "ari",
    "Error",
    "Identifier",
    "Next",
    "order",
    "problem",
    "Problem",
    "registration",
    "url",
];

#[test]
fn no_folder_uses_one_that_it_may_not() {
    let mut wrong = Vec::new();
    for source in sources() {
        let own = source.folder();
        for Use { line, path } in &source.whole.uses {
            let Some(used) = path.first() else { continue };
            let allowed = used.as_str() == own || may_use(own, used);
            if !allowed && is_folder(used) {
                wrong.push(format!(
                    "{}:{line}: {own} may not use {}",
                    source.file.display(),
                    path.join("::")
                ));
            }
            if own == "plan" && used == "acme" && !path.get(1).is_some_and(|name| PLAIN_ACME.contains(&name.as_str())) {
                wrong.push(format!(
                    "{}:{line}: plan may use only plain data of acme: {}",
                    source.file.display(),
                    path.join("::")
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "\n{}\n(the table is in tests/layers/main.rs)",
        wrong.join("\n")
    );
}

#[test]
fn every_allowance_is_used() {
    let mut used = BTreeSet::new();
    for source in sources() {
        let own = source.folder();
        for Use { path, .. } in &source.whole.uses {
            if let [folder, rest @ ..] = path.as_slice() {
                used.insert((own.to_owned(), folder.clone()));
                if own == "plan" && folder == "acme" {
                    used.insert(("acme".to_owned(), rest.first().cloned().unwrap_or_default()));
                }
            }
        }
    }
    let is_used = |own: &str, folder: &str| used.contains(&(own.to_owned(), folder.to_owned()));
    let unused = LAYERS
        .iter()
        .flat_map(|layer| layer.may_use.iter().map(|folder| (layer.folder, *folder)));
    let unused: Vec<_> = unused
        .chain(PLAIN_ACME.map(|word| ("acme", word)))
        .filter(|(own, used)| !is_used(own, used))
        .collect();
    assert!(
        unused.is_empty(),
        "no file needs these, take them out of the table: {unused:?}"
    );
}

#[test]
fn no_controller_uses_another_controllers_file() {
    // A controller is a file of src/controller that starts a watch of its own kind.
    let sources = sources();
    let kinds: BTreeSet<&String> = sources
        .iter()
        .filter(|source| {
            source.folder() == "controller" && source.whole.words.iter().any(|(_, word)| word == "fn reconcile")
        })
        .filter_map(|source| source.module.get(1))
        .collect();
    assert!(
        kinds.len() > 1,
        "controllers are no longer recognised by their `fn reconcile`: {kinds:?}"
    );
    let mut wrong = Vec::new();
    for source in sources {
        let [folder, own, ..] = source.module.as_slice() else {
            continue;
        };
        if folder != "controller" || !kinds.contains(own) {
            continue;
        }
        for Use { line, path } in &source.whole.uses {
            if let [used_folder, used, ..] = path.as_slice()
                && used_folder == "controller"
                && used != own
                && kinds.contains(used)
            {
                wrong.push(format!("{}:{line}: {own} uses {used}", source.file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn decisions_and_bytes_know_neither_clock_nor_chance_nor_tasks() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(layer) = LAYERS.iter().find(|layer| source.folder() == layer.folder) else {
            continue;
        };
        let mut never = layer.never.to_vec();
        if TIMELESS.contains(&layer.folder) {
            never.extend(CLOCK);
            never.extend(RANDOMNESS);
        }
        for (line, word) in &source.whole.words {
            if never.contains(&word.as_str()) {
                wrong.push(format!(
                    "{}:{line}: {word} has no place in {}",
                    source.file.display(),
                    layer.folder
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Files outside of `src/cluster` that talk to the Kubernetes API themselves. The list only becomes shorter.
const KNOWN_CLIENTS: [&str; 11] = [
    "cli::approve",
    "cli::kubernetes",
    "cli::plan",
    "cli::plan::flags",
    "cli::plan::mounted",
    "cli::renew",
    "cli::target",
    "runtime::foreign",
    "runtime::leader",
    "runtime::run",
    "runtime::webhooks",
];

#[test]
fn only_cluster_talks_to_the_kubernetes_api() {
    let sources = sources();
    let clients = sources.iter().filter(|source| {
        let talks = |word: &str| ["kube::Client", "kube::Api"].contains(&word);
        source.folder() != "cluster" && source.shipped.words.iter().any(|(_, word)| talks(word))
    });
    let clients: BTreeSet<String> = clients.map(|source| source.module.join("::")).collect();
    let known: BTreeSet<String> = KNOWN_CLIENTS.iter().map(ToString::to_string).collect();
    let new: Vec<_> = clients.difference(&known).collect();
    assert!(new.is_empty(), "these talk to the Kubernetes API: {new:#?}");
    let gone: Vec<_> = known.difference(&clients).collect();
    assert!(
        gone.is_empty(),
        "these do not any more, take them out of the list: {gone:#?}"
    );
}

#[test]
fn the_environment_is_read_in_one_place() {
    let sources = sources();
    let readers: Vec<String> = sources
        .iter()
        .filter(|source| source.whole.words.iter().any(|(_, word)| word == "std::env"))
        .map(|source| source.module.join("::"))
        .collect();
    assert!(
        !readers.is_empty(),
        "its readers are no longer recognised by `std::env`"
    );
    let elsewhere: Vec<_> = readers
        .iter()
        .filter(|module| !["process::environment", "cli", "fuzz"].contains(&module.as_str()))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn every_folder_of_the_sources_has_its_layer() {
    let unknown: Vec<_> = fs::read_dir(source_root())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !is_folder(name) && !["main", "lib"].contains(&name.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "not in the table of tests/layers/main.rs: {unknown:?}"
    );
}

fn may_use(own: &str, used: &str) -> bool {
    TOP.contains(&own)
        || LAYERS
            .iter()
            .any(|layer| layer.folder == own && layer.may_use.contains(&used))
}

/// Whether a first path segment is a folder of the sources, as opposed to an item of `lib.rs`.
fn is_folder(name: &str) -> bool {
    TOP.contains(&name) || LAYERS.iter().any(|layer| layer.folder == name)
}
