//! `certlet man`: the manual pages, for packages.

use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

use super::program::Program;

/// Write the manual pages, one for each command
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ManArgs {
    /// The directory
    directory: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// A sentence that names the file that cannot be written.
pub(super) fn run(args: &ManArgs) -> Result<(), String> {
    std::fs::create_dir_all(&args.directory)
        .map_err(|error| format!("cannot create {}: {error}", args.directory.display()))?;
    let mut command = Program::Certlet.command().disable_help_subcommand(true);
    command.build();
    write(&command, &args.directory)
}

/// Writes the pages of a command and of those below it.
fn write(command: &Command, directory: &Path) -> Result<(), String> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let path = directory.join(format!("{name}.1"));
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    let mut page = Vec::new();
    // without a date and with the version only: the same sources give the same bytes
    Man::new(command.clone())
        .title(name)
        .section("1")
        .render(&mut page)
        .map_err(failed)?;
    std::fs::write(&path, page).map_err(failed)?;
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        write(below, directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let args = ManArgs {
            directory: folder.path().join("man1"),
        };
        run(&args).unwrap();
        let read = |name: &str| std::fs::read_to_string(args.directory.join(name));
        assert!(read("certlet.1").unwrap().contains(".TH certlet 1"));
        assert!(
            read("certlet-inspect-secret.1")
                .unwrap()
                .contains("\\-\\-request\\-timeout")
        );
        assert!(read("certlet-acmesolver.1").is_err());
    }
}
