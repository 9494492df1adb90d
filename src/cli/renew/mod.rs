//! `certlet renew`: requests new certificates now, as cmctl does (NB-02), and waits for them.

mod progress;

use std::{process::ExitCode, time::Duration};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use serde::Serialize;

use super::{
    NEGATIVE,
    args::duration,
    complete,
    format::Format,
    target::{Target, failed, run_to_end},
};
use crate::{
    api::{Certificate, Condition, ConditionStatus, condition},
    cluster::reader::list_readable,
    process::clock,
};
use progress::{Before, Progress};

/// Interval between two reads of a Certificate.
const INTERVAL: Duration = Duration::from_secs(1);

/// Re-issue Certificates now
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:
  0  new certificates were requested and, with --wait, all are Ready
  3  with --wait: an issuance failed, or was not complete in time
  1  an error
  2  invalid arguments

Examples:
  certlet renew web
  certlet renew web --wait --timeout 10m
  certlet renew -l app=shop -A")]
pub(super) struct RenewArgs {
    /// Names of Certificates
    #[arg(required_unless_present_any = ["all", "selector"], add = ArgValueCandidates::new(complete::certificates))]
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
    /// Wait until the new certificates are in their Secrets
    #[arg(long)]
    wait: bool,
    /// How long to wait for all of them, with its unit (90s, 10m)
    #[arg(long, value_name = "DURATION", default_value = "5m", requires = "wait", value_parser = duration)]
    timeout: Duration,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    target: Target,
}

/// What was done for one Certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    namespace: String,
    name: String,
    /// Whether the new certificate is Ready; absent without --wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    /// The revision of the new certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
    /// Why there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// A Certificate whose issuance was requested.
struct Requested {
    namespace: String,
    name: String,
    before: Before,
}

/// Runs the command.
pub(super) fn run(args: &RenewArgs) -> ExitCode {
    match run_to_end(renew(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NEGATIVE),
        Err(error) => super::fail(&error),
    }
}

/// Whether everything that was waited for is Ready.
async fn renew(args: &RenewArgs) -> Result<bool, String> {
    let connected = args.target.connect().await?;
    let certificates = selected(args, &connected.client, &connected.namespace).await?;
    let (mut requested, mut failures) = (Vec::new(), Vec::new());
    for certificate in certificates {
        // a conflict or a missing permission for one must not stop the others
        match request(&connected.client, certificate).await {
            Ok(one) => requested.push(one),
            Err(error) => failures.push(error),
        }
    }
    let mut renewed: Vec<Renewed> = requested.iter().map(Requested::renewed).collect();
    if args.wait {
        for one in &requested {
            super::remark(&format!("waiting for Certificate {}/{}", one.namespace, one.name));
        }
        renewed = wait(&connected.client, &requested, args.timeout).await?;
    }
    super::print_as(args.output, renewed.as_slice(), |renewed| {
        renewed.iter().map(Renewed::text).collect()
    })?;
    if failures.is_empty() {
        Ok(renewed.iter().all(|one| one.ready != Some(false)))
    } else {
        Err(failures.join("\ncertlet: "))
    }
}

/// The Certificates that the flags select.
async fn selected(args: &RenewArgs, client: &Client, namespace: &str) -> Result<Vec<Certificate>, String> {
    let mut certificates = Vec::new();
    let api: Api<Certificate> = Api::namespaced(client.clone(), namespace);
    for name in &args.names {
        let found = api.get(name).await;
        certificates.push(found.map_err(|error| failed("cannot read the Certificate", &error))?);
    }
    if args.names.is_empty() {
        let selected = args
            .selector
            .as_deref()
            .map_or_else(ListParams::default, |labels| ListParams::default().labels(labels));
        let namespace = (!args.all_namespaces).then_some(namespace);
        // one that cannot be decoded must not exclude the others
        certificates = list_readable(client, namespace, &selected)
            .await
            .map_err(|error| failed("cannot list Certificates", &error))?;
    }
    if certificates.is_empty() {
        return Err(nothing_selected(args, namespace));
    }
    Ok(certificates)
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

async fn request(client: &Client, mut certificate: Certificate) -> Result<Requested, String> {
    let (namespace, name) = (certificate.namespace().unwrap_or_default(), certificate.name_any());
    let api: Api<Certificate> = Api::namespaced(client.clone(), &namespace);
    let generation = certificate.metadata.generation;
    let status = certificate.status.get_or_insert_default();
    let before = Before::of(status);
    let issuing = Condition::new(
        condition::ISSUING,
        ConditionStatus::True,
        "ManuallyTriggered",
        "Certificate re-issuance manually triggered",
    );
    condition::set(&mut status.conditions, issuing.observed(generation), clock::now());
    let written = api.replace_status(&name, &PostParams::default(), &certificate).await;
    written.map_err(|error| failed(&format!("cannot request a new certificate for {name}"), &error))?;
    Ok(Requested {
        namespace,
        name,
        before,
    })
}

/// Waits until every issuance has ended, or the time is over.
async fn wait(client: &Client, requested: &[Requested], timeout: Duration) -> Result<Vec<Renewed>, String> {
    let deadline = tokio::time::Instant::now() + timeout;
    let mut renewed: Vec<Renewed> = Vec::new();
    for one in requested {
        let api: Api<Certificate> = Api::namespaced(client.clone(), &one.namespace);
        let found = loop {
            let certificate = api
                .get(&one.name)
                .await
                .map_err(|error| failed("cannot read the Certificate", &error))?;
            let progress = one.before.progress(&certificate.status.unwrap_or_default());
            let over = tokio::time::Instant::now() + INTERVAL > deadline;
            if over || !matches!(progress, Progress::Pending(_)) {
                break progress;
            }
            tokio::time::sleep(INTERVAL).await;
        };
        let (ready, revision, message) = match found {
            Progress::Ready(revision) => (true, Some(revision), String::new()),
            Progress::Failed(why) => (false, None, format!("its issuance failed: {why}")),
            Progress::Pending(why) => {
                let limit = timeout.as_secs();
                (
                    false,
                    None,
                    format!("its issuance is not complete after {limit}s: {why}"),
                )
            }
        };
        renewed.push(Renewed {
            ready: Some(ready),
            revision,
            message,
            ..one.renewed()
        });
    }
    Ok(renewed)
}

impl Requested {
    fn renewed(&self) -> Renewed {
        Renewed {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            ready: None,
            revision: None,
            message: String::new(),
        }
    }
}

impl Renewed {
    fn text(&self) -> String {
        let place = format!("{}/{}", self.namespace, self.name);
        match (self.ready, self.revision) {
            (None, _) => format!("Manually triggered issuance of Certificate {place}\n"),
            (Some(true), revision) => format!("Certificate {place} is renewed, revision {}\n", revision.unwrap_or(0)),
            (Some(false), _) => format!(
                "Certificate {place} is not renewed: {}. Look at: certlet status certificate {} -n {}\n",
                self.message.trim_end_matches('.'),
                self.name,
                self.namespace
            ),
        }
    }
}
