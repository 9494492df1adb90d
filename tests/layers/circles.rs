//! Circles of imports: files that use one another, directly or by way of others. Of code that is only compiled for tests nothing counts.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::{Source, sources};

/// How many files of `src/controller` may use one another in a circle.
const MOST_FILES: usize = 8;

/// Folders that are known to use one another. The list only becomes shorter.
const KNOWN_FOLDERS: [[&str; 2]; 0] = [];

/// Files of `src/controller` that are known to be in a circle of more than [`MOST_FILES`]. The list only becomes shorter.
const KNOWN_FILES: [&str; 0] = [];

/// Who uses whom.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// What each file hands on from elsewhere.
type HandedOn<'a> = BTreeMap<String, &'a BTreeMap<String, Vec<String>>>;

#[test]
fn no_folder_is_used_by_one_that_it_uses() {
    let graph = by_folder(&files());
    let found: Vec<Vec<String>> = circles(&graph);
    let unknown: Vec<_> = found
        .iter()
        .filter(|circle| !KNOWN_FOLDERS.iter().any(|known| *circle == known))
        .collect();
    assert!(unknown.is_empty(), "folders that use one another: {unknown:#?}");
    let gone: Vec<_> = KNOWN_FOLDERS
        .iter()
        .filter(|known| !found.iter().any(|circle| circle == *known))
        .collect();
    assert!(gone.is_empty(), "no circle any more, take it out of the list: {gone:?}");
}

#[test]
fn few_files_of_controllers_use_one_another() {
    let graph = files();
    let within: Graph = graph
        .into_iter()
        .filter(|(file, _)| file.starts_with("controller"))
        .map(|(file, used)| {
            (
                file,
                used.into_iter().filter(|used| used.starts_with("controller")).collect(),
            )
        })
        .collect();
    assert!(within.len() > 20, "the files of src/controller are no longer found");
    let large: BTreeSet<String> = circles(&within)
        .into_iter()
        .filter(|circle| circle.len() > MOST_FILES)
        .flatten()
        .collect();
    let known: BTreeSet<String> = KNOWN_FILES.iter().map(ToString::to_string).collect();
    let new: Vec<_> = large.difference(&known).collect();
    assert!(new.is_empty(), "in a circle of more than {MOST_FILES} files: {new:#?}");
    let gone: Vec<_> = known.difference(&large).collect();
    assert!(
        gone.is_empty(),
        "in no large circle any more, take them out of the list: {gone:#?}"
    );
}

/// Which file uses which, each by its module path. A name that a file only hands on (`pub use`) is a use of the file that has it.
fn files() -> Graph {
    let sources = sources();
    let handed_on: HandedOn<'_> = sources
        .iter()
        .map(|source| (source.module.join("::"), &source.shipped.exports))
        .collect();
    let used = |source: &Source| {
        let own = source.module.join("::");
        let used = source
            .shipped
            .uses
            .iter()
            .filter_map(|one| file_of(&one.path, &handed_on));
        used.filter(|used| *used != own).collect()
    };
    sources
        .iter()
        .map(|source| (source.module.join("::"), used(source)))
        .collect()
}

/// The file that has what a path leads to.
fn file_of(path: &[String], handed_on: &HandedOn<'_>) -> Option<String> {
    let mut path = path.to_vec();
    // a name is handed on a few times at most
    for _ in 0..8 {
        let module = (1..=path.len())
            .rev()
            .map(|length| path[..length].join("::"))
            .find(|module| handed_on.contains_key(module))?;
        let rest = &path[module.split("::").count()..];
        match rest.first().and_then(|name| handed_on[&module].get(name)) {
            Some(target) => path = target.iter().chain(&rest[1..]).cloned().collect(),
            None => return Some(module),
        }
    }
    None
}

fn by_folder(files: &Graph) -> Graph {
    let folder = |file: &str| file.split("::").next().unwrap_or_default().to_owned();
    let mut folders = Graph::new();
    for (file, used) in files {
        let own = folder(file);
        let used = used.iter().map(|used| folder(used)).filter(|used| *used != own);
        folders.entry(own.clone()).or_default().extend(used);
    }
    folders
}

/// The strongly connected components of more than one element (Tarjan), each sorted.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let mut search = Search {
        graph,
        indices: BTreeMap::new(),
        low: BTreeMap::new(),
        stack: Vec::new(),
        found: Vec::new(),
    };
    for element in graph.keys() {
        if !search.indices.contains_key(element.as_str()) {
            search.visit(element);
        }
    }
    search.found
}

struct Search<'a> {
    graph: &'a Graph,
    indices: BTreeMap<&'a str, usize>,
    low: BTreeMap<&'a str, usize>,
    stack: Vec<&'a str>,
    found: Vec<Vec<String>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, element: &'a str) {
        let index = self.indices.len();
        self.indices.insert(element, index);
        self.low.insert(element, index);
        self.stack.push(element);
        for used in self.graph.get(element).into_iter().flatten() {
            let Some((used, _)) = self.graph.get_key_value(used) else {
                continue;
            };
            if !self.indices.contains_key(used.as_str()) {
                self.visit(used);
                self.lower(element, self.low[used.as_str()]);
            } else if self.stack.contains(&used.as_str()) {
                self.lower(element, self.indices[used.as_str()]);
            }
        }
        if self.low[element] == index {
            let start = self.stack.iter().position(|one| *one == element).unwrap();
            let mut circle: Vec<String> = self.stack.split_off(start).into_iter().map(str::to_owned).collect();
            if circle.len() > 1 {
                circle.sort();
                self.found.push(circle);
            }
        }
    }

    fn lower(&mut self, element: &'a str, to: usize) {
        let low = self.low.get_mut(element).unwrap();
        *low = to.min(*low);
    }
}

#[test]
fn a_circle_is_found_and_what_leads_into_it_is_not_in_it() {
    let graph: Graph = [
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("into", "a"),
        ("d", "e"),
        ("e", "d"),
    ]
    .map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()])))
    .into();
    let mut found = circles(&graph);
    found.sort();
    assert_eq!(found, [vec!["a", "b", "c"], vec!["d", "e"]]);
}

#[test]
fn a_name_that_is_handed_on_leads_to_the_file_that_has_it() {
    let text = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<String>>();
    let (exported, none) = (
        BTreeMap::from([("Context".to_owned(), text("controller::context::Context"))]),
        BTreeMap::new(),
    );
    let handed_on = BTreeMap::from([
        ("controller".to_owned(), &exported),
        ("controller::context".to_owned(), &none),
    ]);
    assert_eq!(
        file_of(&text("controller::Context::new"), &handed_on).as_deref(),
        Some("controller::context")
    );
    assert_eq!(
        file_of(&text("controller::start"), &handed_on).as_deref(),
        Some("controller")
    );
    assert_eq!(file_of(&text("elsewhere::x"), &handed_on), None);
}
