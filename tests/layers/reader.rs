//! What a source file uses, read from its tokens: `use` groups, `super::` chains, paths inside expressions and macros, and inline
//! modules all count, while comments and strings do not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A source file, and what the tests ask about it.
pub(crate) struct Source {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// `src/plan/order/mod.rs` and `src/plan/order.rs` are both `plan::order`.
    pub(crate) module: Vec<String>,
    /// What it says.
    pub(crate) text: String,
    /// All of it.
    pub(crate) whole: Content,
    /// Without what is only compiled for tests; empty where that is the whole file.
    pub(crate) shipped: Content,
    /// The files that it declares for tests only.
    test_files: Vec<PathBuf>,
}

/// What is read from tokens: [`words`], [`uses`] and [`exports`].
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) words: Vec<(usize, String)>,
    pub(crate) uses: Vec<Use>,
    pub(crate) exports: BTreeMap<String, Vec<String>>,
}

impl Content {
    fn of(tokens: &TokenStream, module: &[String]) -> Self {
        Self {
            words: words(tokens),
            uses: uses(tokens, module),
            exports: exports(tokens, module),
        }
    }
}

impl Source {
    /// The folder of `src/` that it is in.
    pub(crate) fn folder(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    fn read(file: PathBuf) -> Self {
        let text = fs::read_to_string(&file).unwrap();
        let tokens: TokenStream = text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let module = module_of(&file);
        Self {
            whole: Content::of(&tokens, &module),
            shipped: Content::of(&without_tests(&tokens), &module),
            test_files: test_files(&file, &tokens),
            file,
            module,
            text,
        }
    }
}

/// A use of something of this crate, as a path from its root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
}

/// Every source file. They are read once for all tests.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let files = files();
        assert!(!files.is_empty(), "no sources found");
        let share = files
            .len()
            .div_ceil(thread::available_parallelism().map_or(1, usize::from));
        let mut found: Vec<Source> = thread::scope(|scope| {
            let readers: Vec<_> = files
                .chunks(share)
                .map(|files| scope.spawn(|| files.iter().cloned().map(Source::read).collect::<Vec<_>>()))
                .collect();
            readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
        });
        let only_tests: BTreeSet<PathBuf> = found.iter().flat_map(|source| source.test_files.clone()).collect();
        for source in &mut found {
            let is_test = |test: &PathBuf| source.file == *test || source.file.starts_with(test.with_extension(""));
            if only_tests.iter().any(is_test) {
                source.shipped = Content::default();
            }
        }
        found
    });
    &SOURCES
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![source_root()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

pub(crate) fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn module_of(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(source_root()).unwrap().with_extension("");
    let mut module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// One item that begins with attributes: these, and where it goes on after them.
fn attributes(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    while let (Some(TokenTree::Punct(mark)), Some(TokenTree::Group(group))) = (tokens.get(at), tokens.get(at + 1)) {
        if mark.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
            break;
        }
        found.push(group.stream().to_string().replace(' ', ""));
        at += 2;
    }
    (found, at)
}

fn is_test_only(attributes: &[String]) -> bool {
    attributes.iter().any(|attribute| attribute == "cfg(test)")
}

/// Without the items that have the attribute `#[cfg(test)]`: each ends at its block or at its semicolon.
fn without_tests(tokens: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let (attributes, after) = attributes(&tokens, at);
        if is_test_only(&attributes) {
            at = after;
            while let Some(token) = tokens.get(at) {
                at += 1;
                match token {
                    TokenTree::Punct(mark) if mark.as_char() == ';' => break,
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_use(&tokens, after) => {
                        break;
                    }
                    TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => {}
                }
            }
            continue;
        }
        kept.push(match token {
            TokenTree::Group(group) => {
                let mut inner = proc_macro2::Group::new(group.delimiter(), without_tests(&group.stream()));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => token.clone(),
        });
        at += 1;
    }
    kept.into_iter().collect()
}

fn is_use(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Ident(word)) if word == "use")
}

