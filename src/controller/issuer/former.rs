//! The CAs that signed leaves before there was a record: the annotation was set after the key pair had changed.

use std::collections::HashSet;

use super::{Either, Issuers, rotation::Found};
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

/// Secrets that are read for it at most. Leaves of one CA hold the same certificate: a few reads do.
const MOST_READ: usize = 32;

/// Certificates of former CAs, as DER, from `ca.crt` of leaves. Who may write a leaf's Secret is not trusted to say what all others trust:
/// a certificate counts only if it signed the leaf, and the leaf only if it is the one in the status of its CertificateRequest, which
/// only controllers may write.
pub(super) async fn authorities<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    present: &Authority,
    found: &[Found],
) -> Result<Vec<Vec<u8>>, ControllerError> {
    let mut known: HashSet<Fingerprint> = HashSet::from([present.root]);
    let mut former = Vec::new();
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
        // one that has changed just now is looked at again soon
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
                former.push(ca);
            }
        }
    }
    Ok(former)
}

/// Whether a request of the Certificate to this very issuer holds this leaf. An Issuer of the same name is anybody's in his namespace.
fn is_attested<K: Either>(controller: &Issuers, issuer: &Object<K>, found: &Found, leaf: &Fingerprint) -> bool {
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
