//! `certlet plan`: what the controller would do now, and why, from the same planners, without doing any of it.

mod flags;
mod mounted;
mod words;

use std::process::ExitCode;

use clap::Args;
use kube::Client;
use serde::Serialize;

use super::{status::Output, target};
use crate::{
    cluster::{
        self,
        index::Index,
        webhooks::{Which, find},
    },
    controller::{Controllers, Ports, sweep, wake},
    plan::{issuer::IssuerId, kinds::OrderKind, seen::ObjectKey},
    process::clock,
    runtime::run,
    text,
};

/// Something would be done. Not 1, which is an error, and not 2, which is a command line that makes no sense.
const SOMETHING: u8 = 3;

/// Says what the controller would do now, object by object, and why. Only reads; nothing to do is nothing printed.
///
/// The objects of other programs count too: run it before certlet takes over from cert-manager, and it prints what
/// would change. It plans with the flags of the controller that it finds in the cluster (a Deployment of cert-manager or
/// certlet), its configuration file included, or with those given after `--`. What a CA will answer is not known before it
/// is asked: an ACME server's renewal information is not looked at.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:
  0  there is nothing to do
  3  there is something to do; it has been printed
  1  it could not be found out
  2  the arguments make no sense

Examples:
  certlet plan -A                                     all namespaces; usually prints nothing
  certlet plan -n shop -o yaml
  certlet plan -A -- --cluster-resource-namespace=cert-manager --enable-certificate-owner-ref")]
pub(super) struct PlanArgs {
    /// Kubeconfig of the cluster; otherwise the variable KUBECONFIG, or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<String>,
    /// Namespace; otherwise the one of the kubeconfig's context
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// All namespaces, and what belongs to none
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Print for people, or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    /// Flags of `certlet run` (or of cert-manager's controller) to plan with
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// One thing that would be done for one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
    would: String,
    because: String,
}

/// Runs the command.
pub(super) fn run(args: &PlanArgs) -> ExitCode {
    match target::run_to_end(plan(args)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(SOMETHING),
        Err(error) => super::fail(&error),
    }
}

async fn plan(args: &PlanArgs) -> Result<usize, String> {
    let config = run::kube_config(args.kubeconfig.as_deref(), None)
        .await
        .map_err(|error| error.to_string())?;
    let client = cluster::client::connect_to_read(&config).map_err(|error| error.to_string())?;
    let own = args
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let namespace = (!args.all_namespaces).then_some(own);
    remark_on_webhooks(&client).await;
    let settings = flags::settings(&client, &args.flags).await?;
    let controllers = run::onlooker(&client, &settings).map_err(|error| error.to_string())?;
    run::read_everything(&client, &controllers.ports, namespace.as_deref())
        .await
        .map_err(|error| not_read(&error))?;
    let mut lines = lines(&controllers, namespace.is_none()).await?;
    lines.extend(left_behind(&controllers.ports, namespace.as_deref()).await);
    super::print_as(args.output, lines.as_slice(), |lines| {
        lines.iter().map(|line| line.text() + "\n").collect()
    })?;
    Ok(lines.len())
}

/// cert-manager's webhook outlives its program: what is planned cannot be written then.
async fn remark_on_webhooks(client: &Client) {
    match find(client, Which::All).await {
        Ok(webhooks) => {
            for webhook in webhooks {
                super::remark(&webhook.sentences());
            }
        }
        Err(error) => super::remark(&format!(
            "whether cert-manager's webhook stops writes is not known: {error}"
        )),
    }
}

fn not_read(error: &cluster::Error) -> String {
    if error.is_not_found() {
        return format!("{error}. Are the definitions in crds/, or those of cert-manager, applied?");
    }
    if error.is_forbidden() {
        return format!(
            "{error}. To plan, certlet has to read what the controller reads: everything of cert-manager's groups, Ingresses, and Secrets"
        );
    }
    error.to_string()
}

impl Line {
    fn new(kind: &'static str, key: &ObjectKey, (would, because): (String, String)) -> Self {
        Self {
            kind,
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            would,
            because,
        }
    }

