//! Keeps the layers of `src/` apart: which folder may use which, and what decisions and bytes never touch.
//!
//! Paths are read from the token stream, so `use` groups, `super::` chains, paths inside expressions and macros, and
//! inline modules all count, while comments and strings do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

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

const LAYERS: [Layer; 10] = [
    Layer {
        folder: "text",
        may_use: &[],
        never: &["async", "tokio", "kube", "k8s_openapi"],
    },
    Layer {
        folder: "net",
        may_use: &["text", "pki"],
        never: &["kube", "k8s_openapi"],
    },
    Layer {
        folder: "api",
        may_use: &["text"],
        never: &["async", "tokio", "kube::Client"],
    },
    Layer {
        folder: "pki",
        may_use: &["text"],
        never: &["async", "tokio", "kube", "k8s_openapi"],
    },
    Layer {
        folder: "plan",
        may_use: &["text", "api", "pki", "acme", "net"],
        never: &["async", "tokio", "kube::Client", "Client", "rand"],
    },
    Layer {
        folder: "acme",
        may_use: &["text", "api", "pki", "plan", "net"],
        never: &["kube::Client"],
    },
    Layer {
        folder: "signer",
        may_use: &["text", "api", "pki", "plan", "acme"],
        never: &["kube::Client"],
    },
    Layer {
        folder: "solver",
        may_use: &["text", "api", "pki", "plan", "acme", "net"],
        never: &["kube::Client"],
    },
    Layer {
        folder: "cluster",
        may_use: &["text", "api", "pki", "plan"],
        never: &[],
    },
    Layer {
        folder: "controller",
        may_use: &[
            "text", "api", "pki", "plan", "acme", "net", "signer", "solver", "cluster", "runtime",
        ],
        never: &[],
    },
];

/// These may use everything.
const TOP: [&str; 5] = ["runtime", "cli", "fuzz", "main", "lib"];

/// Folders that may neither read the clock nor draw lots: both are arguments there.
const TIMELESS: [&str; 3] = ["api", "pki", "plan"];

/// What plan may know of the ACME client: plain data, no requests.
const PLAIN_ACME: [&str; 14] = [
    "Action",
    "ari",
    "chain",
    "Error",
    "headers",
    "Identifier",
    "Next",
    "order",
    "problem",
    "Problem",
    "ProblemKind",
    "registration",
    "RetryAfter",
    "url",
];

/// A use of something of this crate.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    line: usize,
    path: Vec<String>,
}

