//! `certlet dns-persist`: the TXT record by which a CA knows that names are ours, for as long as it stays (dns-persist-01).

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    format::Format,
    plan::flags,
    target::{Connected, Target, failed, run_to_end},
};
use crate::{
    acme::{
        Registry,
        transport::{self, trust},
        url::same_host,
    },
    api::{
        AcmeIssuer, IssuerSpec, IssuerStatus,
        dns_persist::{DnsPersist, instant},
    },
    cluster::commands::issuers,
    net::{ClientSettings, ExtraRoots, Unobserved, proxy_hosts},
    plan::{
        issuer::IssuerId,
        order::{
            identifiers::parts,
            persist::{Demand, in_zone_file, is_issuer},
        },
        seen::ObjectKey,
        settings::Settings,
    },
    process::environment::Environment,
    solver::select::{Method, OrderMeta, Wanted, select},
};

/// The time to live that is proposed: a CA may rely on what it has found for that long.
const TTL: u32 = 3600;

/// Show the TXT record of dns-persist-01 for a name
///
/// Once it is in the DNS, the account of the issuer can get certificates for that name, for as long as it stays there. certlet writes
/// nothing.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:
  0  the record was printed
  1  an error
  2  invalid arguments

Examples:
  certlet dns-persist letsencrypt www.example.com -n shop
  certlet dns-persist letsencrypt example.com --cluster-issuer --wildcard --until 2027-12-31
  certlet check dns01 letsencrypt www.example.com -n shop            whether it is there")]
pub(super) struct DnsPersistArgs {
    /// Name of the Issuer
    #[arg(add = clap_complete::engine::ArgValueCandidates::new(super::complete::issuers))]
    issuer: String,
    /// The DNS name that certificates are wanted for; `*.example.com` is example.com with --wildcard
    name: String,
    /// The issuer is a ClusterIssuer
    #[arg(long)]
    cluster_issuer: bool,
    /// Also for wildcards of the name and, where the CA has that, for all names below it
    #[arg(long)]
    wildcard: bool,
    /// The end of the record: a date (2027-12-31), a time (2027-12-31T12:00:00Z), or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = end)]
    until: Option<Timestamp>,
    /// How the CA names itself, where its directory does not say it: one of `issuer-domain-names` of its challenges
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    issuer_domain: Option<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    target: Target,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    r#type: &'static str,
    value: String,
    /// The line of a zone file.
    zone_file: String,
}

impl Shown {
    fn new(name: String, value: String) -> Self {
        Self {
            zone_file: format!("{name}. {TTL} IN TXT {}", in_zone_file(&value)),
            name,
            r#type: "TXT",
            value,
        }
    }

    fn text(&self) -> String {
        let Self {
            name,
            r#type,
            value,
            zone_file,
        } = self;
        format!("name   {name}\ntype   {type}\nvalue  {value}\n\nIn a zone file:\n{zone_file}\n")
    }
}

/// Runs the command.
pub(super) fn run(args: &DnsPersistArgs) -> ExitCode {
    super::result(run_to_end(show(args)))
}

async fn show(args: &DnsPersistArgs) -> Result<(), String> {
    let connected = args.target.connect_to_read().await?;
    let id = id(&args.issuer, args.cluster_issuer, &connected.namespace);
    let (spec, status) = issuer(&connected, &id).await?;
    let acme = spec.acme.ok_or_else(|| format!("{id} is no ACME issuer"))?;
    let (identifier, wildcard) = parts(&args.name);
    let settings = settings_for(&acme, identifier, wildcard);
    if settings.is_none() {
        super::remark(&format!(
            "{id} does not use the record yet: no solver with groupName: certlet.io and solverName: dns-persist is for {}",
            args.name
        ));
    }
    let settings = settings.unwrap_or_default();
    let running = flags::running_settings(&connected.client).await;
    let demand = demand(&id, &acme, &status, &args.name, args.issuer_domain.as_deref(), &running).await?;
    let value = demand.record(args.wildcard || settings.wildcard, args.until.or(settings.until));
    let shown = Shown::new(demand.name(), value);
    super::print_as(args.output, &shown, Shown::text)
}

/// The issuer of this name.
pub(super) fn id(name: &str, is_cluster: bool, namespace: &str) -> IssuerId {
    IssuerId(if is_cluster {
        ObjectKey::cluster(name)
    } else {
        ObjectKey::new(namespace, name)
    })
}

