//! The certlet program.

fn main() {}
