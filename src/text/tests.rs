use proptest::prelude::*;

use super::*;

const HOSTILE: [(&str, &str); 8] = [
    ("\u{1b}[8m", "\\u{1b}[8m"),
    ("\u{9b}0m", "\\u{9b}0m"),
    ("\u{7}\u{7f}", "\\u{7}\\u{7f}"),
    ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
    ("\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"),
    ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
    ("a\r\n\tb", "a\\r\\n\\tb"),
    ("\u{e0041}", "\\u{e0041}"),
];

#[test]
fn hidden_characters_are_shown_as_escapes() {
    for (text, shown) in HOSTILE {
        assert_eq!(line(text), shown);
    }
    assert_eq!(line("Müller & Söhne, 株式会社 🦀"), "Müller & Söhne, 株式会社 🦀");
    assert_eq!(lines("a\nb\u{1b}"), "a\nb\\u{1b}");
    assert_eq!(short_line("äöü\u{1b}x", 4), "äöü\\u{1b}…");
    assert_eq!(short_line("äöü", 3), "äöü");
}

#[test]
fn json_keeps_its_meaning() {
    let value = HOSTILE.map(|(text, _)| text).to_vec();
    let plain = serde_json::to_string_pretty(&value).unwrap();
    let shown = json(&plain);
    assert!(!shown.contains(|c| is_hidden(c) && c != '\n'), "{shown}");
    assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), value);
}

#[test]
fn a_line_of_a_log_stays_one_line() {
    let mut out = Vec::new();
    Escaped::new(&mut out, Escaping::Line)
        .write_all(b"it failed: \n2026 ERROR forged\n")
        .unwrap();
    assert_eq!(out, b"it failed: \\n2026 ERROR forged\n");
}

proptest! {
    #[test]
    fn nothing_hidden_passes(text in any::<String>()) {
        prop_assert!(!line(&text).contains(is_hidden));
        prop_assert!(!lines(&text).contains(|c| is_hidden(c) && c != '\n'));
        prop_assert!(!short_line(&text, 10).contains(is_hidden));
    }
}
