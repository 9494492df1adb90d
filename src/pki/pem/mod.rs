//! Parsing of PEM (RFC 7468) as in Go's `encoding/pem`, with which cert-manager and Kubernetes read their Secrets.
//! Blocks that Go skips silently are reported. Unlike in Go, a byte order mark before a block is allowed.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroize as _;

use super::Error;
use super::hidden::Hidden;

/// One block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// The text after `BEGIN`, such as `CERTIFICATE`.
    pub label: String,
    /// The decoded bytes.
    pub der: Hidden<Vec<u8>>,
    /// The line of its `BEGIN`, from 1.
    pub line: usize,
    /// Whether its header lines mark the content as encrypted (RFC 1421, `openssl genrsa -aes256 -traditional`).
    pub is_encrypted: bool,
    /// Whether it has header lines. A certificate needs none.
    pub has_headers: bool,
}

/// The beginning of a block that is invalid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// The text after `BEGIN`.
    pub label: String,
    /// The line of its `BEGIN`, from 1.
    pub line: usize,
    why: &'static str,
}

/// The content of a text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scan {
    /// The blocks, in their order.
    pub blocks: Vec<Block>,
    /// Invalid blocks, in their order.
    pub skipped: Vec<Skipped>,
}

/// Finds the blocks of a text.
///
/// # Errors
/// [`Error::Pem`] if the text is UTF-16.
pub fn scan(text: &[u8]) -> Result<Scan, Error> {
    if is_utf16(text) {
        return Err(Error::Pem("the text is UTF-16; save it as UTF-8".into()));
    }
    let mut found = BTreeMap::new();
    let mut from = 0;
    while let Some((begin, outcome, next)) = next_block(text, from) {
        if let Some(begin) = begin {
            found.insert(begin, outcome);
        }
        from = next;
    }
    let mut scan = Scan::default();
    let (mut line, mut counted) = (1, 0);
    for begin in occurrences(text, BEGIN) {
        let between = text.get(counted..begin).unwrap_or_default();
        line += between.split(|byte| *byte == b'\n').count() - 1;
        counted = begin;
        let first = line_at(text, begin + BEGIN.len()).0;
        match found.remove(&begin) {
            Some(Ok(block)) => scan.blocks.push(Block { line, ..block }),
            // a line that only mentions a block neither begins nor ends as the first line of one
            _ if !first.ends_with(DASHES) && !begins_a_line(text, begin) => {}
            failed => {
                scan.skipped.push(Skipped {
                    label: label_of(first),
                    line,
                    why: match failed {
                        Some(Err(why)) => why,
                        _ if !begins_a_line(text, begin) => "its BEGIN does not stand at the beginning of a line",
                        _ => "it has no END line",
                    },
                });
            }
        }
    }
    Ok(scan)
}

/// All blocks of a text, in their order. Text outside of blocks, and the blocks in [`Scan::skipped`], are skipped.
///
/// # Errors
/// As [`scan`], and [`Error::Pem`] if every block is invalid. A text without any block returns an empty list.
pub fn parse(text: &[u8]) -> Result<Vec<Block>, Error> {
    let Scan { blocks, skipped } = scan(text)?;
    match skipped.first() {
        Some(skipped) if blocks.is_empty() => Err(Error::Pem(skipped.to_string())),
        _ => Ok(blocks),
    }
}

/// As [`parse`], for a text that must be valid as a whole.
///
/// # Errors
/// As [`scan`], and [`Error::Pem`] if a block is invalid.
pub fn parse_all(text: &[u8]) -> Result<Vec<Block>, Error> {
    let Scan { blocks, skipped } = scan(text)?;
    match skipped.first() {
        Some(skipped) => Err(Error::Pem(skipped.to_string())),
        None => Ok(blocks),
    }
}

/// The body of the private key in a text, in any encoding (CRT-25).
///
/// # Errors
/// As [`parse`], and [`Error::Pem`] if the text has no private key.
pub fn key_der(text: &[u8]) -> Result<Hidden<Vec<u8>>, Error> {
    let key = parse(text)?
        .into_iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"));
    key.map(|block| block.der)
        .ok_or_else(|| Error::Pem("tls.key holds no private key".into()))
}

/// One block as text, with lines of 64 characters.
pub fn encode(label: &str, der: &[u8]) -> Vec<u8> {
    let base64 = Hidden::new(base64::engine::general_purpose::STANDARD.encode(der));
    let mut out = Vec::with_capacity(base64.expose().len() * 65 / 64 + 2 * label.len() + 64);
    out.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in base64.expose().as_bytes().chunks(64) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    out
}

