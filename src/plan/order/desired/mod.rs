//! The Order for a CertificateRequest (AOR-01, ORD-12), and which Orders certlet acts for (GHSA-8rvj-mm4h-c258).
//!
//! An Order makes certlet prove names at a CA, so its author is not trusted. certlet acts for an Order only if an
//! approved, existing request owns it (a CertificateRequest, or the equivalent of Kubernetes' own kind), and if its
//! content is what certlet or cert-manager would have written for that request. All others are ignored.

use serde::Serialize;

use crate::{
    acme::ari,
    api::{GoDuration, IssuerRef, acme_issuer::AcmeIssuer, condition, order::OrderSpec},
    pki::csr::{CsrInfo, only_request},
    plan::{
        kinds::{OrderKind, RequestKind, SigningRequestKind},
        object_name::{fnv1, prefix},
        seen::{Kind as _, Meta, Object, Pairs, RequestSeen},
    },
};

/// The kinds of requests that own Orders.
const REQUESTS: [&str; 2] = [RequestKind::KIND, SigningRequestKind::KIND];
/// The longest prefix of an Order's name that comes from its request (ORD-12).
const PREFIX_LENGTH: usize = 52;

/// The Order that a request needs.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredOrder {
    /// Its name, derived from the request's name and the spec.
    pub name: String,
    /// The request's labels (ANW-06). Solvers are selected by them.
    pub labels: Pairs,
    /// The request's annotations (ANW-06).
    pub annotations: Pairs,
    /// Its spec.
    pub spec: OrderSpec,
}

/// Why a request cannot become an Order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unorderable {
    /// The CSR is not kept any more, because the request is finished.
    #[error("the CertificateRequest is finished, nothing is to be ordered for it")]
    Finished,
    /// The CSR cannot be read.
    #[error("Failed to decode CSR in spec.request: {0}")]
    Csr(Box<str>),
    /// The common name is not among the names (NB-24). The message is cert-manager's, because tools search for it.
    #[error(
        "The CSR PEM requests a commonName that is not present in the list of dnsNames or ipAddresses. If a commonName is set, ACME requires that the value is also present in the list of dnsNames or ipAddresses: {common_name:?} does not exist in [{}] or [{}]",
        .dns_names.join(" "), .ip_addresses.join(" ")
    )]
    CommonName {
        /// The common name.
        common_name: String,
        /// DNS names of the CSR.
        dns_names: Vec<String>,
        /// IP addresses of the CSR.
        ip_addresses: Vec<String>,
    },
}

impl Unorderable {
    /// The reason of the Event, as cert-manager has it (AOR-01, AOR-02).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Finished => "OrderBuildingError",
            Self::Csr(_) => "RequestParsingError",
            Self::CommonName { .. } => "InvalidOrder",
        }
    }
}

/// The Order for a request. `replaces` is the ARI identifier of the certificate that it renews (ARI-05).
///
/// # Errors
/// If the CSR is not kept or unreadable, or has a common name that ACME would reject.
pub fn desired_order(
    request: &RequestSeen,
    acme: &AcmeIssuer,
    replaces: Option<&str>,
) -> Result<DesiredOrder, Unorderable> {
    let (csr, pem) = csr_of(request)?;
    let dns_names = csr.sans.dns.clone();
    let ip_addresses = addresses(csr);
    let common_name = csr.common_name().filter(|name| !name.is_empty());
    if let Some(name) = &common_name
        && !dns_names.contains(name)
        && !ip_addresses.contains(name)
    {
        return Err(Unorderable::CommonName {
            common_name: name.clone(),
            dns_names,
            ip_addresses,
        });
    }
    let spec = OrderSpec {
        common_name,
        dns_names,
        duration: request.duration.filter(|_| acme.enable_duration_feature == Some(true)),
        ip_addresses,
        issuer_ref: request.issuer_ref.clone(),
        profile: acme.profile.clone().filter(|profile| !profile.is_empty()),
        replaces: replaces.map(str::to_owned),
        request: crate::api::ByteString(pem.to_vec()),
    };
    Ok(DesiredOrder {
        name: name(request.meta.name(), &spec),
        labels: request.meta.labels.clone(),
        annotations: request.meta.annotations.clone(),
        spec,
    })
}