/// Spec and status of an issuer.
///
/// # Errors
/// If it cannot be read: a sentence.
pub(super) async fn issuer(connected: &Connected, id: &IssuerId) -> Result<(IssuerSpec, IssuerStatus), String> {
    let found = issuers::read(&connected.client, id).await;
    found.map_err(|error| failed(&format!("cannot read {id}"), &error))
}

/// The settings of the `dns-persist` solver for a name, if the issuer has one that can be used.
fn settings_for(acme: &AcmeIssuer, identifier: &str, wildcard: bool) -> Option<DnsPersist> {
    let wanted = Wanted {
        identifier,
        wildcard,
        offered: &[],
        persist: true,
    };
    match select(&acme.solvers, OrderMeta::absent(), wanted).ok()?.method {
        Method::DnsPersist(settings) => Some(settings),
        Method::Http01(_) | Method::Dns01 => None,
    }
}

/// What the CA of an issuer will ask for, as far as that is known without an order: the account is that of the issuer, and the CA's name
/// is `domain`, or what its directory says (draft-ietf-acme-dns-persist: the names may be drawn from `caaIdentities`).
///
/// # Errors
/// What is missing: a sentence.
pub(super) async fn demand(
    id: &IssuerId,
    acme: &AcmeIssuer,
    status: &IssuerStatus,
    name: &str,
    domain: Option<&str>,
    settings: &Settings,
) -> Result<Demand, String> {
    let account = status.acme.as_ref().and_then(|acme| acme.uri.clone());
    let account = account.filter(|uri| !uri.is_empty()).ok_or_else(|| {
        format!("{id} has no account at its CA yet, and the record names the account: wait until the issuer is Ready")
    })?;
    if !same_host(&account, &acme.server) {
        return Err(format!(
            "the account of {id} is not at the host of {}: a record for it would be for another CA",
            acme.server
        ));
    }
    let issuers = match domain {
        Some(domain) => vec![domain.to_owned()],
        None => names(acme, settings).await?,
    };
    if issuers.is_empty() {
        return Err(format!(
            "the directory of {} does not say how the CA names itself (caaIdentities): give it with --issuer-domain; the reason of a Challenge has it",
            acme.server
        ));
    }
    let (identifier, wildcard) = parts(name);
    Ok(Demand {
        identifier: identifier.to_ascii_lowercase(),
        wildcard,
        issuers,
        account,
    })
}

async fn names(acme: &AcmeIssuer, settings: &Settings) -> Result<Vec<String>, String> {
    let environment = Environment::read();
    let settings = transport::Settings {
        client: ClientSettings {
            extra_roots: ExtraRoots::from(&environment),
            proxies: proxy_hosts(environment.proxies.clone()),
            addresses: settings.outgoing.clone(),
            ..ClientSettings::default()
        },
        ..transport::Settings::default()
    };
    let registry = Registry::new(settings, Arc::new(Unobserved));
    let server = registry.server(&acme.server, &trust(acme));
    let server = server.map_err(|error| error.to_string())?;
    let directory = server.directory().await.map_err(|error| error.to_string())?;
    Ok(directory.meta.caa_identities.clone())
}

fn end(text: &str) -> Result<Timestamp, String> {
    instant(text)
        .ok_or_else(|| "use a date (2027-12-31), a time (2027-12-31T12:00:00Z), or seconds since 1970".to_owned())
}

fn domain(text: &str) -> Result<String, String> {
    let is_good = is_issuer(text);
    is_good
        .then(|| text.to_owned())
        .ok_or_else(|| "use a domain name in small letters without a final dot, such as letsencrypt.org".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_shown_for_a_form_and_for_a_zone_file() {
        let value = "ca.example; accounturi=https://ca.example/1";
        let shown = Shown::new("_validation-persist.a.example".to_owned(), value.to_owned());
        assert_eq!(
            shown.text(),
            "name   _validation-persist.a.example\ntype   TXT\nvalue  ca.example; accounturi=https://ca.example/1\n\n\
             In a zone file:\n_validation-persist.a.example. 3600 IN TXT \"ca.example; accounturi=https://ca.example/1\"\n"
        );
    }

    #[test]
    fn a_wrong_end_or_name_of_a_ca_is_refused() {
        assert_eq!(end("1970-01-02").map(Timestamp::as_second), Ok(86_400));
        assert!(end("tomorrow").is_err());
        assert!(domain("letsencrypt.org").is_ok() && domain("Let's Encrypt").is_err());
    }
}
