//! Which programs a block of commands would start, with which arguments. bash itself reads the block, in a folder of its own and with no
//! program to be found: each command is written down instead of started.

use std::process::{Command, Stdio};

use crate::pages::Block;

/// A command of a block.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Page and line of its block.
    pub(crate) place: String,
    pub(crate) arguments: Vec<String>,
    /// Its standard input, for a manifest after `<<EOF`.
    pub(crate) input: String,
}

/// bash calls this function for a program that it does not find. What reads its output gets one word, so that loops run once.
const PRELUDE: &str = r#"
PATH=/nonexistent
command_not_found_handle() {
  local input=
  IFS= read -r -d '' -t 5 input || true
  printf '%s\0' "$#" "$@" "$input" >>calls
  echo value
}
cd() { :; }
"#;

impl Call {
    /// The program.
    pub(crate) fn program(&self) -> &str {
        &self.arguments[0]
    }

    pub(crate) fn text(&self) -> String {
        format!("{}: {}", self.place, self.arguments.join(" "))
    }
}

/// The commands of a block.
///
/// # Errors
/// bash's complaint.
pub(crate) fn calls(block: &Block) -> Result<Vec<Call>, String> {
    let folder = tempfile::tempdir().unwrap();
    for target in block
        .text
        .split('>')
        .skip(1)
        .filter_map(|rest| rest.split_whitespace().next())
    {
        let target = target.replace(['"', '\''], "");
        let below = target.trim_start_matches("~/").trim_start_matches("$HOME/");
        if !below.starts_with(['/', '&'])
            && let Some((parent, _)) = below.rsplit_once('/')
        {
            std::fs::create_dir_all(folder.path().join(parent)).unwrap();
        }
    }
    let finished = Command::new("bash")
        .args([
            "--noprofile",
            "--norc",
            "-c",
            &format!("{PRELUDE}{}", commands(&block.text)),
        ])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&finished.stderr);
    if !complaint.is_empty() {
        return Err(format!("{}: {complaint}", block.place));
    }
    let written = std::fs::read_to_string(folder.path().join("calls")).unwrap_or_default();
    let mut words = written.split_terminator('\0').map(str::to_owned);
    let mut calls = Vec::new();
    while let Some(count) = words.next() {
        let arguments = words.by_ref().take(count.parse().unwrap()).collect();
        let input = words.next().unwrap();
        let place = block.place.clone();
        calls.push(Call {
            place,
            arguments,
            input,
        });
    }
    Ok(calls)
}

/// Where lines begin with a prompt, only these are commands: the others are what they print.
fn commands(text: &str) -> String {
    let prompted: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    if prompted.is_empty() {
        text.to_owned()
    } else {
        prompted.join("\n")
    }
}
