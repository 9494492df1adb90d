//! The certlet program.

use std::process::ExitCode;

fn main() -> ExitCode {
    certlet::cli::main()
}
