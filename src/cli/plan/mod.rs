//! `certlet plan`: the dry run. Shows what the controller would do now, and why, with the same planners.

mod actions;
mod copied;
pub(super) mod flags;
mod mounted;
mod renewable;
mod summary;

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use kube::Client;
use serde::Serialize;

use super::{
    check::rights::{self, Installation},
    format::Format,
    target::{self, Target},
};
use crate::{
    cluster::{
        self,
        index::Index,
        reader::Reader,
        webhooks::{Which, find},
    },
    controller::{Controllers, Ports, certificate::CertificateDryRun, injection, signing::Ask, signing_request, sweep},
    plan::{
        issuer::IssuerId,
        kinds::{GatewayKind, IngressKind, ListenerSetKind, OrderKind},
        seen::{Kind, ObjectKey},
        shim::ShimPlan,
    },
    process::{clock, environment::Environment},
    runtime::run,
    text,
};
use flags::{Chosen, Places, Running};

/// Show what the controller would do now for each object, and why. Reads only, and prints nothing if there is nothing to do
///
/// Objects that cert-manager created count, too: before a take-over, the output shows what certlet would change. The flags
/// are those of the controller in the cluster (a Deployment of cert-manager or certlet, with its configuration file), or
/// those after `--`. A Deployment counts in the namespace that is named (--controller-namespace, -n), in cert-manager, or if its pod
/// holds the Lease. No CA is contacted: ARI is not evaluated, and the answers of an ACME server are not known.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:
  0  there is nothing to do
  3  there is something to do; it was printed
  1  an error; the plan is incomplete
  2  invalid arguments

Examples:
  certlet plan -A                                     all namespaces; usually prints only a summary, on standard error
  certlet plan -n shop -o yaml
  certlet plan -A -- --cluster-resource-namespace=cert-manager --enable-certificate-owner-ref")]
pub(super) struct PlanArgs {
    #[command(flatten)]
    target: Target,
    /// All namespaces, and cluster-scoped objects
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Namespace of the controller's Deployment, whose flags are used. No other counts then
    #[arg(long, value_name = "NAMESPACE")]
    controller_namespace: Option<String>,
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
        Ok(_) => ExitCode::from(super::NEGATIVE),
        Err(error) => super::fail(&error),
    }
}

async fn plan(args: &PlanArgs) -> Result<usize, String> {
    let target::Connected {
        client,
        namespace: own,
        api_server_ca,
    } = args.target.connect_to_read().await?;
    let namespace = (!args.all_namespaces).then_some(own);
    remark_on_webhooks(&client).await;
    let places = Places {
        controller: args.controller_namespace.as_deref(),
        command: args.target.namespace.as_deref(),
    };
    let chosen = flags::settings(&client, places, &args.flags).await?;
    for text in &chosen.remarks {
        super::remark(text);
    }
    let reader = Reader::new(client.clone());
    remark_on_rights(&reader, &chosen).await;
    let controllers = run::dry_run_context(&client, &chosen.settings, Environment::read(), api_server_ca)
        .map_err(|error| error.to_string())?;
    if let Err(error) = run::read_everything(&client, &controllers.ports, namespace.as_deref()).await {
        return Err(not_read(&reader, &chosen, namespace.as_deref(), &error).await);
    }
    let mut planned = planned(&controllers, namespace.is_none()).await;
    planned
        .lines
        .extend(left_behind(&controllers.ports, namespace.as_deref()).await);
    super::print_as(args.output, planned.lines.as_slice(), |lines| {
        lines.iter().map(|line| line.text() + "\n").collect()
    })?;
    super::remark(&summary::sentence(&planned, &controllers.ports.index));
    Ok(planned.lines.len())
}

/// Remarks on rights that certlet's ServiceAccount does not have. cert-manager's gets certlet's roles with the installation.
async fn remark_on_rights(reader: &Reader, chosen: &Chosen) {
    let Some(running) = chosen.running.as_ref().filter(|running| running.is_certlet) else {
        return;
    };
    let installation = installation(chosen, running);
    match rights::lacking(reader, &installation).await {
        Ok(lacking) if lacking.is_empty() => {}
        Ok(lacking) => super::remark(&format!(
            "the controller cannot do all of this: ServiceAccount {}/{} lacks {}. {}",
            installation.namespace,
            installation.service_account,
            rights::sentence(&lacking),
            rights::GIVE
        )),
        Err(error) => super::remark(&format!("cannot check the rights of the controller: {error}")),
    }
}

