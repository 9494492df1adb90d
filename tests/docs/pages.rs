//! The pages of this project and the blocks in them: what a reader copies.
//!
//! A block is a fenced or an indented piece of code. Its language is the one that the fence names; without a name it is YAML if it begins as a
//! manifest does, and commands of a shell otherwise. The comment `<!-- not run: REASON -->` before a block says that nothing judges it, and why.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a page has many kinds of events, and these are about few"
)]

use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

const NOT_RUN: &str = "not run:";

/// Folders without pages of this project.
const SKIPPED: [&str; 3] = ["target", "data", "node_modules"];

/// A Markdown file.
pub(crate) struct Page {
    /// Below the project's folder.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A piece of code in a page.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Page and line, for messages.
    pub(crate) place: String,
    pub(crate) language: String,
    pub(crate) text: String,
    /// Why nothing judges it.
    pub(crate) not_run: Option<String>,
}

/// A link of a page, with its place.
pub(crate) struct Link {
    pub(crate) place: String,
    pub(crate) target: String,
}

pub(crate) fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All pages of the project, also those that are added later.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    walk(&project(), &mut paths);
    paths.sort();
    let read = |path: PathBuf| Page {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(project()).unwrap().to_owned(),
    };
    paths.into_iter().map(read).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name) && !path.is_symlink() {
                walk(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

impl Block {
    /// The manifest to apply. A part of an ACME issuer, `solvers:` or one solver, is put into one.
    pub(crate) fn manifest(&self) -> String {
        let first = self
            .text
            .split([':', '\n'])
            .next()
            .unwrap_or_default()
            .trim_start_matches("- ");
        let indented = |blanks: usize, text: &str| {
            let pad = " ".repeat(blanks);
            text.lines()
                .map(|line| format!("{pad}{line}\n"))
                .collect::<Vec<_>>()
                .concat()
        };
        let solvers = match first {
            "solvers" => indented(4, &self.text),
            "dns01" | "http01" | "selector" if self.text.starts_with("- ") => {
                format!("    solvers:\n{}", indented(4, &self.text))
            }
            "dns01" | "http01" | "selector" => {
                let item = indented(6, &self.text);
                format!("    solvers:\n    - {}", item.trim_start())
            }
            _ => return self.text.clone(),
        };
        format!(
            "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {{name: of-the-documentation}}\nspec:\n  acme:\n    \
             server: https://acme.example.com/directory\n    privateKeySecretRef: {{name: account}}\n{solvers}"
        )
    }
}

impl Page {
    fn events(&self) -> impl Iterator<Item = (Event<'_>, String)> {
        let parser = Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter();
        parser.map(|(event, range)| {
            let line = self.text[..range.start].lines().count().max(1);
            (event, format!("{}:{line}", self.path.display()))
        })
    }

    /// The blocks of the page.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut mark = None;
        let mut inside = false;
        for (event, place) in self.events() {
            match event {
                Event::Html(text) => mark = reason(&text).or(mark),
                Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
                Event::Start(Tag::CodeBlock(kind)) => {
                    inside = true;
                    let language = match kind {
                        CodeBlockKind::Fenced(name) => name.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    blocks.push(Block {
                        place,
                        language,
                        text: String::new(),
                        not_run: mark.take(),
                    });
                }
                Event::Text(text) if inside => blocks.last_mut().unwrap().text.push_str(&text),
                Event::End(TagEnd::CodeBlock) => inside = false,
                _ => mark = None,
            }
        }
        for block in &mut blocks {
            if block.language.is_empty() {
                let manifest = ["apiVersion:", "kind:"];
                let yaml = manifest.iter().any(|begin| block.text.starts_with(begin));
                block.language.push_str(if yaml { "yaml" } else { "sh" });
            }
        }
        blocks
    }

    /// Lines that are indented as code and are none: below a list, viewers show them as running text.
    pub(crate) fn lost_lines(&self) -> Vec<String> {
        let parser = Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter();
        let blocks = parser.filter(|(event, _)| matches!(event, Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock)));
        let blocks: Vec<_> = blocks.map(|(_, range)| range).collect();
        let mut at = 0;
        let mut lost = Vec::new();
        for line in self.text.split_inclusive('\n') {
            let text = line.trim_start_matches(' ');
            let begins = at + line.len() - text.len();
            let is_code = line.starts_with("    ") && !text.starts_with(['*', '-', '|', '\n']);
            if is_code && !blocks.iter().any(|range| range.contains(&begins)) {
                lost.push(format!("{}: {}", self.path.display(), text.trim_end()));
            }
            at += line.len();
        }
        lost
    }

    pub(crate) fn links(&self) -> Vec<Link> {
        let links = self.events().filter_map(|(event, place)| match event {
            Event::Start(Tag::Link { dest_url, .. }) => Some(Link {
                place,
                target: dest_url.to_string(),
            }),
            _ => None,
        });
        links.collect()
    }

    /// The code in running text and tables.
    pub(crate) fn spans(&self) -> Vec<(String, String)> {
        let spans = self.events().filter_map(|(event, place)| match event {
            Event::Code(text) => Some((place, text.to_string())),
            _ => None,
        });
        spans.collect()
    }

    /// What `#name` of a link may be here: the headings, as the usual viewers write them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors = Vec::new();
        let mut heading: Option<String> = None;
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|text| slug(&text))),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        anchors
    }
}

fn reason(html: &str) -> Option<String> {
    let comment = html.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim();
    Some(comment.strip_prefix(NOT_RUN)?.trim().to_owned())
}

fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}
