//! `certlet check`: reads what the checks need, in order, and prints what they find.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use futures::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};

use super::{
    definitions,
    finding::{Finding, Verdict},
    gateway,
    ingress::{self, At, Probed},
    interrupt::{Interrupt, interrupt, never, unless},
    issuers, lease, owners, policies, program,
    rights::{self, Installation},
    servers, webhooks,
};
use crate::{
    cli::{
        args::duration,
        format::Format,
        plan::flags::{self, Chosen, Places},
        print_as, remark,
        target::{Connected, Target, run_to_end},
    },
    cluster::{
        self,
        controllers::USUAL_NAMESPACE,
        reader::Reader,
        webhooks::{Which, find},
    },
    controller::{Controllers, signing::Ask},
    net::{ClientSettings, ExtraRoots, proxy_hosts},
    plan::issuer::IssuerId,
    process::{clock, environment::Environment},
    runtime::run::{dry_run_context, read_everything},
};

/// The ServiceAccount of certlet in the manifests.
const USUAL_ACCOUNT: &str = "cert-manager";
const NAMESPACE: &str =
    "Namespace of certlet's Deployment. Default: cert-manager, or that of the Deployment whose pod holds the Lease";
/// Interval of checks with --wait.
const AGAIN: Duration = Duration::from_secs(2);
/// Issuers whose Secrets are read at the same time.
const CONCURRENT: usize = 8;
/// Time limit of the request to an ACME server.
const ACME_TIMEOUT: Duration = Duration::from_secs(10);

/// See [`super`].
#[derive(Args, Clone, Debug)]
#[command(mut_arg("namespace", |arg| arg.help(NAMESPACE)))]
pub(super) struct GeneralArgs {
    #[command(flatten)]
    target: Target,
    /// Output format
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    /// Check again until nothing fails, for this long at most, for example 2m
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    wait: Option<Duration>,
    /// Also check that certlet is reached through each IngressClass, with a temporary Ingress, Service and EndpointSlice in its
    /// namespace. The address of the ingress controller is that in the status of the Ingress, or this one
    #[arg(
        long,
        value_name = "[CLASS=]ADDRESS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_delimiter = ','
    )]
    probe_ingress: Vec<At>,
    /// Remove webhook configurations that cert-manager has left and that nothing answers. Asks before it does
    #[arg(long)]
    fix: bool,
    /// Do not ask
    #[arg(short, long, requires = "fix")]
    yes: bool,
    /// Flags of `certlet run` to check with, instead of those of the Deployment
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &GeneralArgs) -> ExitCode {
    match run_to_end(check(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(crate::cli::NEGATIVE),
        Err(error) => crate::cli::fail(&error),
    }
}

async fn check(args: &GeneralArgs) -> Result<bool, String> {
    let connected = args.target.connect_to_read().await?;
    if args.fix {
        fix(&args.target, args.yes).await?;
    }
    let (writer, interrupt) = if args.probe_ingress.is_empty() {
        (None, never())
    } else {
        (Some(Reader::new(args.target.connect().await?.client)), interrupt())
    };
    let deadline = args.wait.map(|wait| Instant::now() + wait);
    loop {
        let round = Box::pin(round(args, &connected, writer.as_ref(), &interrupt)).await;
        // --wait does not retry an interruption
        unless(&interrupt, async {}).await?;
        let is_good = round.as_ref().is_ok_and(|(findings, _)| is_good(findings));
        let is_over = deadline.is_none_or(|deadline| Instant::now() + AGAIN > deadline);
        if is_good || is_over {
            let (findings, remarks) = round?;
            for text in &remarks {
                remark(text);
            }
            print_as(args.output, findings.as_slice(), |findings| {
                findings.iter().map(|finding| finding.text() + "\n").collect()
            })?;
            return Ok(is_good);
        }
        unless(&interrupt, sleep(AGAIN)).await?;
    }
}

fn is_good(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict != Verdict::Failure)
}

async fn fix(target: &Target, yes: bool) -> Result<(), String> {
    let reader = Reader::new(target.connect().await?.client);
    webhooks::fix(&reader, yes).await
}