/// The files that a file declares for tests only, with `#[cfg(test)] mod name;`, with and without `#[path]`.
fn test_files(file: &Path, tokens: &TokenStream) -> Vec<PathBuf> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let folder = file.parent().unwrap();
    let own = if file
        .file_stem()
        .is_some_and(|name| name == "mod" || name == "lib" || name == "main")
    {
        folder.to_path_buf()
    } else {
        file.with_extension("")
    };
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let (attributes, after) = attributes(&tokens, at);
        if !is_test_only(&attributes) {
            continue;
        }
        let module = tokens
            .get(after..)
            .unwrap_or_default()
            .windows(3)
            .take(4)
            .find_map(|words| match words {
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(_)] if word == "mod" => {
                    Some(name.to_string())
                }
                _ => None,
            });
        let Some(module) = module else { continue };
        let path = attributes
            .iter()
            .find_map(|attribute| attribute.strip_prefix("path=\"")?.strip_suffix('"'));
        match path {
            Some(path) => found.push(folder.join(path)),
            None => found.extend([own.join(format!("{module}.rs")), own.join(module).join("mod.rs")]),
        }
    }
    // tests/mod.rs stands for its folder
    let folders: Vec<PathBuf> = found
        .iter()
        .filter(|file| file.ends_with("mod.rs"))
        .map(|file| file.with_file_name(""))
        .collect();
    found.into_iter().chain(folders).collect()
}

/// All paths that begin with `crate::`, `super::` or `self::`, or with a module that this file declares, from the root of the crate.
fn uses(tokens: &TokenStream, module: &[String]) -> Vec<Use> {
    let mut found = Vec::new();
    read(
        tokens,
        module,
        &mut Found {
            uses: &mut found,
            exports: &mut BTreeMap::new(),
        },
    );
    found
}

/// What a file hands on from elsewhere with `pub use`: the name under which it does, and the path from the root of the crate.
fn exports(tokens: &TokenStream, module: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut exports = BTreeMap::new();
    read(
        tokens,
        module,
        &mut Found {
            uses: &mut Vec::new(),
            exports: &mut exports,
        },
    );
    exports
}

struct Found<'a> {
    uses: &'a mut Vec<Use>,
    exports: &'a mut BTreeMap<String, Vec<String>>,
}

fn read(tokens: &TokenStream, module: &[String], found: &mut Found<'_>) {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let children = declared(&tokens);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
                    // what an inline module hands on is nothing of the file's
                    found.uses.extend(uses(&body.stream(), &inner));
                    at += 2;
                }
            }
            TokenTree::Ident(word) if path_goes_on(&tokens, at + 1) && !follows_path(&tokens, at) => {
                let start = match word.to_string().as_str() {
                    "crate" => Some((Vec::new(), at + 3)),
                    "self" => Some((module.to_vec(), at + 3)),
                    "super" => {
                        let (mut base, mut next) = (module.to_vec(), at);
                        while matches!(tokens.get(next), Some(TokenTree::Ident(word)) if word == "super") {
                            base.pop();
                            next += if path_goes_on(&tokens, next + 1) { 3 } else { 1 };
                        }
                        Some((base, next))
                    }
                    child if children.contains(child) => Some((module.to_vec(), at)),
                    _ => None,
                };
                if let Some((base, next)) = start {
                    let handed_on = is_public_use(&tokens, at);
                    let mut used = Vec::new();
                    at = follow(&tokens, next, base, &mut used);
                    for (name, path) in used {
                        if handed_on {
                            found.exports.insert(name, path.path);
                        } else {
                            found.uses.push(path);
                        }
                    }
                    continue;
                }
            }
            TokenTree::Group(group) => {
                // `use {crate::a, super::b}` and everything inside of blocks
                found.uses.extend(uses(&group.stream(), module));
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// The modules that a file declares: `mod name;`.
fn declared(tokens: &[TokenTree]) -> BTreeSet<String> {
    let declared = tokens.windows(3).filter_map(|words| match words {
        [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(mark)]
            if word == "mod" && mark.as_char() == ';' =>
        {
            Some(name.to_string())
        }
        _ => None,
    });
    declared.collect()
}

/// Whether the word at this place is the next one of a path that has begun before.
fn follows_path(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && path_goes_on(tokens, at - 2)
}

/// Whether the path that begins here is handed on: `pub use path`, `pub(crate) use path`.
fn is_public_use(tokens: &[TokenTree], at: usize) -> bool {
    let is = |place: Option<usize>, expected: &str| matches!(place.and_then(|place| tokens.get(place)), Some(TokenTree::Ident(word)) if word == expected);
    let restricted = matches!(at.checked_sub(2).and_then(|place| tokens.get(place)), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
    is(at.checked_sub(1), "use") && (is(at.checked_sub(2), "pub") || (restricted && is(at.checked_sub(3), "pub")))
}

/// Follows a path from where it goes on after `::`; returns where it ends. Each path comes with the name that it has from then on.
fn follow(tokens: &[TokenTree], mut at: usize, mut path: Vec<String>, found: &mut Vec<(String, Use)>) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.span().start().line);
    let mut name = path.last().cloned().unwrap_or_default();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) if word == "self" => at += 1,
            Some(TokenTree::Ident(word)) => {
                name = word.to_string();
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
    if let (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(other))) = (tokens.get(at), tokens.get(at + 1))
        && word == "as"
    {
        name = other.to_string();
    }
    found.push((name, Use { line, path }));
    at
}

