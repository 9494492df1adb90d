//! `certlet check dns01`: tries the dns01 solver of an issuer for a name, step by step.

use std::{process::ExitCode, sync::Arc};

use clap::Args;

use crate::{
    api::{challenge::ChallengeType, dns_persist::DnsPersist},
    cli::{
        dns_persist,
        plan::flags::{self, Chosen, Places},
        target::{Target, run_to_end},
    },
    controller::solving::dns01::{
        Access, Dns01, Found, Persist, Record,
        trial::{Finding, Verdict, trial, value},
    },
    plan::order::{
        identifiers::parts,
        memory::NotYet,
        persist::{Demand, ends_soon},
        timing,
    },
    process::{clock, environment::Environment},
    runtime::run,
    solver::select::{Method, OrderMeta, Wanted, select},
};

use super::{finding, interrupt::interrupt};

/// See [`super`].
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:
  0  challenges for this name can succeed, as far as it was tried
  3  they fail; the last line says why
  1  an error
  2  invalid arguments

Secrets are read with your own rights, and cloud credentials are those of this machine. To try those of certlet's pod:
  kubectl -n cert-manager exec deploy/certlet -- certlet check dns01 letsencrypt www.example.com

Examples:
  certlet check dns01 letsencrypt www.example.com -n shop
  certlet check dns01 letsencrypt '*.example.com' --cluster-issuer --write")]
pub(super) struct Dns01Args {
    /// Name of the Issuer
    #[arg(add = clap_complete::engine::ArgValueCandidates::new(crate::cli::complete::issuers))]
    issuer: String,
    /// The DNS name that a certificate is wanted for, for example `*.example.com`
    name: String,
    /// The issuer is a ClusterIssuer
    #[arg(long)]
    cluster_issuer: bool,
    /// Write a TXT record with a random value, wait until the name servers have it, and remove it
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    target: Target,
    /// Flags of `certlet run`, or of cert-manager's controller, to check with
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &Dns01Args) -> ExitCode {
    match run_to_end(check(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(crate::cli::NEGATIVE),
        Err(error) => crate::cli::fail(&error),
    }
}

async fn check(args: &Dns01Args) -> Result<bool, String> {
    let connected = args.target.connect().await?;
    let id = dns_persist::id(&args.issuer, args.cluster_issuer, &connected.namespace);
    let (spec, status) = dns_persist::issuer(&connected, &id).await?;
    let Some(acme) = spec.acme else {
        return Err(format!("{id} is no ACME issuer: it has no solvers"));
    };
    let (identifier, wildcard) = parts(&args.name);
    let wanted = Wanted {
        identifier,
        wildcard,
        offered: &[ChallengeType::Dns01, ChallengeType::Http01],
        persist: true,
    };
    let selected = select(&acme.solvers, OrderMeta::absent(), wanted).map_err(|error| error.to_string())?;
    let (method @ (Method::Dns01 | Method::DnsPersist(_)), Some(dns01)) = (selected.method, selected.solver.dns01)
    else {
        return Err(format!(
            "spec.acme.solvers[{}] of {id} is selected for {}, and it is no dns01 solver",
            selected.index, args.name
        ));
    };
    print(&Finding {
        about: "solver",
        verdict: Verdict::Good,
        sentence: format!(
            "spec.acme.solvers[{}] of {id} is selected for {}",
            selected.index, args.name
        ),
    });
    let places = Places {
        controller: None,
        command: args.target.namespace.as_deref(),
    };
    let Chosen { settings, remarks, .. } = flags::settings(&connected.client, places, &args.flags).await?;
    for remark in &remarks {
        crate::cli::remark(remark);
    }
    let environment = Environment::read();
    let controllers = run::dry_run_context(&connected.client, &settings, environment, connected.api_server_ca)
        .map_err(|error| error.to_string())?;
    if let Method::DnsPersist(persist) = method {
        let demand = dns_persist::demand(&id, &acme, &status, &args.name, None, &settings).await;
        let dns01 = (&dns01.nameservers, &controllers.services.solving.dns01);
        return Ok(persists(demand, persist, dns01.0, dns01.1).await);
    }
    let record = Record {
        dns01: Arc::clone(&controllers.services.solving.dns01),
        access: Access::of_issuer(&controllers.ports, dns01, &id),
        challenge: "check".into(),
        identifier: identifier.to_ascii_lowercase(),
        target: None,
        value: value(),
    };
    let good = trial(record, args.write, interrupt(), |finding| print(&finding)).await;
    if good && !args.write {
        crate::cli::remark("the right to write was not tried: --write writes a TXT record, and removes it");
    }
    Ok(good)
}

/// Looks for the record of dns-persist-01, which a user writes.
async fn persists(
    demand: Result<Demand, String>,
    settings: DnsPersist,
    nameservers: &[String],
    dns01: &Arc<Dns01>,
) -> bool {
    let report = |verdict, about, sentence: String| {
        print(&Finding {
            about,
            verdict,
            sentence,
        });
        verdict != Verdict::Bad
    };
    let demand = match demand {
        Ok(demand) => demand,
        Err(sentence) => return report(Verdict::Bad, "record", sentence),
    };
    let record = demand.record(settings.wildcard, settings.until);
    report(
        Verdict::Good,
        "record",
        format!("the CA asks for the TXT record {} \"{record}\"", demand.name()),
    );
    let persist = Persist {
        dns01: Arc::clone(dns01),
        nameservers: nameservers.to_vec(),
        demand,
        record,
        settings,
    };
    // a name server that does not answer is not waited for
    let now = clock::now();
    match persist.look(timing::add(now, -timing::REREAD)).await {
        Ok(Found { name, until }) => {
            let soon = until.and_then(|until| ends_soon(now, &name, until, settings.warn_before));
            let end = until.map_or_else(|| "without an end".to_owned(), |until| format!("until {until}"));
            let seen = report(Verdict::Good, "seen", format!("{name} has a record that counts {end}"));
            soon.is_none_or(|soon| report(Verdict::Doubtful, "end", soon)) && seen
        }
        Err(NotYet { reason, .. }) => report(Verdict::Bad, "seen", reason),
    }
}

fn print(finding: &Finding) {
    let verdict = match finding.verdict {
        Verdict::Good => finding::Verdict::Ok,
        Verdict::Doubtful => finding::Verdict::Warning,
        Verdict::Bad => finding::Verdict::Failure,
    };
    let line = finding::line(verdict, finding.about, &finding.sentence);
    // the verdict is also the exit status
    drop(crate::cli::print(&format!("{line}\n")));
}
