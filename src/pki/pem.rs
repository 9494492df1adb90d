//! PEM (RFC 7468), read leniently: text around the blocks, header lines, any line width and line ending.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroize as _;

use super::Error;

/// One block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// What stands after `BEGIN`, such as `CERTIFICATE`.
    pub label: String,
    /// The decoded bytes.
    pub der: super::hidden::Hidden<Vec<u8>>,
}

/// All blocks of a text, in their order. Text outside of blocks is skipped.
///
/// # Errors
/// [`Error::Pem`] when a block is damaged or not closed. A text without any block gives an empty list.
pub fn parse(text: &[u8]) -> Result<Vec<Block>, Error> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Vec<u8>)> = None;
    for line in text.split(|b| *b == b'\n' || *b == b'\r') {
        let line = line.trim_ascii();
        if let Some(label) = boundary(line, b"-----BEGIN ") {
            open = Some((label, Vec::new()));
        } else if let Some(label) = boundary(line, b"-----END ") {
            let Some((begun, mut base64)) = open.take() else {
                continue;
            };
            if begun != label {
                return Err(Error::Pem(format!("the PEM block {begun:?} is closed by {label:?}")));
            }
            let decoded = LENIENT.decode(&base64);
            base64.zeroize();
            let der = decoded.map_err(|_| Error::Pem(format!("the PEM block {label:?} is not valid base64")))?;
            blocks.push(Block { label, der: der.into() });
        } else if let Some((_, base64)) = &mut open
            && !line.contains(&b':')
        {
            base64.extend(line.iter().filter(|b| !b.is_ascii_whitespace()));
        }
    }
    match open {
        Some((label, _)) => Err(Error::Pem(format!("the PEM block {label:?} has no END line"))),
        None => Ok(blocks),
    }
}

/// The body of the private key in a text, in whichever encoding that is (CRT-25).
///
/// # Errors
/// As [`parse`], and [`Error::Pem`] when the text holds no private key.
pub fn key_der(text: &[u8]) -> Result<super::hidden::Hidden<Vec<u8>>, Error> {
    let key = parse(text)?
        .into_iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"));
    key.map(|block| block.der)
        .ok_or_else(|| Error::Pem("tls.key holds no private key".into()))
}

/// One block as text, lines of 64 characters.
pub fn encode(label: &str, der: &[u8]) -> Vec<u8> {
    let base64 = super::hidden::Hidden::new(base64::engine::general_purpose::STANDARD.encode(der));
    let mut out = Vec::with_capacity(base64.expose().len() * 65 / 64 + 2 * label.len() + 64);
    out.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in base64.expose().as_bytes().chunks(64) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    out
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn boundary(line: &[u8], start: &[u8]) -> Option<String> {
    let label = line.strip_prefix(start)?.strip_suffix(b"-----")?;
    std::str::from_utf8(label).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_around_blocks_headers_and_line_endings_do_not_matter() {
        let text = b"subject=CN = a\r\n-----BEGIN X Y-----\r\nProc-Type: 4\r\n\r\nAQID\r\n-----END X Y-----\r\nrest";
        let blocks = parse(text).unwrap();
        assert_eq!(blocks.len(), 1);
        assert_eq!(
            (blocks[0].label.as_str(), blocks[0].der.expose().as_slice()),
            ("X Y", &[1_u8, 2, 3][..])
        );
    }

    #[test]
    fn damaged_blocks_are_named() {
        for (text, part) in [
            ("-----BEGIN A-----\nAQID\n", "no END line"),
            ("-----BEGIN A-----\nAQID\n-----END B-----\n", "closed by \"B\""),
            ("-----BEGIN A-----\n§§\n-----END A-----\n", "not valid base64"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn encoded_bytes_are_read_back(der in proptest::collection::vec(any::<u8>(), 0..300)) {
            let blocks = parse(&encode("CERTIFICATE", &der)).unwrap();
            prop_assert_eq!(blocks[0].der.expose(), &der);
        }

        #[test]
        fn random_text_never_panics(text in "(-----BEGIN A-----\n|-----END A-----\n|[ -~]{0,20}\n){0,8}") {
            drop(parse(text.as_bytes()));
        }
    }
}