#[test]
fn no_folder_uses_one_that_it_may_not() {
    let mut wrong = Vec::new();
    for (file, module, tokens) in sources() {
        let Some(own) = module.first() else { continue };
        for Use { line, path } in uses(&tokens, &module) {
            let Some(used) = path.first() else { continue };
            let allowed = used == own || may_use(own, used);
            if !allowed && is_folder(used) {
                wrong.push(format!(
                    "{}:{line}: {own} may not use {}",
                    file.display(),
                    path.join("::")
                ));
            }
            if own == "plan" && used == "acme" && !path.get(1).is_some_and(|name| PLAIN_ACME.contains(&name.as_str())) {
                wrong.push(format!(
                    "{}:{line}: plan may use only plain data of acme: {}",
                    file.display(),
                    path.join("::")
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "\n{}\n(the table is in tests/layers.rs)",
        wrong.join("\n")
    );
}

#[test]
fn no_controller_uses_another_controllers_file() {
    // A controller is a file of src/controller that starts a watch of its own kind.
    let sources = sources();
    let kinds: BTreeSet<&String> = sources
        .iter()
        .filter(|(_, module, tokens)| {
            module.first().is_some_and(|folder| folder == "controller")
                && words(tokens).iter().any(|(_, word)| word == "fn reconcile")
        })
        .filter_map(|(_, module, _)| module.get(1))
        .collect();
    assert!(
        kinds.len() > 1,
        "controllers are no longer recognised by their `fn reconcile`: {kinds:?}"
    );
    let mut wrong = Vec::new();
    for (file, module, tokens) in &sources {
        let [folder, own, ..] = module.as_slice() else { continue };
        if folder != "controller" || !kinds.contains(own) {
            continue;
        }
        for Use { line, path } in uses(tokens, module) {
            if let [used_folder, used, ..] = path.as_slice()
                && used_folder == "controller"
                && used != own
                && kinds.contains(used)
            {
                wrong.push(format!("{}:{line}: {own} uses {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn decisions_and_bytes_know_neither_clock_nor_chance_nor_tasks() {
    let mut wrong = Vec::new();
    for (file, module, tokens) in sources() {
        let Some(layer) = LAYERS
            .iter()
            .find(|layer| module.first().is_some_and(|own| own == layer.folder))
        else {
            continue;
        };
        let mut never = layer.never.to_vec();
        if TIMELESS.contains(&layer.folder) {
            never.extend(CLOCK);
            never.extend(RANDOMNESS);
        }
        for (line, word) in words(&tokens) {
            if never.contains(&word.as_str()) {
                wrong.push(format!(
                    "{}:{line}: {word} has no place in {}",
                    file.display(),
                    layer.folder
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_environment_is_read_at_the_command_line_and_nowhere_else() {
    let sources = sources();
    let readers: Vec<String> = sources
        .iter()
        .filter(|(_, _, tokens)| words(tokens).iter().any(|(_, word)| word == "std::env"))
        .map(|(_, module, _)| module.join("::"))
        .collect();
    assert!(
        !readers.is_empty(),
        "its readers are no longer recognised by `std::env`"
    );
    let elsewhere: Vec<_> = readers
        .iter()
        .filter(|module| !module.starts_with("cli") && module.as_str() != "fuzz")
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
    assert!(unknown.is_empty(), "not in the table of tests/layers.rs: {unknown:?}");
}

#[test]
fn the_reader_of_paths_sees_all_that_rust_allows() {
    let text = "
        use crate::{api::{Issuer, names as n}, pki::*};
        use super::super::cluster::observe;
        pub(crate) fn f() -> crate::signer::Ca { let x = vec![super::own::y()]; matches!(x, crate::solver::A) }
        // use crate::acme::comment;
        mod inner { use super::near; use super::super::sibling; fn g() { \"crate::cli::text\"; } }
    ";
    let module = ["plan", "order"].map(str::to_owned);
    let tokens: TokenStream = text.parse().unwrap();
    let mut seen: Vec<String> = uses(&tokens, &module)
        .into_iter()
        .map(|seen| seen.path.join("::"))
        .collect();
    seen.sort();
    let mut expected = [
        "api::Issuer",
        "api::names",
        "pki",
        "cluster::observe",
        "signer::Ca",
        "plan::own::y",
        "solver::A",
        "plan::order::near",
        "plan::sibling",
    ];
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let words: Vec<String> = words(&tokens).into_iter().map(|(_, word)| word).collect();
    assert!(words.contains(&"crate::signer".to_owned()) && !words.iter().any(|word| word.contains("comment")));
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

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file with its module path and its tokens.
fn sources() -> Vec<(PathBuf, Vec<String>, TokenStream)> {
    let mut found = Vec::new();
    let mut folders = vec![source_root()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let tokens = text
                    .parse()
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                found.push((path.clone(), module_of(&path), tokens));
            }
        }
    }
    assert!(!found.is_empty(), "no sources found");
    found
}

/// `src/plan/order/mod.rs` and `src/plan/order.rs` are both `plan::order`.
fn module_of(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(source_root()).unwrap().with_extension("");
    let mut module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// All paths that begin with `crate::` or `super::`, resolved to the root of the crate.
fn uses(tokens: &TokenStream, module: &[String]) -> Vec<Use> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
                    found.extend(uses(&body.stream(), &inner));
                    at += 2;
                }
            }
            TokenTree::Ident(word) if word == "crate" && path_goes_on(&tokens, at + 1) => {
                at = follow(&tokens, at + 3, Vec::new(), &mut found);
                continue;
            }
            TokenTree::Ident(word) if word == "super" && path_goes_on(&tokens, at + 1) => {
                let mut base = module.to_vec();
                while matches!(tokens.get(at), Some(TokenTree::Ident(word)) if word == "super") {
                    base.pop();
                    at += if path_goes_on(&tokens, at + 1) { 3 } else { 1 };
                }
                at = follow(&tokens, at, base, &mut found);
                continue;
            }
            TokenTree::Group(group) => found.extend(uses(&group.stream(), module)),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
    found
}

/// Follows a path from where it goes on after `::`; returns where it ends.
fn follow(tokens: &[TokenTree], mut at: usize, mut path: Vec<String>, found: &mut Vec<Use>) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.span().start().line);
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => {
                path.push(word.to_string());
                at += 1;
                if !path_goes_on(tokens, at) {
                    break;
                }
                at += 2;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',')) {
                    if !branch.is_empty() {
                        follow(branch, 0, path.clone(), found);
                    }
                }
                return at + 1;
            }
            // A glob, a turbofish, or the end.
            Some(TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) | None => break,
        }
    }
    found.push(Use { line, path });
    at
}

fn path_goes_on(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    colon(tokens.get(at)) && colon(tokens.get(at + 1))
}

/// All words, and all pairs of words: `a::b`, and `fn name`. Attributes (among them comments) are left out.
fn words(tokens: &TokenStream) -> Vec<(usize, String)> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) => {
                let line = word.span().start().line;
                found.push((line, word.to_string()));
                if path_goes_on(&tokens, at + 1)
                    && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                {
                    found.push((line, format!("{word}::{next}")));
                }
                if word == "fn"
                    && let Some(TokenTree::Ident(next)) = tokens.get(at + 1)
                {
                    found.push((line, format!("fn {next}")));
                }
            }
            TokenTree::Group(group) => {
                let after_hash = at.checked_sub(1).and_then(|before| tokens.get(before));
                let attribute = matches!(after_hash, Some(TokenTree::Punct(mark)) if "#!".contains(mark.as_char()))
                    && group.delimiter() == Delimiter::Bracket;
                if !attribute {
                    found.extend(words(&group.stream()));
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}
