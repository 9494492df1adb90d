//! Which texts are a signing request: only those that Go, in which Kubernetes and cert-manager are written, reads as the same one.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::pki::csr::only_request;
use crate::pki::oracle::GoReader;

/// An ordinary request, and one that nobody would approve.
const GOOD: &str = include_str!("../../../../tests/data/hostile/good.csr");
const TWO: &[u8] = include_bytes!("../../../../tests/data/hostile/two.pem");
const LONE_CR: &[u8] = include_bytes!("../../../../tests/data/hostile/cr.pem");

/// The lines of [`GOOD`], without their ends.
static LINES: LazyLock<Vec<&str>> = LazyLock::new(|| GOOD.lines().collect());

/// The bytes of [`GOOD`].
static DER: LazyLock<Vec<u8>> = LazyLock::new(|| STANDARD.decode(LINES[1..LINES.len() - 1].concat()).unwrap());

/// [`GOOD`] with another end of each line.
fn ended_by(end: &str) -> String {
    lines_with("", end)
}

/// [`GOOD`] with something before each line, and another end of each.
fn lines_with(before: &str, end: &str) -> String {
    LINES.iter().flat_map(|line| [before, line, end]).collect()
}

/// What the two of us make of a text: the DER, if it is a request.
fn both(go: &GoReader, text: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let read = go.read(text);
    let theirs = (!read.label.is_empty() || !read.der.is_empty()).then(|| STANDARD.decode(read.der).unwrap());
    (only_request(text).ok(), theirs)
}

#[test]
fn what_is_read_is_what_go_reads() {
    let Some(go) = GoReader::start() else { return };
    let label = "-----BEGIN CERTIFICATE REQUEST-----";
    let renamed = GOOD.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    let one_line = format!(
        "{}\n{}\n{}",
        LINES[0],
        LINES[1..LINES.len() - 1].concat(),
        LINES[LINES.len() - 1]
    );
    for text in [
        GOOD.to_owned(),
        renamed,
        one_line,
        ended_by("\r\n"),
        ended_by(" \t\n"),
        ended_by("\t\r\n"),
        format!("Certificate Request:\n    Data:\n        Subject: CN = a\n{GOOD}\ngood bye"),
        format!("\u{feff}\n{GOOD}"),
        format!("\n\n{GOOD}\n\n"),
        format!("0{GOOD}").replace("0-", "0\n-"),
        GOOD.trim_end().to_owned(),
        GOOD.replace("\nKoZI", "\n  Ko\tZ\rI"),
        GOOD.replace("\nKoZI", "\n\n\nKoZI"),
    ] {
        let (ours, theirs) = both(&go, text.as_bytes());
        assert_eq!(ours.as_ref(), Some(&*DER), "{text:?}");
        assert_eq!(ours, theirs, "{text:?}");
        assert_eq!(text.matches(label).count() + text.matches("-----BEGIN NEW").count(), 1);
        CsrInfo::parse(text.as_bytes()).unwrap();
    }
}

