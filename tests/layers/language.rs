//! Keeps private words out of comments and texts: docs/glossary.md has the terms to use instead.

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

#[test]
fn comments_and_texts_use_the_terms_of_the_glossary() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.shipped.words.is_empty() {
            continue;
        }
        let path = source.file.strip_prefix(source_root()).unwrap();
        let found = private_words(&source.text);
        wrong.extend(
            found
                .iter()
                .map(|(line, word)| format!("{}:{line}: {word:?}", path.display())),
        );
    }
    assert!(
        wrong.is_empty(),
        "docs/glossary.md has the terms:\n{}",
        wrong.join("\n")
    );
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
