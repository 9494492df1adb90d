//! References to Secrets of other namespaces: the Certificate that a user has to write.

use super::listener::Listeners;
use crate::api::reference::CLUSTER_ISSUER_KIND;

/// What to write in `namespace`, for a listener with this hostname. A Certificate cannot be owned from another namespace.
pub(super) fn cure(listeners: &Listeners<'_>, namespace: &str, secret: &str, hostname: &str) -> String {
    let Listeners { meta, kind, issuer, .. } = listeners;
    let hostname = if hostname.is_empty() { "HOSTNAME" } else { hostname };
    let (issuer_kind, issuer_name) = issuer.map_or((CLUSTER_ISSUER_KIND, "NAME"), |issuer| {
        (issuer.kind_or_default(), issuer.name.as_str())
    });
    let own = if issuer_kind == CLUSTER_ISSUER_KIND {
        String::new()
    } else {
        format!(", with an {issuer_kind} {issuer_name} of that namespace")
    };
    format!(
        "Write this Certificate yourself{own}: {{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {{namespace: {namespace}, name: {secret}}}, \
         spec: {{secretName: {secret}, dnsNames: [{hostname:?}], issuerRef: {{kind: {issuer_kind}, name: {issuer_name}}}}}}}. \
         The listener may read its Secret if a ReferenceGrant in namespace {namespace} allows {kind}s of namespace {}",
        meta.namespace()
    )
}