/// The name to use if another client's object has `name`.
pub fn other_name(name: &str, request: &Meta) -> String {
    let uid: String = request.uid.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    format!("{name}-{uid}")
}

fn csr_of(request: &RequestSeen) -> Result<(&CsrInfo, &[u8]), Unorderable> {
    let csr = request
        .csr
        .as_deref()
        .map_err(|error| Unorderable::Csr(error.clone()))?;
    let pem = request.csr_pem.as_deref().ok_or(Unorderable::Finished)?;
    Ok((csr, pem))
}

/// The addresses as Go prints them: an IPv4-mapped IPv6 address is an IPv4 address.
fn addresses(csr: &CsrInfo) -> Vec<String> {
    csr.sans.ips.iter().map(|ip| ip.to_canonical().to_string()).collect()
}

/// Why certlet does not act for an Order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// Its owner is not a request that exists, by uid: a CertificateRequest, or Kubernetes' own kind.
    #[error("no existing request owns it")]
    NoRequest,
    /// Its request has not been approved, or was denied.
    #[error("its CertificateRequest is not approved")]
    NotApproved,
    /// Its request does not need an Order any more.
    #[error("its CertificateRequest is finished")]
    Finished,
    /// Its content is not what its request asks for.
    #[error("its {0} is not what its CertificateRequest asks for")]
    Differs(&'static str),
    /// Another Order of the same request is elected.
    #[error("another Order does the work for its CertificateRequest")]
    NotElected,
}

/// Checks whether certlet acts for `order`, which `request` owns. `siblings` are all Orders of the request, `order`
/// among them.
///
/// # Errors
/// Why it does not.
pub fn counts<'a>(
    order: &'a Object<OrderKind>,
    request: Option<&RequestSeen>,
    acme: &AcmeIssuer,
    siblings: impl IntoIterator<Item = &'a Object<OrderKind>>,
) -> Result<(), NotOurs> {
    let request = request
        .filter(|request| is_controller(request, &order.meta))
        .ok_or(NotOurs::NoRequest)?;
    if !request.is_true(condition::APPROVED) || request.is_true(condition::DENIED) {
        return Err(NotOurs::NotApproved);
    }
    fits(&order.spec, request, acme)?;
    match elected(request, acme, siblings) {
        Some(first) if first.meta.uid != order.meta.uid => Err(NotOurs::NotElected),
        _ => Ok(()),
    }
}

/// The Order that certlet acts for: the oldest of those that fit. So no forged Order is served next to the genuine one.
pub fn elected<'a>(
    request: &RequestSeen,
    acme: &AcmeIssuer,
    orders: impl IntoIterator<Item = &'a Object<OrderKind>>,
) -> Option<&'a Object<OrderKind>> {
    orders
        .into_iter()
        .filter(|order| is_controller(request, &order.meta) && fits(&order.spec, request, acme).is_ok())
        .min_by_key(|order| (order.meta.created, &order.meta.uid))
}

fn is_controller(request: &RequestSeen, order: &Meta) -> bool {
    order.namespace() == request.meta.namespace()
        && order
            .controller()
            .is_some_and(|owner| owner.uid == request.meta.uid && REQUESTS.contains(&&*owner.kind))
}

