//! Changed inputs: all of what one is follows from its seed and the corpus.

use fastrand::Rng;

/// Longer inputs only take longer.
const MAX_LENGTH: usize = 1 << 16;

/// Bytes that parsers treat apart: ends of numbers, lengths of DER, separators.
const BYTES: [u8; 16] = [
    0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, b'\n', b'-', b'"', b'\\', b'{', b',', b'=', b':',
];

/// Pieces that inputs are made of.
const PIECES: [&str; 24] = [
    "-----BEGIN CERTIFICATE-----\n",
    "\n-----END CERTIFICATE-----\n",
    "-----BEGIN ",
    "-----",
    "\u{feff}",
    "\u{1b}[8m",
    "\u{202e}",
    "null",
    "[]",
    "{}",
    "\"\"",
    "99999999999999999999",
    "-1",
    "1e999",
    "\\u0000",
    "9999-12-31T23:59:59Z",
    "CN=",
    "#0500",
    "*/",
    "@every ",
    "h",
    "<https://",
    ">;rel=\"",
    "\u{30}\u{80}",
];

/// Makes one input.
pub(super) struct Mutator(Rng);

impl Mutator {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// An entry of the corpus with one to eight changes.
    pub(super) fn mutated(mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.entry(corpus).to_vec();
        for _ in 0..self.0.usize(1..=8) {
            self.change(&mut input, corpus);
            input.truncate(MAX_LENGTH);
        }
        input
    }

    fn entry<'a>(&mut self, corpus: &'a [Vec<u8>]) -> &'a [u8] {
        &corpus[self.0.usize(..corpus.len())]
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.0.usize(..=input.len());
        let end = (at + self.0.usize(..=16)).min(input.len());
        match self.0.u8(..9) {
            0 if at < input.len() => input[at] ^= 1 << self.0.u8(..8),
            1 if at < input.len() => input[at] = BYTES[self.0.usize(..BYTES.len())],
            2 => input.insert(at, self.0.u8(..)),
            3 => drop(input.drain(at..end)),
            4 => input.truncate(at),
            5 => {
                // a part of it many times
                let part = input[at..end].repeat(self.0.usize(1..=64));
                drop(input.splice(at..at, part));
            }
            6 => {
                let other = self.entry(corpus);
                let from = self.0.usize(..=other.len());
                let to = (from + self.0.usize(..=256)).min(other.len());
                drop(input.splice(at..end, other[from..to].iter().copied()));
            }
            7 => {
                let piece = PIECES[self.0.usize(..PIECES.len())];
                drop(input.splice(at..at, piece.bytes()));
            }
            _ => {
                let numbers = self.0.u64(..).to_string();
                drop(input.splice(at..end, numbers.bytes()));
            }
        }
    }
}
