//! `certlet renew`: requests new certificates now, as cmctl does (NB-02).

use clap::Args;
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};

use super::target::{Target, block_on, failed};
use crate::{
    api::{Certificate, Condition, ConditionStatus, condition},
    cluster::reader::list_readable,
    process::clock,
};

/// Re-issue Certificates now
#[derive(Args, Clone, Debug)]
pub(super) struct RenewArgs {
    /// Names of Certificates
    #[arg(required_unless_present_any = ["all", "selector"])]
    names: Vec<String>,
    /// All Certificates of the namespace
    #[arg(long, conflicts_with_all = ["names", "selector"])]
    all: bool,
    /// All Certificates with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "names")]
    selector: Option<String>,
    /// In every namespace, with --all or --selector
    #[arg(short = 'A', long, conflicts_with = "names")]
    all_namespaces: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs the command.
pub(super) fn run(args: &RenewArgs) -> std::process::ExitCode {
    block_on(renew(args))
}

async fn renew(args: &RenewArgs) -> Result<(), String> {
    let connected = args.target.connect().await?;
    let api: Api<Certificate> = if args.all_namespaces {
        Api::all(connected.client.clone())
    } else {
        Api::namespaced(connected.client.clone(), &connected.namespace)
    };
    let mut certificates = Vec::new();
    for name in &args.names {
        let found = api
            .get(name)
            .await
            .map_err(|error| failed("cannot read the Certificate", &error))?;
        certificates.push(found);
    }
    if args.names.is_empty() {
        let selected = args
            .selector
            .as_deref()
            .map_or_else(ListParams::default, |labels| ListParams::default().labels(labels));
        let namespace = (!args.all_namespaces).then_some(connected.namespace.as_str());
        // one that cannot be decoded must not exclude the others
        certificates = list_readable(&connected.client, namespace, &selected)
            .await
            .map_err(|error| failed("cannot list Certificates", &error))?;
    }
    if certificates.is_empty() {
        return Err(nothing_selected(args, &connected.namespace));
    }
    let mut failures = Vec::new();
    for certificate in certificates {
        let namespace = certificate.namespace().unwrap_or_default();
        let api: Api<Certificate> = Api::namespaced(connected.client.clone(), &namespace);
        // a conflict or a missing permission for one must not stop the others
        failures.extend(request(&api, certificate).await.err());
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\ncertlet: "))
    }
}

/// The error for an empty selection.
fn nothing_selected(args: &RenewArgs, namespace: &str) -> String {
    let place = if args.all_namespaces {
        "in any namespace".to_owned()
    } else {
        format!("in namespace {namespace:?}")
    };
    match &args.selector {
        Some(labels) => format!("there is no Certificate with the labels {labels:?} {place}"),
        None => format!("there is no Certificate {place}"),
    }
}

async fn request(api: &Api<Certificate>, mut certificate: Certificate) -> Result<(), String> {
    let name = certificate.name_any();
    let generation = certificate.metadata.generation;
    let status = certificate.status.get_or_insert_default();
    let issuing = Condition::new(
        condition::ISSUING,
        ConditionStatus::True,
        "ManuallyTriggered",
        "Certificate re-issuance manually triggered",
    );
    condition::set(&mut status.conditions, issuing.observed(generation), clock::now());
    let written = api.replace_status(&name, &PostParams::default(), &certificate).await;
    written.map_err(|error| failed(&format!("cannot request a new certificate for {name}"), &error))?;
    super::print(&format!(
        "Manually triggered issuance of Certificate {}/{name}\n",
        certificate.namespace().unwrap_or_default()
    ))
}
