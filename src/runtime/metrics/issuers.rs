//! Metrics of issuers that cert-manager does not have: expiry of CAs, and registration of ACME accounts.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    acme::url::origin,
    api::{IssuerSpec, IssuerStatus},
    cluster::index::Index,
    plan::{
        issuer::IssuerId,
        seen::{Kind, Lean},
    },
    process::metrics::{Page, sample},
};

const ACCOUNTS: &str = "certlet_issuer_acme_account_registered";
const CAS: &str = "certlet_issuer_ca_not_after_timestamp_seconds";

/// The expiry of each CA issuer's certificate.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double exactly")]
pub(super) fn authorities(expiries: &[(IssuerId, Timestamp)], page: &mut Page) {
    page.head(CAS, "gauge", "Expiry of the certificate of a CA issuer.");
    for (IssuerId(key), not_after) in expiries {
        let labels = [
            ("name", &*key.name),
            ("namespace", &*key.namespace),
            (
                "kind",
                if key.namespace.is_empty() {
                    "ClusterIssuer"
                } else {
                    "Issuer"
                },
            ),
        ];
        sample(&mut page.text, CAS, &labels, not_after.as_second() as f64);
    }
}

/// Whether the account of each ACME issuer is registered. ACME accounts have no expiry.
pub(super) fn accounts(index: &Arc<Index>) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let index = Arc::clone(index);
    let mut head = Page::default();
    head.head(
        ACCOUNTS,
        "gauge",
        "Whether the account of an ACME issuer is registered; accounts do not expire.",
    );
    let (namespaced, cluster) = (index.issuers.keys(), index.cluster_issuers.keys());
    let other = Arc::clone(&index);
    let namespaced = namespaced
        .into_iter()
        .filter_map(move |key| account(&*index.issuers.get(&key)?));
    let cluster = cluster
        .into_iter()
        .filter_map(move |key| account(&*other.cluster_issuers.get(&key)?));
    std::iter::once(head.text).chain(namespaced).chain(cluster)
}

/// The series of one issuer; `None` if it is not an ACME issuer.
fn account<K: Kind<Spec = IssuerSpec, Status = IssuerStatus>>(issuer: &Lean<K>) -> Option<String> {
    // most issuers of other types are recognised without being parsed
    if !issuer.spec.get().contains("\"acme\"") {
        return None;
    }
    let parsed = issuer.parse().ok()?;
    let server = origin(&parsed.spec.acme?.server).unwrap_or_default();
    let host = server.split_once("://").map_or(server.as_str(), |(_, host)| host);
    let account = parsed.status.acme.unwrap_or_default();
    let is_registered = account.uri.is_some_and(|uri| !uri.is_empty());
    let labels = [
        ("name", parsed.meta.name()),
        ("namespace", parsed.meta.namespace()),
        ("kind", K::KIND),
        ("host", host),
    ];
    let mut text = String::new();
    sample(&mut text, ACCOUNTS, &labels, f64::from(u8::from(is_registered)));
    Some(text)
}
