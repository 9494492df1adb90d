use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Row {
    text: String,
    blocks: Vec<Found>,
}

#[derive(Debug, Deserialize, Eq, PartialEq)]
struct Found {
    label: String,
    hex: String,
}

fn found(scan: &Scan) -> Vec<Found> {
    let hex = |der: &[u8]| der.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let found = scan.blocks.iter().map(|block| Found {
        label: block.label.clone(),
        hex: hex(block.der.expose()),
    });
    found.collect()
}

/// The table is what Go 1.26 prints: `tests/data/go/pem.go`.
#[test]
fn blocks_are_those_that_go_finds() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../../../tests/data/pem.json")).unwrap();
    assert!(rows.len() > 900);
    for Row { text, blocks } in rows {
        assert_eq!(found(&scan(text.as_bytes()).unwrap()), blocks, "{text:?}");
    }
}

#[test]
fn nothing_that_looks_like_a_block_is_passed_over_in_silence() {
    let good = "-----BEGIN A-----\nAQID\n-----END A-----\n";
    for (text, line, why) in [
        ("-----BEGIN A-----\nAQID\n", 4, "it has no END line"),
        ("-----BEGIN A-----\nAQID\n-----END B-----\n", 4, "names another kind"),
        ("-----BEGIN A-----\n§§\n-----END A-----\n", 4, "not valid base64"),
        (
            " -----BEGIN A-----\n AQID\n -----END A-----\n",
            4,
            "beginning of a line",
        ),
        (
            "-----BEGIN A-----\nAQID\n-----END A----------BEGIN B-----\nAQID\n-----END B-----\n",
            4,
            "a line break is missing",
        ),
    ] {
        for text in [text.to_owned(), format!("{good}{text}")] {
            let line = if text.starts_with(good) { line } else { line - 3 };
            let stated: Vec<String> = scan(text.as_bytes())
                .unwrap()
                .skipped
                .iter()
                .map(ToString::to_string)
                .collect();
            assert!(
                stated[0].contains(why) && stated[0].contains(&format!("line {line} ")),
                "{text:?}: {stated:?}"
            );
        }
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(
        scan(b"# a -----BEGIN A----- is what it begins with\n").unwrap(),
        Scan::default()
    );
}

#[test]
fn what_is_said_of_a_key_without_line_breaks_shows_nothing_of_it() {
    let key = "-----BEGIN PRIVATE KEY-----\rMIGHAgEAMBMG\r-----END PRIVATE KEY-----\r";
    for text in [
        key.to_owned(),
        key.replace('\r', " "),
        format!("{key}\n-----END PRIVATE KEY-----\n"),
    ] {
        let stated = format!("{:?} {:?}", scan(text.as_bytes()), parse(text.as_bytes()));
        assert!(stated.contains("PRIVATE KEY") && !stated.contains("MIGH"), "{stated}");
    }
}

#[test]
fn byte_order_marks_do_no_harm_and_utf16_is_named() {
    let good = "-----BEGIN A-----\nAQID\n-----END A-----\n";
    let text = format!("\u{feff}{good}\u{feff}{good}");
    assert_eq!(scan(text.as_bytes()).unwrap().blocks.len(), 2);
    let utf16 = |order: fn(u16) -> [u8; 2], text: &str| -> Vec<u8> { text.encode_utf16().flat_map(order).collect() };
    for text in [text.as_str(), good] {
        for bytes in [utf16(u16::to_le_bytes, text), utf16(u16::to_be_bytes, text)] {
            assert!(scan(&bytes).unwrap_err().to_string().contains("UTF-16"));
        }
    }
}

#[test]
fn header_lines_say_that_a_key_is_encrypted() {
    let text = b"-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAQID\n-----END A-----\n";
    assert!(scan(text).unwrap().blocks[0].is_encrypted);
    assert!(
        !scan(b"-----BEGIN A-----\nX: y\n\nAQID\n-----END A-----\n")
            .unwrap()
            .blocks[0]
            .is_encrypted
    );
}

proptest! {
    #[test]
    fn encoded_bytes_are_read_back(der in proptest::collection::vec(any::<u8>(), 0..300)) {
        let blocks = parse(&encode("CERTIFICATE", &der)).unwrap();
        prop_assert_eq!(blocks[0].der.expose(), &der);
    }

    #[test]
    fn each_beginning_is_either_a_block_or_reported(
        text in "(-----BEGIN A-----\n|-----END A-----\n|-----END A-----|\u{feff}|[ -~]{0,20}\n){0,8}"
    ) {
        let scan = scan(text.as_bytes()).unwrap();
        prop_assert_eq!(scan.blocks.len() + scan.skipped.len(), text.matches("-----BEGIN A-----").count());
    }
}
