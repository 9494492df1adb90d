//! Completions, with names of objects from the cluster: for shells, and for `kubectl certlet` by kubectl's protocol.
//!
//! Nothing here may fail or wait for long: without a cluster, no names are offered.

use std::{ffi::OsString, time::Duration};

use clap::{Command, ValueEnum};
use clap_complete::{
    engine::{CompletionCandidate, complete},
    env::Shells,
};

use super::{
    program::PLUGIN,
    status::What,
    target::{Connected, Target, run_to_end},
};
use crate::{
    cluster::{
        commands::names::{Named, names},
        kubeconfig,
    },
    process::environment::KubeconfigPlaces,
    text,
};

/// The variable with which a shell asks for completions.
pub(super) const VARIABLE: &str = "CERTLET_COMPLETE";
/// Time limit for the names of objects.
const LIMIT: Duration = Duration::from_secs(3);
/// Directives of Cobra, which kubectl understands: no space after the word, no names of files.
const NO_SPACE: u8 = 2;
const NO_FILES: u8 = 4;

/// A shell, or kubectl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
    /// The program `kubectl_complete-certlet`, which kubectl asks about `kubectl certlet`
    Kubectl,
}

/// The script for a shell. It asks the program `certlet` on the PATH.
///
/// # Errors
/// If it cannot be rendered.
pub(super) fn script(shell: Shell) -> Result<String, String> {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Elvish => "elvish",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Zsh => "zsh",
        Shell::Kubectl => return Ok(format!("#!/bin/sh\nexec {PLUGIN} __complete \"$@\"\n")),
    };
    let shells = Shells::builtins();
    let completer = shells
        .completer(name)
        .ok_or_else(|| format!("there are no completions for {name}"))?;
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, "certlet", "certlet", "certlet", &mut script)
        .map_err(|error| error.to_string())?;
    String::from_utf8(script).map_err(|error| error.to_string())
}

/// Answers kubectl: one candidate on each line, with a description after a tab, and a directive at the end. `words` are those
/// after the name of the plugin; the last one is not complete.
pub(super) fn answer(mut command: Command, words: &[OsString]) -> String {
    let mut line = vec![OsString::from(command.get_name())];
    line.extend(words.iter().cloned());
    if words.is_empty() {
        line.push(OsString::new());
    }
    let last = line.len() - 1;
    let found = complete(&mut command, line, last, None).unwrap_or_default();
    let mut directive = NO_FILES;
    let mut answer = String::new();
    for candidate in found.iter().filter(|candidate| !candidate.is_hide_set()) {
        let value = candidate.get_value().to_string_lossy();
        if value.ends_with(['/', '=']) {
            directive |= NO_SPACE;
        }
        answer.push_str(&text::line(&value));
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        if let Some(first) = help.lines().next().filter(|first| !first.is_empty()) {
            answer.push('\t');
            answer.push_str(&text::line(first));
        }
        answer.push('\n');
    }
    format!("{answer}:{directive}\n")
}

/// Names of objects of the kind that the words of `certlet status` name.
pub(super) fn of_status() -> Vec<CompletionCandidate> {
    let words = super::words();
    let kind = words.iter().find_map(|word| What::from_str(word, true).ok());
    kind.map(|kind| {
        objects(match kind {
            What::Certificate => Named::Certificate,
            What::Issuer => Named::Issuer,
            What::ClusterIssuer => Named::ClusterIssuer,
            What::Ingress => Named::Ingress,
            What::Gateway => Named::Gateway,
            What::ListenerSet => Named::ListenerSet,
            What::Order => Named::Order,
            What::Request => Named::CertificateRequest,
        })
    })
    .unwrap_or_default()
}

/// Names of Certificates.
pub(super) fn certificates() -> Vec<CompletionCandidate> {
    objects(Named::Certificate)
}

/// Names of CertificateRequests.
pub(super) fn certificate_requests() -> Vec<CompletionCandidate> {
    objects(Named::CertificateRequest)
}

/// Names of Issuers and ClusterIssuers.
pub(super) fn issuers() -> Vec<CompletionCandidate> {
    let mut found = objects(Named::Issuer);
    found.extend(objects(Named::ClusterIssuer));
    found
}

/// Names of Secrets.
pub(super) fn secrets() -> Vec<CompletionCandidate> {
    objects(Named::Secret)
}

/// Names of namespaces.
pub(super) fn namespaces() -> Vec<CompletionCandidate> {
    objects(Named::Namespace)
}

/// Names of contexts.
pub(super) fn contexts() -> Vec<CompletionCandidate> {
    in_kubeconfig(|names| names.contexts)
}

/// Names of clusters.
pub(super) fn clusters() -> Vec<CompletionCandidate> {
    in_kubeconfig(|names| names.clusters)
}

/// Names of users.
pub(super) fn users() -> Vec<CompletionCandidate> {
    in_kubeconfig(|names| names.users)
}

fn in_kubeconfig(which: fn(kubeconfig::Names) -> Vec<String>) -> Vec<CompletionCandidate> {
    let target = Target::of_words(&super::words());
    let names = kubeconfig::names(target.kubeconfig.as_deref(), &KubeconfigPlaces::read());
    candidates(which(names))
}

fn objects(kind: Named) -> Vec<CompletionCandidate> {
    let target = Target::of_words(&super::words());
    let found = run_to_end(async {
        let read = async {
            let Connected { client, namespace, .. } = target.connect_to_read().await?;
            names(&client, kind, &namespace)
                .await
                .map_err(|error| error.to_string())
        };
        tokio::time::timeout(LIMIT, read)
            .await
            .map_err(|_| "no answer".to_owned())?
    });
    candidates(found.unwrap_or_default())
}

fn candidates(names: Vec<String>) -> Vec<CompletionCandidate> {
    names.into_iter().map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::program::Program;

    fn offered(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        answer(Program::Plugin.command(), &words)
    }

    #[test]
    fn kubectl_gets_a_candidate_on_each_line_and_a_directive() {
        let answer = offered(&["re"]);
        assert!(answer.starts_with("renew\tRe-issue Certificates now\n"), "{answer}");
        assert!(answer.ends_with("\n:4\n"), "{answer}");
        let answer = offered(&["version", "-o", ""]);
        assert!(answer.contains("json\t") && answer.contains("yaml"), "{answer}");
        assert!(offered(&[]).contains("status\t"));
    }

    #[test]
    fn there_is_a_script_for_each_shell() {
        for shell in Shell::value_variants() {
            let script = script(*shell).unwrap();
            assert!(script.contains("certlet"), "{script}");
        }
    }
}
