//! What cert-manager's webhook configurations mean without its program, and their removal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::finding::Finding;
use crate::{
    cli::remark,
    cluster::{
        reader::Reader,
        webhooks::{Webhook, Which, find, program_to_run, remove},
    },
    text,
};

const CHECK: &str = "webhooks";

/// What the configurations show.
pub(super) fn verdict(webhooks: &[Webhook]) -> Vec<Finding> {
    if webhooks.is_empty() {
        let message = "no configuration of cert-manager's webhook is left";
        return vec![Finding::ok(CHECK, message)];
    }
    webhooks
        .iter()
        .map(|webhook| {
            let (message, action) = webhook.message_and_action();
            if webhook.blocks {
                Finding::failure(CHECK, message, action)
            } else {
                Finding::warning(CHECK, message, action)
            }
        })
        .collect()
}

/// Removes the configurations whose webhook nothing answers and nothing is to answer. `yes` is the consent; without it, it is asked for
/// on a terminal.
///
/// # Errors
/// A sentence if there is no consent, if the webhook's program is to run, or if a configuration cannot be removed.
pub(super) async fn fix(reader: &Reader, yes: bool) -> Result<(), String> {
    for webhook in &blocking(reader).await? {
        is_left(reader, webhook).await?;
        if !yes {
            if !consent(webhook)? {
                return Err(format!("not removed, because you did not agree: {}", webhook.command()));
            }
            // the answer may have taken long
            if !blocking(reader).await?.contains(webhook) {
                remark(&format!(
                    "not removed, because it has changed or no longer blocks: {}",
                    webhook.command()
                ));
                continue;
            }
            is_left(reader, webhook).await?;
        }
        remove(reader.client(), webhook)
            .await
            .map_err(|error| error.to_string())?;
        remark(&format!("removed: {}", webhook.command()));
    }
    Ok(())
}

async fn blocking(reader: &Reader) -> Result<Vec<Webhook>, String> {
    let found = find(reader.client(), Which::All).await;
    let found = found.map_err(|error| error.to_string())?;
    Ok(found.into_iter().filter(|webhook| webhook.blocks).collect())
}

/// Refuses if a Deployment of the webhook is to run.
async fn is_left(reader: &Reader, webhook: &Webhook) -> Result<(), String> {
    let program = program_to_run(reader, webhook).await;
    match program.map_err(|error| format!("not removed: {}. {error}", webhook.command()))? {
        Some(place) => Err(format!(
            "not removed: {}. Deployment {place} is to run: scale it to 0 first",
            webhook.command()
        )),
        None => Ok(()),
    }
}

fn consent(webhook: &Webhook) -> Result<bool, String> {
    if !std::io::stdin().is_terminal() {
        return Err(format!(
            "--fix would run: {}. There is no terminal to ask on: add --yes",
            webhook.command()
        ));
    }
    let (message, _) = webhook.message_and_action();
    let mut out = std::io::stderr();
    let question = text::line(&format!("{message}. Remove it? [y/N] ")).into_owned();
    let asked = out.write_all(question.as_bytes()).and_then(|()| out.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer))
        .map_err(|error| format!("cannot ask: {error}"))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Verdict;

    fn webhook(blocks: bool) -> Webhook {
        Webhook {
            name: "cert-manager-webhook".into(),
            kinds: (true, true),
            service: Some("cert-manager/cert-manager-webhook".into()),
            blocks,
        }
    }

    #[test]
    fn none_is_good_one_that_is_answered_a_warning_and_one_that_is_not_a_failure_with_the_command() {
        assert_eq!(verdict(&[])[0].verdict, Verdict::Ok);
        let command =
            "kubectl delete validatingwebhookconfigurations,mutatingwebhookconfigurations cert-manager-webhook";
        for (blocks, wanted) in [(false, Verdict::Warning), (true, Verdict::Failure)] {
            let findings = verdict(&[webhook(blocks)]);
            assert_eq!(findings[0].verdict, wanted);
            assert!(findings[0].action.ends_with(command), "{findings:?}");
        }
    }
}