    fn text(&self) -> String {
        let Self {
            kind,
            namespace,
            name,
            would,
            because,
        } = self;
        let place = if namespace.is_empty() {
            name.clone()
        } else {
            format!("{namespace}/{name}")
        };
        let because = because.trim_end_matches('.');
        text::line(&format!("{kind} {place}: {would}. Because: {because}")).into_owned()
    }
}

/// What cannot be judged is a line too: it is not settled.
fn unjudged(kind: &'static str, key: &ObjectKey, error: &dyn std::fmt::Display) -> Line {
    let would = "try to find out what is to be done, again and again".to_owned();
    Line::new(kind, key, (would, error.to_string()))
}

/// Everything that would be done, in the order in which the kinds depend on each other.
async fn lines(controllers: &Controllers, whole_cluster: bool) -> Result<Vec<Line>, String> {
    let index = &controllers.ports.index;
    let mut lines = Vec::new();
    let mut add = |kind, key: &ObjectKey, said: Vec<(String, String)>| {
        lines.extend(said.into_iter().map(|said| Line::new(kind, key, said)));
    };
    let mut failed = Vec::new();
    let mut issuers = index.issuers.keys();
    if whole_cluster {
        issuers.extend(index.cluster_issuers.keys());
    }
    for id in issuers.into_iter().map(IssuerId) {
        match controllers.issuers.dry_run(&id).await {
            Ok(Some(outlook)) => add(id.kind(), &id.0, words::issuer(&id, &outlook, index)),
            Ok(None) => {}
            Err(error) => failed.push(unjudged(id.kind(), &id.0, &error)),
        }
    }
    for key in index.ingresses.keys() {
        if let Some((_, plan)) = controllers.ingresses.dry_run(&key) {
            add("Ingress", &key, words::ingress(&plan));
        }
    }
    for key in index.certificates.keys() {
        match controllers.certificates.dry_run(&key).await {
            Ok(Some(outlook)) => {
                if let (true, Some(refused)) = (outlook.plan.effects.is_empty(), &outlook.later) {
                    super::remark(&format!(
                        "Certificate {key} stays as it is, but its next issuance will be refused: {refused}"
                    ));
                }
                add("Certificate", &key, words::certificate(&outlook));
            }
            Ok(None) => {}
            Err(error) => failed.push(unjudged("Certificate", &key, &error)),
        }
    }
    for key in index.requests.keys() {
        if let Some((request, plan)) = controllers.requests.dry_run(&key) {
            add(
                "CertificateRequest",
                &key,
                words::request(clock::now(), &request, &plan),
            );
        }
    }
    for key in order_keys(index) {
        match controllers.orders.dry_run(&key).await {
            Ok(outlook) => {
                for challenge in &outlook.released {
                    add("Challenge", &challenge.key, vec![words::released()]);
                }
                if let Some((order, plan)) = &outlook.order {
                    add("Order", &key, words::order(order, plan));
                }
            }
            Err(error) => failed.push(unjudged("Order", &key, &error)),
        }
    }
    if whole_cluster {
        for key in wake::waiting_signing_requests(index) {
            let step = controllers.signing_requests.dry_run(&key);
            add("CertificateSigningRequest", &key, words::signing_request(step.as_ref()));
        }
    }
    lines.extend(failed);
    Ok(lines)
}

/// What the hourly sweep would remove. Whoever may not list it is told so: the rest of the plan does not depend on it.
async fn left_behind(ports: &Ports, namespace: Option<&str>) -> Vec<Line> {
    match sweep::left_behind(ports, namespace).await {
        Ok(strays) => strays
            .iter()
            .map(|stray| {
                let (kind, key, said) = words::stray(stray);
                Line::new(kind, &key, said)
            })
            .collect(),
        Err(error) => {
            super::remark(&format!(
                "what challenges may have left behind was not looked at: {error}"
            ));
            Vec::new()
        }
    }
}

/// Orders, and those that are gone while Challenges of theirs are still there.
fn order_keys(index: &Index) -> Vec<ObjectKey> {
    let challenges = index.challenges.all();
    let owners = challenges.iter().filter_map(|challenge| {
        let owner = challenge.meta.controller_of_kind::<OrderKind>()?;
        Some(challenge.meta.key.sibling(&*owner.name))
    });
    let mut keys = index.orders.keys();
    keys.extend(owners);
    keys.sort();
    keys.dedup();
    keys
}