fn installation<'a>(chosen: &'a Chosen, running: &'a Running) -> Installation<'a> {
    Installation {
        settings: &chosen.settings,
        namespace: &running.namespace,
        service_account: &running.service_account,
        lease_namespace: chosen.lease_namespace.as_deref(),
    }
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

/// Why the objects cannot be read, with all rights that are missing for that.
async fn not_read(reader: &Reader, chosen: &Chosen, namespace: Option<&str>, error: &cluster::Error) -> String {
    if error.is_not_found() {
        return format!("{error}. Are the definitions in crds/, or those of cert-manager, applied?");
    }
    if !error.is_forbidden() {
        return error.to_string();
    }
    let unknown = Running::default();
    let running = chosen.running.as_ref().unwrap_or(&unknown);
    let reads = rights::reads(&installation(chosen, running), namespace);
    let lacks = match rights::caller_lacks(reader, reads).await {
        Ok(lacks) if !lacks.is_empty() => format!(". You lack {}", rights::sentence(&lacks)),
        Ok(_) | Err(_) => String::new(),
    };
    format!(
        "{error}. To plan, certlet needs the controller's read permissions: all of cert-manager's groups, Ingresses, and Secrets{lacks}"
    )
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

/// What was planned.
#[derive(Clone, Debug, Default)]
struct Planned {
    /// All actions, in the order in which the kinds depend on each other.
    lines: Vec<Line>,
    /// Certificates that cannot be issued again, each with the reason.
    unrenewable: Vec<(ObjectKey, String)>,
}

/// Plans for every object, and remarks on Certificates that cannot be issued again.
async fn planned(controllers: &Controllers, whole_cluster: bool) -> Planned {
    let index = &controllers.ports.index;
    let mut lines = Vec::new();
    let mut unrenewable = Vec::new();
    let mut add = |kind, key: &ObjectKey, actions: Vec<(String, String)>| {
        lines.extend(actions.into_iter().map(|action| Line::new(kind, key, action)));
    };
    let mut failed = Vec::new();
    let mut issuers = index.issuers.keys();
    if whole_cluster {
        issuers.extend(index.cluster_issuers.keys());
    }
    for id in issuers.into_iter().map(IssuerId) {
        match controllers.issuers.dry_run(&id, Ask::Nothing).await {
            Ok(Some(dry_run)) => add(id.kind(), &id.0, actions::issuer(&id, &dry_run, index)),
            Ok(None) => {}
            Err(error) => failed.push(unplanned(id.kind(), &id.0, &error)),
        }
    }
    for (kind, key, plan) in shims(controllers) {
        add(kind, &key, actions::shim(kind, &plan));
    }
    for key in index.certificates.keys() {
        match controllers.certificates.dry_run(&key).await {
            Ok(Some(dry_run)) => {
                if let (true, Some(refused)) = (dry_run.plan.effects.is_empty(), &dry_run.later) {
                    super::remark(&format!(
                        "Certificate {key} needs no action now, but its next issuance will fail: {refused}"
                    ));
                }
                if let Some(why) = not_served(&controllers.ports, &dry_run) {
                    super::remark(&format!(
                        "Certificate {key} cannot be issued again by this version: {why}"
                    ));
                    unrenewable.push((key.clone(), why));
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
        lines.extend(signed_by_cluster(controllers));
        lines.extend(injected(controllers).await);
        lines.extend(copied::lines(controllers).await);
    }
    lines.extend(failed);
    Planned { lines, unrenewable }
}

/// The plans of all annotated objects, each with its kind.
fn shims(controllers: &Controllers) -> Vec<(&'static str, ObjectKey, ShimPlan)> {
    let index = &controllers.ports.index;
    let ingresses = index.ingresses.keys().into_iter();
    let gateways = index.gateways.keys().into_iter();
    let listener_sets = index.listener_sets.keys().into_iter();
    let ingresses = ingresses.map(|key| (IngressKind::KIND, controllers.ingresses.dry_run(&key), key));
    let gateways = gateways.map(|key| (GatewayKind::KIND, controllers.gateways.dry_run(&key), key));
    let listener_sets = listener_sets.map(|key| (ListenerSetKind::KIND, controllers.listener_sets.dry_run(&key), key));
    let all = ingresses.chain(gateways).chain(listener_sets);
    all.filter_map(|(kind, planned, key)| planned.map(|(_, plan)| (kind, key, plan)))
        .collect()
}

/// Plans for every CertificateSigningRequest.
fn signed_by_cluster(controllers: &Controllers) -> Vec<Line> {
    let waiting = signing_request::waiting(&controllers.ports.index).into_iter();
    let lines = waiting.flat_map(|key| {
        let step = controllers.signing_requests.dry_run(&key);
        let actions = actions::signing_request(step.as_ref()).into_iter();
        let lines = actions.map(|action| Line::new("CertificateSigningRequest", &key, action));
        lines.collect::<Vec<_>>()
    });
    lines.collect()
}

/// Plans for every object into which a CA is injected.
async fn injected(controllers: &Controllers) -> Vec<Line> {
    let mut lines = Vec::new();
    for id in injection::all(&controllers.ports.index) {
        let (kind, key) = (id.kind.name(), ObjectKey::cluster(Arc::clone(&id.name)));
        match controllers.injections.dry_run(&id).await {
            Ok(Some(dry_run)) => {
                let actions = actions::injection(&dry_run).into_iter();
                lines.extend(actions.map(|action| Line::new(kind, &key, action)));
            }
            Ok(None) => {}
            Err(error) => lines.push(unplanned(kind, &key, &error)),
        }
    }
    lines
}

/// Why a Certificate cannot be issued again, if certlet does not serve what it needs.
fn not_served(ports: &Ports, dry_run: &CertificateDryRun) -> Option<String> {
    let certificate = dry_run.record.parse().ok()?;
    let issuer = cluster::issuers::find(&ports.index, &certificate.spec.issuer_ref, certificate.meta.namespace());
    let labels = certificate.meta.labels.iter();
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    renewable::obstacle(&certificate.spec, &labels, &issuer, &ports.settings.gateway)
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