/// Whether a text is UTF-16, as some Windows programs write it: it begins with the byte order mark, or every second
/// byte of its beginning is zero.
pub fn is_utf16(text: &[u8]) -> bool {
    let marked = text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]);
    let zeros = |at: usize| text.len() >= 8 && text.iter().skip(at).step_by(2).take(4).all(|byte| *byte == 0);
    let plain = |at: usize| text.iter().skip(at).step_by(2).take(4).all(|byte| *byte != 0);
    marked || (zeros(0) && plain(1)) || (zeros(1) && plain(0))
}

/// A text without its leading UTF-8 byte order mark.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label, line, why } = self;
        write!(f, "the PEM block {label:?} in line {line} cannot be read: {why}")
    }
}

/// The part of a line that is printed as its label. If line breaks are missing, the rest may be content, of a key too.
fn label_of(first: &[u8]) -> String {
    let end = find(first, DASHES).unwrap_or_default().min(64);
    String::from_utf8_lossy(first.get(..end).unwrap_or_default()).into_owned()
}

type Outcome = Result<Block, &'static str>;

/// The end of the next block: its beginning if there was one, the result, and the position after it.
fn next_block(text: &[u8], from: usize) -> Option<(Option<usize>, Outcome, usize)> {
    let end = from + find(text.get(from..)?, END)?;
    let after_end = end + END.len();
    let begin = occurrences(text.get(from..end)?, BEGIN).last().map(|at| from + at);
    let Some(begin) = begin.filter(|begin| begins_a_line(text, *begin)) else {
        return Some((None, Err(""), after_end));
    };
    let (outcome, next) = match read_block(text, begin, end) {
        Ok((block, next)) => (Ok(block), next),
        Err(why) => (Err(why), after_end),
    };
    Some((Some(begin), outcome, next))
}

/// A block between its `BEGIN` and the line break before its `END`, and the position after it.
fn read_block(text: &[u8], begin: usize, end: usize) -> Result<(Block, usize), &'static str> {
    let (first, mut at) = line_at(text, begin + BEGIN.len());
    let label = first
        .strip_suffix(DASHES)
        .ok_or("its first line does not end with five dashes")?;
    let mut is_encrypted = false;
    let mut has_headers = false;
    while at <= end {
        let (line, next) = line_at(text, at);
        if !line.contains(&b':') {
            break;
        }
        is_encrypted |= line.starts_with(b"Proc-Type") && line.ends_with(b"ENCRYPTED");
        has_headers = true;
        at = next;
    }
    if has_headers && at > end {
        return Err("its header lines are followed by nothing");
    }
    let trailer = text.get(end + END.len()..).unwrap_or_default();
    let rest = trailer
        .strip_prefix(label)
        .and_then(|rest| rest.strip_prefix(DASHES))
        .ok_or("its END line names another kind of block")?;
    if !line_at(rest, 0).0.is_empty() {
        return Err("its END line goes on: a line break is missing");
    }
    let content = text.get(at..end).unwrap_or_default();
    let mut base64: Vec<u8> = content.iter().copied().filter(|b| !b" \t\r\n".contains(b)).collect();
    let decoded = AS_GO.decode(&base64);
    base64.zeroize();
    let block = Block {
        label: String::from_utf8_lossy(label).into_owned(),
        der: decoded.map_err(|_| "it is not valid base64")?.into(),
        line: 0,
        is_encrypted,
        has_headers,
    };
    Ok((block, line_at(text, end + 1).1))
}

/// Whether a line begins here, or follows a byte order mark at the beginning of a line.
fn begins_a_line(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let before = before.strip_suffix(MARK).unwrap_or(before);
    before.last().is_none_or(|byte| *byte == b'\n')
}

/// The line at a position, without white space at its end, and the position of the next.
fn line_at(text: &[u8], at: usize) -> (&[u8], usize) {
    let rest = text.get(at..).unwrap_or_default();
    let (line, next) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(length) => {
            let line = rest.get(..length).unwrap_or_default();
            (line.strip_suffix(b"\r").unwrap_or(line), at + length + 1)
        }
        None => (rest, text.len()),
    };
    let length = line
        .iter()
        .rposition(|byte| !b" \t".contains(byte))
        .map_or(0, |at| at + 1);
    (line.get(..length).unwrap_or_default(), next)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn occurrences(text: &[u8], part: &'static [u8]) -> impl Iterator<Item = usize> {
    let windows = text.windows(part.len()).enumerate();
    windows.filter_map(move |(at, window)| (window == part).then_some(at))
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";
const MARK: &[u8] = b"\xef\xbb\xbf";

const AS_GO: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);
