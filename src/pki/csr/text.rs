//! Extraction of the only signing request from a text.
//!
//! The approver reads a request with another program than the signer: `kubectl describe`, an approval policy, openssl,
//! a script. A text is therefore rejected if two parsers could read different requests from it. The reference is Go's
//! `encoding/pem`, which Kubernetes and cert-manager use: a block begins and ends at the start of a line, and lines end
//! with LF or CR LF.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::pki::Error;

/// Labels of a signing request (RFC 7468 section 7); keytool and IIS write the second.
const LABELS: [&[u8]; 2] = [b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"];

const BEGIN: &[u8] = b"-----BEGIN";
const END: &[u8] = b"-----END";
const DASHES: &[u8] = b"-----";

/// The DER of the only PEM block in a text.
///
/// # Errors
/// [`Error::Request`] unless the text has exactly one block, with one of the labels, in lines that all parsers split
/// alike.
pub(super) fn only_block(text: &[u8]) -> Result<Vec<u8>, Error> {
    plain_text(text)?;
    let (Some(begin), Some(end)) = (only(text, BEGIN)?, only(text, END)?) else {
        let reason = if find(text, BEGIN).is_some() {
            "the PEM block of the certificate signing request has no END line"
        } else {
            "no PEM block was found; a CSR begins with -----BEGIN CERTIFICATE REQUEST-----"
        };
        return refused(reason);
    };
    let (Some(head), Some(tail)) = (text.get(begin..end), text.get(end..)) else {
        return refused("the END line stands before the BEGIN line");
    };
    let starts_line = |at: usize| at == 0 || text.get(at - 1) == Some(&b'\n');
    if !starts_line(begin) || !starts_line(end) {
        return refused(
            "-----BEGIN and -----END must stand at the start of a line, and lines must end with LF or CR LF: \
             white space, a byte order mark or another character stands before one of them",
        );
    }
    let (label, body) = boundary(head, BEGIN)?;
    let (closing, _) = boundary(tail, END)?;
    if !LABELS.contains(&label) {
        let label = label.escape_ascii();
        return refused(format!(
            "a \"{label}\" was given where a CERTIFICATE REQUEST is expected"
        ));
    }
    if closing != label {
        let (label, closing) = (label.escape_ascii(), closing.escape_ascii());
        return refused(format!("the PEM block \"{label}\" is closed by \"{closing}\""));
    }
    decode(body)
}

/// Whether a text has a marker of PEM.
pub(super) fn has_marker(text: &[u8]) -> bool {
    find(text, BEGIN).is_some()
}

/// Checks that a text is one for every parser.
fn plain_text(text: &[u8]) -> Result<(), Error> {
    // A SEQUENCE of more than 127 bytes. No text begins with 0 and half a character.
    if let [0x30, 0x80..=0xff, ..] = text {
        return refused(
            "the certificate signing request is DER; give it as PEM, which begins with -----BEGIN CERTIFICATE REQUEST-----",
        );
    }
    if text.contains(&0) {
        return refused("the certificate signing request is no text: it holds a NUL; UTF-16 must be saved as UTF-8");
    }
    Ok(())
}

/// The position of the only occurrence of a marker; `None` if there is none.
fn only(text: &[u8], marker: &'static [u8]) -> Result<Option<usize>, Error> {
    let Some(at) = find(text, marker) else { return Ok(None) };
    if find(text.get(at + 1..).unwrap_or_default(), marker).is_some() {
        let marker = marker.escape_ascii();
        return refused(format!(
            "the certificate signing request holds {marker} more than once: it must be one PEM block, and nothing in the text around it that looks like another"
        ));
    }
    Ok(Some(at))
}

fn find(text: &[u8], marker: &[u8]) -> Option<usize> {
    text.windows(marker.len()).position(|window| window == marker)
}

/// The label of a boundary line at the start of `text`, and what follows the line.
fn boundary<'a>(text: &'a [u8], marker: &'static [u8]) -> Result<(&'a [u8], &'a [u8]), Error> {
    // a CR at the end of the text ends no line
    let (line, rest) = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) => {
            let (line, rest) = text.split_at(at);
            (line.strip_suffix(b"\r").unwrap_or(line), rest)
        }
        None => (text, &[][..]),
    };
    let blanks = line
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let label = line
        .get(..line.len() - blanks)
        .and_then(|line| line.strip_prefix(marker)?.strip_prefix(b" ")?.strip_suffix(DASHES));
    match label {
        Some(label) => Ok((label, rest)),
        None => refused(format!(
            "the {} line must have nothing after its five dashes, and must end with LF or CR LF",
            marker.escape_ascii()
        )),
    }
}

fn decode(body: &[u8]) -> Result<Vec<u8>, Error> {
    if body.contains(&b':') {
        return refused("there are header lines in the PEM block of the certificate signing request: leave them out");
    }
    let base64: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .collect();
    AS_GO
        .decode(&base64)
        .or_else(|_| refused("the PEM block of the certificate signing request is not valid base64"))
}

fn refused<T>(reason: impl Into<String>) -> Result<T, Error> {
    Err(Error::Request(reason.into()))
}

/// Padded, as Go's `base64.StdEncoding`, which does not check the trailing bits.
const AS_GO: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);
