//! `certlet plan`: the dry run. Shows what the controller would do now, and why, with the same planners.

mod actions;
pub(super) mod flags;
mod mounted;

use std::process::ExitCode;

use clap::Args;
use kube::Client;
use serde::Serialize;

use super::{
    format::Format,
    target::{self, Target},
};
use crate::{
    cluster::{
        self,
        index::Index,
        webhooks::{Which, find},
    },
    controller::{Controllers, Ports, signing_request, sweep},
    plan::{issuer::IssuerId, kinds::OrderKind, seen::ObjectKey},
    process::{clock, environment::Environment},
    runtime::run,
    text,
};

/// Exit status if there is something to do. 1 is for errors, 2 for invalid arguments.
const SOMETHING: u8 = 3;

/// Show what the controller would do now for each object, and why. Reads only, and prints nothing if there is nothing to do
///
/// Objects that cert-manager created count, too: before a take-over, the output shows what certlet would change. The flags
/// are those of the controller in the cluster (a Deployment of cert-manager or certlet, with its configuration file), or
/// those after `--`. No CA is contacted: ARI is not evaluated, and the answers of an ACME server are not known.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:
  0  there is nothing to do
  3  there is something to do; it was printed
  1  an error; the plan is incomplete
  2  invalid arguments

Examples:
  certlet plan -A                                     all namespaces; usually prints nothing
  certlet plan -n shop -o yaml
  certlet plan -A -- --cluster-resource-namespace=cert-manager --enable-certificate-owner-ref")]
pub(super) struct PlanArgs {
    #[command(flatten)]
    target: Target,
    /// All namespaces, and cluster-scoped objects
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    /// Flags of `certlet run`, or of cert-manager's controller, to plan with
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// One action for one object, and its reason.
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
    let target::Connected { client, namespace: own } = args.target.connect_to_read().await?;
    let namespace = (!args.all_namespaces).then_some(own);
    remark_on_webhooks(&client).await;
    let settings = flags::settings(&client, &args.flags).await?;
    let controllers =
        run::dry_run_context(&client, &settings, Environment::read()).map_err(|error| error.to_string())?;
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

/// Remarks on webhooks of cert-manager that would reject the planned writes. They can outlive cert-manager.
async fn remark_on_webhooks(client: &Client) {
    match find(client, Which::All).await {
        Ok(webhooks) => {
            for webhook in webhooks {
                super::remark(&webhook.sentences());
            }
        }
        Err(error) => super::remark(&format!(
            "cannot check whether cert-manager's webhook rejects writes: {error}"
        )),
    }
}

fn not_read(error: &cluster::Error) -> String {
    if error.is_not_found() {
        return format!("{error}. Are the definitions in crds/, or those of cert-manager, applied?");
    }
    if error.is_forbidden() {
        return format!(
            "{error}. To plan, certlet needs the controller's read permissions: all of cert-manager's groups, Ingresses, and Secrets"
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

/// The line for an object that cannot be planned.
fn unplanned(kind: &'static str, key: &ObjectKey, error: &dyn std::fmt::Display) -> Line {
    let would = "retry until it can be planned".to_owned();
    Line::new(kind, key, (would, error.to_string()))
}

/// All actions, in the order in which the kinds depend on each other.
async fn lines(controllers: &Controllers, whole_cluster: bool) -> Result<Vec<Line>, String> {
    let index = &controllers.ports.index;
    let mut lines = Vec::new();
    let mut add = |kind, key: &ObjectKey, actions: Vec<(String, String)>| {
        lines.extend(actions.into_iter().map(|action| Line::new(kind, key, action)));
    };
    let mut failed = Vec::new();
    let mut issuers = index.issuers.keys();
    if whole_cluster {
        issuers.extend(index.cluster_issuers.keys());
    }
    for id in issuers.into_iter().map(IssuerId) {
        match controllers.issuers.dry_run(&id).await {
            Ok(Some(dry_run)) => add(id.kind(), &id.0, actions::issuer(&id, &dry_run, index)),
            Ok(None) => {}
            Err(error) => failed.push(unplanned(id.kind(), &id.0, &error)),
        }
    }
    for key in index.ingresses.keys() {
        if let Some((_, plan)) = controllers.ingresses.dry_run(&key) {
            add("Ingress", &key, actions::ingress(&plan));
        }
    }
    for key in index.certificates.keys() {
        match controllers.certificates.dry_run(&key).await {
            Ok(Some(dry_run)) => {
                if let (true, Some(refused)) = (dry_run.plan.effects.is_empty(), &dry_run.later) {
                    super::remark(&format!(
                        "Certificate {key} needs no action now, but its next issuance will fail: {refused}"
                    ));
                }
                add("Certificate", &key, actions::certificate(&dry_run));
            }
            Ok(None) => {}
            Err(error) => failed.push(unplanned("Certificate", &key, &error)),
        }
    }
    for key in index.requests.keys() {
        if let Some((request, plan)) = controllers.requests.dry_run(&key) {
            add(
                "CertificateRequest",
                &key,
                actions::request(clock::now(), &request, &plan),
            );
        }
    }
    for key in order_keys(index) {
        match controllers.orders.dry_run(&key).await {
            Ok(dry_run) => {
                for challenge in &dry_run.released {
                    add("Challenge", &challenge.key, vec![actions::released()]);
                }
                if let Some((order, plan)) = &dry_run.order {
                    add("Order", &key, actions::order(order, plan));
                }
            }
            Err(error) => failed.push(unplanned("Order", &key, &error)),
        }
    }
    if whole_cluster {
        for key in signing_request::waiting(index) {
            let step = controllers.signing_requests.dry_run(&key);
            add(
                "CertificateSigningRequest",
                &key,
                actions::signing_request(step.as_ref()),
            );
        }
    }
    lines.extend(failed);
    Ok(lines)
}

/// What the hourly clean-up would remove. A missing permission is a remark: the rest of the plan does not depend on it.
async fn left_behind(ports: &Ports, namespace: Option<&str>) -> Vec<Line> {
    match sweep::left_behind(ports, namespace).await {
        Ok(strays) => strays
            .iter()
            .map(|stray| {
                let (kind, key, action) = actions::stray(stray);
                Line::new(kind, &key, action)
            })
            .collect(),
        Err(error) => {
            super::remark(&format!("cannot check for left-over objects of challenges: {error}"));
            Vec::new()
        }
    }
}

/// Orders, and deleted Orders that still have Challenges.
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