/// All checks once, with remarks on the flags. `writer` creates the temporary objects of a probe, which are removed if it is interrupted.
async fn round(
    args: &GeneralArgs,
    connected: &Connected,
    writer: Option<&Reader>,
    interrupt: &Interrupt,
) -> Result<(Vec<Finding>, Vec<String>), String> {
    let (mut findings, chosen) = unless(interrupt, of_reading(args, connected)).await??;
    if let Some(writer) = writer {
        let own = args.target.namespace.as_deref().unwrap_or(USUAL_NAMESPACE);
        let http01 = &chosen.settings.http01;
        let probed = Probed {
            namespace: chosen.running.as_ref().map_or(own, |running| &running.namespace),
            advertised: &http01.advertise,
            port: http01.port,
            at: &args.probe_ingress,
        };
        let found = ingress::probe(writer, &probed, interrupt.clone()).await;
        if let Err(error) = unless(interrupt, async {}).await {
            for finding in found.iter().filter(|finding| finding.verdict != Verdict::Ok) {
                remark(&finding.text());
            }
            return Err(error);
        }
        findings.extend(found);
    }
    Ok((findings, chosen.remarks))
}

/// The checks that only read.
async fn of_reading(args: &GeneralArgs, connected: &Connected) -> Result<(Vec<Finding>, Chosen), String> {
    let reader = Reader::new(connected.client.clone());
    let asked = clock::now();
    let (version, headers) = reader.server_version().await.map_err(|error| error.to_string())?;
    let skew = servers::skew(asked, &headers);
    let places = Places {
        controller: args.target.namespace.as_deref(),
        command: None,
    };
    let chosen = flags::settings(&connected.client, places, &args.flags).await?;
    let own = args.target.namespace.as_deref().unwrap_or(USUAL_NAMESPACE);
    let running = chosen.running.as_ref();
    let installation = Installation {
        settings: &chosen.settings,
        namespace: running.map_or(own, |running| &running.namespace),
        service_account: running.map_or(USUAL_ACCOUNT, |running| &running.service_account),
        lease_namespace: chosen.lease_namespace.as_deref(),
    };
    let mut findings = vec![program::server(&version), program::deployment(running, own)];
    let definitions = definitions::observe(&reader).await;
    findings.extend(of_definitions(&reader, &definitions).await);
    findings.extend(match gateway::observe(&reader).await {
        Ok(served) => gateway::verdict(&chosen.settings.gateway, &served),
        Err(error) => Some(Finding::unknown("gateway", &error)),
    });
    findings.extend(match policies::observe(&reader, &version).await {
        Ok(seen) => policies::verdict(&seen),
        Err(error) => vec![Finding::unknown("policies", &error)],
    });
    findings.push(match rights::lacking(&reader, &installation).await {
        Ok(lacking) => rights::verdict(&installation, &lacking),
        Err(error) => Finding::unknown("rights", &error),
    });
    if let Some(namespace) = installation.lease_namespace {
        let now = skew.map_or_else(clock::now, |skew| {
            clock::now().saturating_add(skew).unwrap_or_else(|_| clock::now())
        });
        findings.extend(match lease::observe(&reader, namespace, running).await {
            Ok(seen) => lease::verdict(now, namespace, &seen, running),
            Err(error) => vec![Finding::unknown("lease", &error)],
        });
    }
    findings.extend(match find(reader.client(), Which::All).await {
        Ok(found) => webhooks::verdict(&found),
        Err(error) => vec![Finding::unknown("webhooks", &error)],
    });
    findings.extend(
        match parts(&reader, &installation, definitions.as_deref().unwrap_or_default()).await {
            Ok(parts) => owners::verdict(running.map(|running| &running.meta), &parts),
            Err(error) => vec![Finding::unknown("owners", &error)],
        },
    );
    findings.extend(of_issuers(connected, &chosen, skew).await?);
    Ok((findings, chosen))
}

