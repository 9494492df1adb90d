//! gzip compression of a response while it is sent.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, header::ACCEPT_ENCODING};

/// Whether a client accepts gzip (RFC 9110 section 12.5.3).
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|parameter| parameter.strip_prefix("q="));
        is_gzip && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

/// The compressed pieces of a page. Only the encoder's unflushed output is buffered.
pub(super) struct Gzip<I> {
    pieces: I,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<I: Iterator<Item = Bytes>> Gzip<I> {
    pub(super) fn new(pieces: I) -> Self {
        Self {
            pieces,
            encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())),
        }
    }
}

impl<I: Iterator<Item = Bytes>> Iterator for Gzip<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(piece) = self.pieces.next() else {
                return self.encoder.take()?.finish().ok().map(Bytes::from);
            };
            let encoder = self.encoder.as_mut()?;
            // writing to a Vec cannot fail
            encoder.write_all(&piece).ok()?;
            let compressed = std::mem::take(encoder.get_mut());
            if !compressed.is_empty() {
                return Some(compressed.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        for (value, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
            ("gzipped", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(is_accepted(&headers), expected, "{value}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }

    #[test]
    fn the_gzip_program_reads_what_was_compressed_in_pieces_none_of_which_is_long() {
        // numbers that do not repeat, so that something is left of each piece
        let number = |at: u32| format!("{} ", at.wrapping_mul(2_654_435_761));
        let piece = |from: u32| (from..from + 2_000).map(number).collect::<String>();
        let pieces: Vec<Bytes> = (0..200).map(|at| piece(at * 2_000).into()).collect();
        let whole: Vec<u8> = pieces.concat();
        let compressed: Vec<Bytes> = Gzip::new(pieces.into_iter()).collect();
        assert!(compressed.len() > 10, "{}", compressed.len());
        assert!(compressed.iter().all(|piece| piece.len() < 64 << 10));
        let mut gzip = Command::new("gzip")
            .args(["-d", "-c"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut into = gzip.stdin.take().unwrap();
        let writer = std::thread::spawn(move || into.write_all(&compressed.concat()));
        let read = gzip.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(read.status.success() && read.stdout == whole);
    }
}