fn path_goes_on(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    colon(tokens.get(at)) && colon(tokens.get(at + 1))
}

/// All words, and all pairs of words: `a::b`, also where `b` is in a group as in `a::{b, c::d}`, and `fn name`. Attributes (among
/// them comments) are left out.
fn words(tokens: &TokenStream) -> Vec<(usize, String)> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) => {
                let line = word.span().start().line;
                found.push((line, word.to_string()));
                if path_goes_on(&tokens, at + 1) {
                    let next = firsts(tokens.get(at + 3));
                    found.extend(next.into_iter().map(|(line, next)| (line, format!("{word}::{next}"))));
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

/// The words that come next in a path: one, or the first of each branch of a group.
fn firsts(token: Option<&TokenTree>) -> Vec<(usize, String)> {
    match token {
        Some(TokenTree::Ident(word)) => vec![(word.span().start().line, word.to_string())],
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let branches = inner.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ','));
            branches.flat_map(|branch| firsts(branch.first())).collect()
        }
        Some(TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) | None => Vec::new(),
    }
}

#[test]
fn the_reader_of_paths_sees_all_that_rust_allows() {
    let text = "
        mod below;
        use crate::{api::{Issuer, names as n}, pki::*};
        use super::super::cluster::observe;
        use below::{self, Thing};
        pub use self::below::Other;
        pub(crate) fn f() -> crate::signer::Ca { let x = vec![super::own::y()]; matches!(x, crate::solver::A) }
        // use crate::acme::comment;
        mod inner { use super::near; use super::super::sibling; fn g() { \"crate::cli::text\"; } }
        #[cfg(test)] use crate::{text::only_for, tests};
        #[cfg(test)] mod tests { use crate::fuzz; }
    ";
    let module = ["plan", "order"].map(str::to_owned);
    let tokens: TokenStream = text.parse().unwrap();
    let seen = |tokens: &TokenStream| {
        let mut seen: Vec<String> = uses(tokens, &module)
            .into_iter()
            .map(|seen| seen.path.join("::"))
            .collect();
        seen.sort();
        seen
    };
    let mut expected = vec![
        "api::Issuer",
        "api::names",
        "pki",
        "cluster::observe",
        "plan::order::below",
        "plan::order::below::Thing",
        "signer::Ca",
        "plan::own::y",
        "solver::A",
        "plan::order::near",
        "plan::sibling",
    ];
    expected.sort_unstable();
    assert_eq!(seen(&without_tests(&tokens)), expected);
    expected.extend(["text::only_for", "tests", "fuzz"]);
    expected.sort_unstable();
    assert_eq!(seen(&tokens), expected);
    let exported = exports(&tokens, &module);
    assert_eq!(exported["Other"].join("::"), "plan::order::below::Other");
    let words: Vec<String> = words(&tokens).into_iter().map(|(_, word)| word).collect();
    assert!(words.contains(&"crate::signer".to_owned()) && !words.iter().any(|word| word.contains("comment")));
}

#[test]
fn a_pair_of_words_is_found_in_a_group_too() {
    for text in [
        "use kube::Client;",
        "use kube::{Api, Client};",
        "use kube::{api::{Patch}, Client as C};",
        "kube::Client::new()",
    ] {
        let found = words(&text.parse().unwrap());
        assert!(found.iter().any(|(_, word)| word == "kube::Client"), "{text}");
    }
}