async fn of_definitions(reader: &Reader, seen: &Result<Vec<definitions::Seen>, cluster::Error>) -> Vec<Finding> {
    match seen {
        Ok(seen) => definitions::verdict(seen),
        Err(error) if error.is_forbidden() => match definitions::observe_served(reader).await {
            Ok(served) => vec![definitions::verdict_served(&served)],
            Err(error) => vec![Finding::unknown("definitions", &error)],
        },
        Err(error) => vec![Finding::unknown("definitions", error)],
    }
}

/// The objects of the installation whose owners matter.
async fn parts(
    reader: &Reader,
    installation: &Installation<'_>,
    definitions: &[definitions::Seen],
) -> Result<Vec<owners::Part>, cluster::Error> {
    let (namespace, name) = (installation.namespace, installation.service_account);
    let account = reader.service_account(namespace, name).await?;
    let account = account.map(|meta| owners::Part {
        what: format!("ServiceAccount {namespace}/{name}"),
        kind: "ServiceAccount",
        meta,
    });
    let roles = reader.role_metadata().await?;
    // cert-manager's own roles may go with its release
    let ours = roles.into_iter().filter(|meta| {
        let label = meta.labels.as_ref().and_then(|all| all.get("app.kubernetes.io/name"));
        label.is_some_and(|name| name == "certlet")
    });
    let roles = ours.map(|meta| owners::Part {
        what: format!("cluster role {}", meta.name.as_deref().unwrap_or_default()),
        kind: "cluster roles and bindings",
        meta,
    });
    let definitions = definitions::found(definitions).map(|(name, found)| owners::Part {
        what: format!("definition {name}"),
        kind: "definitions",
        meta: found.meta.clone(),
    });
    Ok(account.into_iter().chain(roles).chain(definitions).collect())
}

/// The checks of issuers, ACME servers and clocks, which need what the controller reads.
async fn of_issuers(
    connected: &Connected,
    chosen: &Chosen,
    skew: Option<jiff::SignedDuration>,
) -> Result<Vec<Finding>, String> {
    let environment = Environment::read();
    let client = ClientSettings {
        extra_roots: ExtraRoots::from(&environment),
        proxies: proxy_hosts(environment.proxies.clone()),
        addresses: chosen.settings.outgoing.clone(),
        request_timeout: ACME_TIMEOUT,
        ..ClientSettings::default()
    };
    let context = dry_run_context(
        &connected.client,
        &chosen.settings,
        environment,
        connected.api_server_ca.clone(),
    );
    let controllers = context.map_err(|error| error.to_string())?;
    let namespace = chosen.settings.namespace.as_deref();
    if let Err(error) = read_everything(&connected.client, &controllers.ports, namespace).await {
        let clocks = servers::clocks(skew, &[]);
        return Ok([vec![Finding::unknown("issuers", &error)], clocks].concat());
    }
    let index = &controllers.ports.index;
    let ids = cluster::issuers::all(index);
    let judged = ids.iter().map(|id| judge(&controllers, id));
    let judged: Vec<Option<issuers::Seen>> = stream::iter(judged).buffered(CONCURRENT).collect().await;
    let judged: Vec<issuers::Seen> = judged.into_iter().flatten().collect();
    // the checks of Vault issuers have logged in
    controllers.services.signing.vault.end().await;
    let found: Vec<_> = ids
        .into_iter()
        .map(|id| (id.clone(), cluster::issuers::get(index, id)))
        .collect();
    let acme = found
        .iter()
        .filter_map(|(id, lookup)| Some((id.clone(), lookup.found()?.spec.acme.as_ref()?)));
    let places = servers::places(acme);
    let left_out = servers::left_out(places.len());
    let answers = servers::observe(places, &client).await;
    Ok([
        issuers::verdict(&judged),
        servers::verdict(&answers),
        left_out.into_iter().collect(),
        servers::clocks(skew, &answers),
    ]
    .concat())
}

async fn judge(controllers: &Controllers, id: &IssuerId) -> Option<issuers::Seen> {
    let dry_run = controllers.issuers.dry_run(id, Ask::Command).await;
    let dry_run = dry_run.map_err(|error| error.to_string()).transpose()?;
    Some((id.clone(), dry_run))
}
