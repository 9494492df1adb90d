//! `certlet status certificate`: shows the state of a Certificate on one screen.

mod report;

use clap::{Args, Subcommand};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use super::{
    format::Format,
    target::{Target, block_on, failed},
};
use crate::{
    api::{Certificate, CertificateRequest, Challenge, ClusterIssuer, Condition, Issuer, Order, names},
    cluster::reader::list_readable,
    pki::certificate::CertificateInfo,
    process::clock,
};
use report::{Facts, Parent, Report};

/// Show the state of an object and what happens next
#[derive(Args, Clone, Debug)]
pub(super) struct StatusArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// A Certificate with its request, order, challenges, issuer and Secret
    #[command(visible_alias = "cert")]
    Certificate(CertificateArgs),
}

#[derive(Args, Clone, Debug)]
struct CertificateArgs {
    /// Name of the Certificate
    #[arg(add = clap_complete::engine::ArgValueCandidates::new(super::complete::certificates))]
    name: String,
    #[command(flatten)]
    target: Target,
    /// Output format
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

/// Runs the command.
pub(super) fn run(args: &StatusArgs) -> std::process::ExitCode {
    let What::Certificate(args) = &args.what;
    block_on(certificate(args))
}

async fn certificate(args: &CertificateArgs) -> Result<(), String> {
    let connected = args.target.connect().await?;
    let facts = gather(&connected.client, &connected.namespace, &args.name).await?;
    let report = Report::new(clock::now(), &facts);
    super::print_as(args.output, &report, |report| report.text(clock::now()))
}

async fn gather(client: &Client, namespace: &str, name: &str) -> Result<Facts, String> {
    let certificates: Api<Certificate> = Api::namespaced(client.clone(), namespace);
    let certificate = certificates
        .get(name)
        .await
        .map_err(|error| failed("cannot read the Certificate", &error))?;
    let requests = owned::<CertificateRequest>(client, namespace, &certificate).await?;
    let mut orders = Vec::new();
    let mut challenges = Vec::new();
    for request in &requests {
        for order in owned::<Order>(client, namespace, request).await? {
            challenges.extend(owned::<Challenge>(client, namespace, &order).await?);
            orders.push(order);
        }
    }
    let issuer = issuer(client, namespace, &certificate).await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = match secrets.get_opt(&certificate.spec.secret_name).await {
        Ok(secret) => Ok(secret.map(|secret| leaf(&secret))),
        Err(error) => Err(failed("cannot read it", &error)),
    };
    Ok(Facts {
        certificate,
        requests,
        orders,
        challenges,
        issuer,
        secret,
    })
}

/// The certificate in the Secret, or why there is none. The key is not read.
fn leaf(secret: &Secret) -> Result<CertificateInfo, String> {
    let data = secret.data.as_ref();
    let pem = data
        .and_then(|data| data.get(names::data_key::TLS_CRT))
        .map(|bytes| bytes.0.as_slice())
        .unwrap_or_default();
    if pem.is_empty() {
        return Err("it holds no certificate".into());
    }
    CertificateInfo::parse_pem(pem).map_err(|error| error.to_string())
}

async fn owned<K>(client: &Client, namespace: &str, owner: &impl kube::Resource) -> Result<Vec<K>, String>
where
    K: Parent,
{
    let all: Result<Vec<K>, _> = list_readable(client, Some(namespace), &ListParams::default()).await;
    let all = all.map_err(|error| failed(&format!("cannot list {}s", K::kind(&())), &error))?;
    let uid = owner.uid();
    let mine = all.into_iter().filter(|child| {
        child
            .owner_references()
            .iter()
            .any(|parent| Some(&parent.uid) == uid.as_ref())
    });
    let mut mine: Vec<K> = mine.collect();
    mine.sort_by_key(|child| child.creation_timestamp().map(|time| time.0));
    Ok(mine)
}

/// The conditions of the issuer; `None` if it does not exist. Empty for an external issuer, whose status has another format.
async fn issuer(client: &Client, namespace: &str, certificate: &Certificate) -> Result<Option<Vec<Condition>>, String> {
    let reference = &certificate.spec.issuer_ref;
    let conditions = match (reference.is_ours(), reference.kind_or_default()) {
        (false, _) => return Ok(Some(Vec::new())),
        (true, "ClusterIssuer") => {
            let found = Api::<ClusterIssuer>::all(client.clone()).get_opt(&reference.name).await;
            found.map(|found| found.map(|issuer| issuer.status.unwrap_or_default().conditions))
        }
        (true, _) => {
            let found = Api::<Issuer>::namespaced(client.clone(), namespace)
                .get_opt(&reference.name)
                .await;
            found.map(|found| found.map(|issuer| issuer.status.unwrap_or_default().conditions))
        }
    };
    conditions.map_err(|error| failed("cannot read the issuer", &error))
}
