//! The certlet program.

use std::process::ExitCode;

/// See decision 051. How it is set up stands in .cargo/config.toml, `_RJEM_MALLOC_CONF` changes it for one process.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    certlet::cli::main()
}