/// Each with what Go makes of it: `true` where it reads some request, so that a person could be shown it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn texts_that_programs_read_differently_are_refused() {
    let Some(go) = GoReader::start() else { return };
    let indented = |by: &str| lines_with(by, "\n");
    let other = GOOD.replace("CERTIFICATE REQUEST", "X");
    let headed = |header: &str| GOOD.replacen("-----\n", &format!("-----\n{header}\n"), 1);
    let (head, tail) = GOOD.split_at(GOOD.rfind("==").unwrap());
    let cases: Vec<(Vec<u8>, bool, &str)> = vec![
        (TWO.to_vec(), true, "more than once"),
        (LONE_CR.to_vec(), true, "more than once"),
        (format!("{GOOD}{GOOD}").into(), true, "more than once"),
        (format!("{other}{GOOD}").into(), true, "more than once"),
        (format!("{GOOD}{other}").into(), true, "more than once"),
        (format!("text -----BEGIN \n{GOOD}").into(), true, "more than once"),
        (
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{GOOD}").into(),
            true,
            "more than once",
        ),
        (
            format!("{GOOD}-----END CERTIFICATE REQUEST-----\n").into(),
            true,
            "more than once",
        ),
        (other.into(), true, "a \"X\" was given"),
        (
            format!("{}\r", GOOD.trim_end()).into(),
            false,
            "must end with LF or CR LF",
        ),
        (
            GOOD.replace("CERTIFICATE REQUEST", "X CERTIFICATE REQUEST").into(),
            true,
            "was given",
        ),
        (
            GOOD.replace("CERTIFICATE REQUEST", " CERTIFICATE REQUEST").into(),
            true,
            "was given",
        ),
        (GOOD.replace("CERTIFICATE REQUEST", "").into(), true, "was given"),
        (
            GOOD.replace("CERTIFICATE REQUEST", "certificate request").into(),
            true,
            "was given",
        ),
        (headed("Proc-Type: 4,CLEAR").into(), true, "header lines"),
        (headed("Proc-Type: 4,CLEAR\n").into(), true, "header lines"),
        (headed(&format!("Comment:\r{}", LINES[1])).into(), true, "header lines"),
        (indented(" ").into(), false, "start of a line"),
        (indented("\t").into(), false, "start of a line"),
        (indented("\u{b}").into(), false, "start of a line"),
        (indented("\u{c}").into(), false, "start of a line"),
        (indented("\u{a0}").into(), false, "start of a line"),
        (indented("\u{feff}").into(), false, "start of a line"),
        (ended_by("\r").into(), false, "start of a line"),
        (ended_by("\u{b}").into(), false, "start of a line"),
        (ended_by("\u{c}").into(), false, "start of a line"),
        (ended_by("\u{85}").into(), false, "start of a line"),
        (ended_by("\u{2028}").into(), false, "start of a line"),
        (ended_by("\u{2029}\n").into(), false, "nothing after its five dashes"),
        (ended_by("\u{c}\n").into(), false, "nothing after its five dashes"),
        (ended_by("\r\r\n").into(), false, "nothing after its five dashes"),
        (
            GOOD.replace("\n-----END", "\r-----END").into(),
            false,
            "start of a line",
        ),
        (
            GOOD.replace("REQUEST-----\nMII", "REQUEST-----\rMII").into(),
            false,
            "nothing after",
        ),
        (GOOD.replace("BEGIN ", "BEGIN").into(), false, "nothing after"),
        (
            GOOD.replace("-----END CERTIFICATE REQUEST-----", "").into(),
            false,
            "no END line",
        ),
        (
            GOOD.replace("END CERTIFICATE", "END NEW CERTIFICATE").into(),
            false,
            "closed by",
        ),
        (
            format!("{}\n{}", LINES[LINES.len() - 1], LINES[0]).into(),
            false,
            "stands before",
        ),
        (
            format!("{head}{}", tail.replace("==", "")).into(),
            false,
            "not valid base64",
        ),
        (
            format!("{head}{}", tail.replace("==", "=")).into(),
            false,
            "not valid base64",
        ),
        (
            format!("{head}{}", tail.replace("==", "====")).into(),
            false,
            "not valid base64",
        ),
        (GOOD.replacen('/', "_", 1).into(), false, "not valid base64"),
        (GOOD.replace("\nKoZI", "\n\u{a0}KoZI").into(), false, "not valid base64"),
        (GOOD.replace("\nKoZI", "\n\u{b}KoZI").into(), false, "not valid base64"),
        (GOOD.replace("\nKoZI", "\n# KoZI").into(), false, "not valid base64"),
        ([b"a\0\n", GOOD.as_bytes()].concat(), true, "NUL"),
        (GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect(), false, "NUL"),
        (DER.clone(), false, "is DER"),
        ([&DER[..], b"\n", GOOD.as_bytes()].concat(), true, "is DER"),
        (Vec::new(), false, "no PEM block"),
    ];
    for (text, go_reads_one, part) in cases {
        let shown = String::from_utf8_lossy(&text).into_owned();
        let refusal = CsrInfo::parse(&text).unwrap_err().to_string();
        assert!(refusal.contains(part), "{refusal}\n{shown:?}");
        assert_eq!(both(&go, &text).1.is_some(), go_reads_one, "Go and {shown:?}");
    }
}

