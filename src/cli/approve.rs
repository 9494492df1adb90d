//! `certlet approve` and `certlet deny`: a person's word on a CertificateRequest.

use clap::Args;
use kube::{Api, api::PostParams};

use super::target::{Target, block_on, failed};
use crate::{
    api::{CertificateRequest, Condition, ConditionStatus, condition},
    process::clock,
};

/// Says yes or no to a CertificateRequest. The API server checks whether you may (verb `approve` on `signers`).
#[derive(Args, Clone, Debug)]
pub struct ApproveArgs {
    /// Name of the CertificateRequest
    name: String,
    /// Why, in one word
    #[arg(long, default_value = "CertletCommand")]
    reason: String,
    /// Why, in a sentence
    #[arg(long)]
    message: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Which word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Approve,
    Deny,
}

/// Runs the command.
pub(super) fn run(args: &ApproveArgs, word: Word) -> std::process::ExitCode {
    block_on(say(args, word))
}

async fn say(args: &ApproveArgs, word: Word) -> Result<(), String> {
    let connected = args.target.connect().await?;
    let api: Api<CertificateRequest> = Api::namespaced(connected.client, &connected.namespace);
    let mut request = api
        .get(&args.name)
        .await
        .map_err(|error| failed("cannot read the CertificateRequest", &error))?;
    let status = request.status.get_or_insert_default();
    let (type_, done) = match word {
        Word::Approve => (condition::APPROVED, "approved"),
        Word::Deny => (condition::DENIED, "denied"),
    };
    for (existing, name) in [(condition::APPROVED, "approved"), (condition::DENIED, "denied")] {
        if condition::is_true(&status.conditions, existing) {
            return Err(format!(
                "{}/{} is already {name}; that cannot be taken back",
                connected.namespace, args.name
            ));
        }
    }
    let message = args
        .message
        .clone()
        .unwrap_or_else(|| format!("manually {done} with certlet"));
    let condition = Condition::new(type_, ConditionStatus::True, &args.reason, &message);
    condition::set(&mut status.conditions, condition, clock::now());
    let written = api.replace_status(&args.name, &PostParams::default(), &request).await;
    written.map_err(|error| failed(&format!("cannot mark {} as {done}", args.name), &error))?;
    super::print(&format!(
        "CertificateRequest {}/{} is {done}\n",
        connected.namespace, args.name
    ))
}