/// Checks the spec against what certlet and cert-manager would write: the request's CSR, issuer and names. A duration,
/// profile and replaced certificate must be possible for this request and issuer.
fn fits(order: &OrderSpec, request: &RequestSeen, acme: &AcmeIssuer) -> Result<(), NotOurs> {
    let (csr, pem) = csr_of(request).map_err(|error| match error {
        Unorderable::Finished => NotOurs::Finished,
        Unorderable::Csr(_) | Unorderable::CommonName { .. } => NotOurs::Differs("spec.request"),
    })?;
    let OrderSpec {
        common_name,
        dns_names,
        duration,
        ip_addresses,
        issuer_ref,
        profile,
        replaces,
        request: bytes,
    } = order;
    let checks = [
        ("spec.request", is_same_request(&bytes.0, pem)),
        ("spec.issuerRef", issuer_ref.means_same(&request.issuer_ref)),
        (
            "spec.commonName",
            text(common_name.as_deref()) == csr.common_name().unwrap_or_default(),
        ),
        ("spec.dnsNames", *dns_names == csr.sans.dns),
        ("spec.ipAddresses", *ip_addresses == addresses(csr)),
        ("spec.duration", duration.is_none() || *duration == request.duration),
        (
            "spec.profile",
            text(profile.as_deref()).is_empty() || profile == &acme.profile,
        ),
        (
            "spec.replaces",
            replaces.as_deref().is_none_or(|id| ari::parse_id(id).is_some()),
        ),
    ];
    match checks.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(NotOurs::Differs(field)),
        None => Ok(()),
    }
}

/// Whether two texts contain the same signing request. cert-manager copies the text around it too.
fn is_same_request(one: &[u8], other: &[u8]) -> bool {
    one == other || only_request(one).is_ok_and(|one| only_request(other) == Ok(one))
}

fn text(value: Option<&str>) -> &str {
    value.unwrap_or_default()
}

/// `<request>-<hash of the spec>`, exactly as cert-manager computes it, so that both find each other's Orders (ORD-12).
/// `replaces` is left out, because it may change while the Order is in flight.
fn name(request: &str, spec: &OrderSpec) -> String {
    let hashed = Hashed {
        request: None,
        issuer_ref: HashedIssuer::of(&spec.issuer_ref),
        common_name: text(spec.common_name.as_deref()),
        dns_names: &spec.dns_names,
        ip_addresses: &spec.ip_addresses,
        duration: spec.duration,
        profile: text(spec.profile.as_deref()),
    };
    let json = if request.len() < PREFIX_LENGTH {
        serde_json::to_string(&hashed)
    } else {
        serde_json::to_string(&HashedLong {
            request_name: request,
            spec: hashed,
        })
    };
    format!(
        "{}-{}",
        prefix(request, PREFIX_LENGTH),
        fnv1(as_go_escapes(&json.unwrap_or_default()).as_bytes())
    )
}

/// Escapes the characters that Go's encoder escapes.
fn as_go_escapes(json: &str) -> String {
    let escapes = [
        ('<', "003c"),
        ('>', "003e"),
        ('&', "0026"),
        ('\u{2028}', "2028"),
        ('\u{2029}', "2029"),
    ];
    escapes.into_iter().fold(json.to_owned(), |text, (from, to)| {
        text.replace(from, &format!("\\u{to}"))
    })
}

/// The spec as cert-manager hashes it: fields in the order of its Go type, without the CSR.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hashed<'a> {
    request: Option<()>,
    issuer_ref: HashedIssuer<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    common_name: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    dns_names: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ip_addresses: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<GoDuration>,
    #[serde(skip_serializing_if = "str::is_empty")]
    profile: &'a str,
}

#[derive(Serialize)]
struct HashedIssuer<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
}

impl<'a> HashedIssuer<'a> {
    fn of(issuer: &'a IssuerRef) -> Self {
        Self {
            name: &issuer.name,
            kind: text(issuer.kind.as_deref()),
            group: text(issuer.group.as_deref()),
        }
    }
}

#[derive(Serialize)]
struct HashedLong<'a> {
    #[serde(rename = "certificateRequestName")]
    request_name: &'a str,
    spec: Hashed<'a>,
}

#[cfg(test)]
mod tests;