#[test]
fn of_two_requests_in_a_text_go_shows_the_harmless_one() {
    let Some(go) = GoReader::start() else { return };
    for text in [TWO, LONE_CR] {
        assert_eq!(go.read(text).dns, ["good.team-a.example"]);
        assert!(CsrInfo::parse(text).is_err() && only_request(text).is_err());
    }
}

#[test]
fn a_file_that_a_person_gives_may_be_der_or_have_a_byte_order_mark() {
    let marked = format!("\u{feff}{GOOD}");
    let expected = CsrInfo::parse(GOOD.as_bytes()).unwrap();
    for file in [GOOD.as_bytes(), &DER, marked.as_bytes()] {
        assert_eq!(CsrInfo::of_file(file).unwrap(), expected);
    }
    assert!(CsrInfo::of_file(TWO).is_err());
    assert!(CsrInfo::of_file(&[&DER[..], b"\n", GOOD.as_bytes()].concat()).is_err());
}

/// Pieces of which a text is made that programs may read differently.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let ends = prop::sample::select(vec![
        "\n", "\r\n", "\r", " \n", "\u{b}", "\u{c}\n", "\u{2028}", "\u{85}", "",
    ]);
    let indents = prop::sample::select(vec!["", "", "", " ", "\t", "\u{feff}", "x", "-", "\r"]);
    let line = (0..LINES.len()).prop_map(|at| LINES[at].to_owned());
    let noise = prop::sample::select(vec![
        "-----BEGIN CERTIFICATE REQUEST-----",
        "-----END CERTIFICATE REQUEST-----",
        "-----BEGIN X-----",
        "-----END X-----",
        "-----BEGIN ",
        "Proc-Type: 4,CLEAR",
        "AQID",
        "=",
        "text",
        "\0",
    ])
    .prop_map(str::to_owned);
    // whole requests, now and then with a line more, another end of one line, another indentation
    let whole = prop::collection::vec((indents, ends), LINES.len()).prop_flat_map(|around| {
        (0..6_usize, prop::collection::vec(any::<prop::sample::Index>(), 0..3)).prop_map(move |(bad, at)| {
            let mut text = String::new();
            for (index, line) in LINES.iter().enumerate() {
                let touched = bad > 0 && at.iter().any(|at| at.index(LINES.len()) == index);
                let (indent, end) = if touched { around[index] } else { ("", "\n") };
                text.extend([indent, line, end]);
            }
            text
        })
    });
    let part = prop_oneof![
        4 => whole,
        2 => (noise, prop::sample::select(vec!["\n", "\r", "", "\r\n"])).prop_map(|(line, end)| format!("{line}{end}")),
        1 => line.prop_map(|line| format!("{line}\n")),
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_text_that_is_read_holds_one_marker_and_go_reads_the_same(text in pieces()) {
        static GO: LazyLock<Option<GoReader>> = LazyLock::new(GoReader::start);
        if let (Some(go), Ok(der)) = (&*GO, only_request(&text)) {
            let markers = text.windows(10).filter(|window| *window == b"-----BEGIN").count();
            prop_assert_eq!(markers, 1);
            let theirs = go.read(&text);
            prop_assert!(["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"].contains(&theirs.label.as_str()));
            prop_assert_eq!(STANDARD.encode(der), theirs.der);
        }
    }
}
