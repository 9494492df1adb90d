//! `certlet approve` and `certlet deny`: set the Approved or Denied condition of a CertificateRequest.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use kube::{Api, api::PostParams};
use serde::Serialize;

use super::{
    complete,
    format::Format,
    target::{Target, block_on, failed},
};
use crate::{
    api::{CertificateRequest, Condition, ConditionStatus, condition},
    process::clock,
};

/// Approve or deny a CertificateRequest. You need the verb `approve` on the signer of its issuer
#[derive(Args, Clone, Debug)]
pub(super) struct ApproveArgs {
    /// Name of the CertificateRequest
    #[arg(add = ArgValueCandidates::new(complete::certificate_requests))]
    name: String,
    /// Reason of the condition, one word in CamelCase
    #[arg(long, default_value = "CertletCommand")]
    reason: String,
    /// Message of the condition
    #[arg(long)]
    message: Option<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    target: Target,
}

/// The condition to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Approve,
    Deny,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Decided {
    namespace: String,
    name: String,
    /// `Approved` or `Denied`.
    condition: &'static str,
    reason: String,
    message: String,
}

/// Runs the command.
pub(super) fn run(args: &ApproveArgs, decision: Decision) -> std::process::ExitCode {
    block_on(decide(args, decision))
}

async fn decide(args: &ApproveArgs, decision: Decision) -> Result<(), String> {
    let connected = args.target.connect().await?;
    let api: Api<CertificateRequest> = Api::namespaced(connected.client, &connected.namespace);
    let mut request = api
        .get(&args.name)
        .await
        .map_err(|error| failed("cannot read the CertificateRequest", &error))?;
    let status = request.status.get_or_insert_default();
    let (type_, done) = match decision {
        Decision::Approve => (condition::APPROVED, "approved"),
        Decision::Deny => (condition::DENIED, "denied"),
    };
    for (existing, name) in [(condition::APPROVED, "approved"), (condition::DENIED, "denied")] {
        if condition::is_true(&status.conditions, existing) {
            return Err(format!(
                "{}/{} is already {name}; this cannot be changed",
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
    let decided = Decided {
        namespace: connected.namespace,
        name: args.name.clone(),
        condition: type_,
        reason: args.reason.clone(),
        message,
    };
    super::print_as(args.output, &decided, |decided| {
        format!("CertificateRequest {}/{} is {done}\n", decided.namespace, decided.name)
    })
}
