//! What this program is, by the name that it was started with: certlet, or a plugin of kubectl.

use std::{ffi::OsStr, path::Path};

use clap::{Command, CommandFactory as _};

use super::Cli;

/// The file name of the plugin: kubectl starts it for `kubectl certlet`.
pub(super) const PLUGIN: &str = "kubectl-certlet";
/// The file name with which kubectl asks for completions of the plugin.
const PLUGIN_COMPLETIONS: &str = "kubectl_complete-certlet";

/// What this program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// `certlet`.
    Certlet,
    /// `kubectl certlet`.
    Plugin,
    /// Completions of `kubectl certlet`.
    PluginCompletions,
}

impl Program {
    /// By the first word of the command line.
    pub(super) fn of(word: Option<&OsStr>) -> Self {
        let name = word.and_then(|word| Path::new(word).file_stem());
        if name == Some(OsStr::new(PLUGIN)) {
            Self::Plugin
        } else if name == Some(OsStr::new(PLUGIN_COMPLETIONS)) {
            Self::PluginCompletions
        } else {
            Self::Certlet
        }
    }

    /// The command line. Help and examples show it as people write it.
    pub(super) fn command(self) -> Command {
        match self {
            Self::Certlet => Cli::command(),
            Self::Plugin | Self::PluginCompletions => examples_of_plugin(
                Cli::command()
                    .bin_name("kubectl certlet")
                    .display_name("kubectl certlet"),
            ),
        }
    }
}

/// Replaces the program in the examples.
fn examples_of_plugin(command: Command) -> Command {
    let examples = command.get_after_help().map(ToString::to_string);
    let command = match examples {
        Some(examples) => command.after_help(examples.replace("  certlet ", "  kubectl certlet ")),
        None => command,
    };
    command.mut_subcommands(examples_of_plugin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Program::Certlet.command().debug_assert();
        Program::Plugin.command().debug_assert();
    }

    #[test]
    fn the_name_of_the_file_decides() {
        for (word, program) in [
            ("/usr/bin/kubectl-certlet", Program::Plugin),
            ("kubectl-certlet.exe", Program::Plugin),
            ("kubectl_complete-certlet", Program::PluginCompletions),
            ("./certlet", Program::Certlet),
        ] {
            assert_eq!(Program::of(Some(OsStr::new(word))), program, "{word}");
        }
        assert_eq!(Program::of(None), Program::Certlet);
    }

    #[test]
    fn help_and_examples_of_the_plugin_are_those_of_kubectl() {
        let mut plugin = Program::Plugin.command();
        plugin.build();
        let plan = plugin.find_subcommand_mut("plan").unwrap();
        let help = plan.render_long_help().to_string();
        assert!(help.contains("Usage: kubectl certlet plan"), "{help}");
        assert!(help.contains("\n  kubectl certlet plan -A "), "{help}");
        assert!(!help.contains("\n  certlet "), "{help}");
    }
}
