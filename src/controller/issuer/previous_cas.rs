//! Discovery of the previous CAs of an issuer, if rotation was requested after the key pair had changed.

use std::collections::HashSet;

use super::{Either, Issuers, rotation::IssuedLeaf};
use crate::{
    api::{condition::READY, names::data_key},
    cluster::store::Link,
    controller::ControllerError,
    pki::{chain, key::sha256},
    plan::{
        rotation::{Authority, Fingerprint},
        seen::{Object, RequestSeen},
    },
};

/// Maximum number of Secrets that are read. Leaves of one CA contain the same CA certificate, so a few are sufficient.
const MOST_READ: usize = 32;

/// The certificates of previous CAs, as DER, from `ca.crt` of leaves. Users who may write a leaf's Secret must not decide what
/// all others trust. Therefore a CA certificate counts only if it signed the leaf, and the leaf only if it is in the status of
/// its CertificateRequest, which only controllers may write.
pub(super) async fn discover<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    present: &Authority,
    found: &[IssuedLeaf],
) -> Result<Vec<Vec<u8>>, ControllerError> {
    let mut known: HashSet<Fingerprint> = HashSet::from([present.root]);
    let mut previous = Vec::new();
    let mut reads = 0;
    for found in found {
        let pair = &found.secret.pair;
        let Some(leaf) = pair.certificate.valid() else {
            continue;
        };
        let news = pair.trusted.iter().any(|trusted| !known.contains(trusted));
        if !news || present.issued(leaf, &pair.trusted) || !is_attested(controller, issuer, found, &leaf.fingerprint) {
            continue;
        }
        if reads == MOST_READ {
            break;
        }
        reads += 1;
        let live = controller.ports.reader.secret(&found.secret.meta.key).await?;
        // a Secret that has just changed is read again at the next scan
        let Some(live) = live.filter(|live| live.seen.digest == found.secret.digest) else {
            continue;
        };
        let limits = &controller.ports.settings.size_limits;
        let certificates = |key: &str, limit| {
            let text = live.data(key).unwrap_or_default();
            chain::parse_certificates(text, limit).unwrap_or_default()
        };
        let candidates = certificates(data_key::CA_CRT, limits.bundle);
        for ca in chain::signers(&certificates(data_key::TLS_CRT, limits.chain), candidates) {
            if known.insert(sha256(&ca)) {
                previous.push(ca);
            }
        }
    }
    Ok(previous)
}

/// Whether a Ready request of the Certificate for exactly this issuer contains the leaf. Other namespaces may have an Issuer of the same name.
fn is_attested<K: Either>(controller: &Issuers, issuer: &Object<K>, found: &IssuedLeaf, leaf: &Fingerprint) -> bool {
    let certificate = &found.certificate.meta;
    let owned = controller
        .ports
        .index
        .requests
        .linked(&Link::Owner(certificate.uid.clone()));
    let attests = |request: &RequestSeen| {
        let digest = request.certificate.as_ref();
        let held = digest.and_then(|digest| digest.leaf.as_ref().ok());
        let asked = &request.issuer_ref;
        let to_this = asked.is_ours() && asked.kind_or_default() == K::KIND && asked.name == issuer.meta.name();
        request.is_true(READY) && to_this && held == Some(leaf)
    };
    owned.iter().any(|request| attests(request))
}
