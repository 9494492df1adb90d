//! Keeps private words out of comments and texts: docs/glossary.md has the terms to use instead.

use std::path::Path;

use super::reader::{source_root, sources};

/// Words and phrases with a standard term: report, observe, reconcile, present, publish, verify, another client.
const PRIVATE: [&str; 16] = [
    "whoever",
    "said",
    "told",
    "somebody",
    "anybody",
    "nobody",
    "in vain",
    "made sure",
    "takes its time",
    "stands behind",
    "look again",
    "looks again",
    "looked again",
    "looked at",
    "asked anew",
    "made anew",
];

/// Files and folders that still have such words. The list only shrinks.
const NOT_YET: [&str; 9] = [
    "acme",
    "api",
    "cluster/events.rs",
    "controller/order",
    "controller/solving",
    "pki",
    "plan/challenge.rs",
    "plan/order",
    "solver",
];

#[test]
fn comments_and_texts_use_the_terms_of_the_glossary() {
    let mut wrong = Vec::new();
    let mut used = Vec::new();
    for source in sources() {
        if source.shipped.is_empty() {
            continue;
        }
        let path = source.file.strip_prefix(source_root()).unwrap().to_owned();
        let text = std::fs::read_to_string(&source.file).unwrap();
        let found = private_words(&text);
        match NOT_YET.iter().find(|known| path.starts_with(Path::new(known))) {
            Some(known) if !found.is_empty() => used.push(*known),
            Some(_) => {}
            None => wrong.extend(
                found
                    .iter()
                    .map(|(line, word)| format!("{}:{line}: {word:?}", path.display())),
            ),
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/glossary.md has the terms:\n{}",
        wrong.join("\n")
    );
    let done: Vec<_> = NOT_YET.iter().filter(|known| !used.contains(known)).collect();
    assert!(done.is_empty(), "take these out of the list: {done:?}");
}

/// The private words in comments and string literals of a source, with their lines. Unit tests at the end of a file do not count.
fn private_words(source: &str) -> Vec<(usize, &'static str)> {
    let shipped = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    for (at, line) in shipped.lines().enumerate() {
        let prose = prose(line).to_lowercase();
        found.extend(
            PRIVATE
                .iter()
                .filter(|word| contains(&prose, word))
                .map(|word| (at + 1, *word)),
        );
    }
    found
}

/// A comment line, or the string literals of a line of code.
fn prose(line: &str) -> String {
    if line.trim_start().starts_with("//") {
        return line.to_owned();
    }
    let literals = line.split('"').skip(1).step_by(2);
    literals.collect::<Vec<_>>().join(" ")
}

/// Whether a text has a phrase as whole words.
fn contains(text: &str, phrase: &str) -> bool {
    let is_word =
        |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
    text.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + phrase.len()..]);
        !is_word(before.chars().next_back()) && !is_word(after.chars().next())
    })
}

#[test]
fn a_private_word_is_found_in_comments_and_texts_only() {
    let source = "/// What was told.\nfn told(unsaid: u8) { print(\"nobody\", told); }\n\n#[cfg(test)]\nmod tests {\n// said\n}\n";
    assert_eq!(private_words(source), [(1, "told"), (2, "nobody")]);
}
