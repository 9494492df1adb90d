//! The Secrets of an ACME issuer's DNS-01 solvers (ACC-09).

use std::collections::{BTreeMap, BTreeSet};

use super::{Either, Issuers};
use crate::{
    api::{AcmeIssuer, SecretKeySelector, dns01::Dns01},
    controller::ControllerError,
    plan::{issuer::secret_of, seen::Object},
};

/// What is missing of the Secrets that DNS-01 solvers need, one sentence each, which begins as cert-manager's.
///
/// # Errors
/// If the API server rejects a read, or cannot be reached.
pub(super) async fn missing<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &AcmeIssuer,
) -> Result<Vec<String>, ControllerError> {
    let required = required(spec);
    let names: BTreeSet<&String> = required.iter().map(|(_, secret)| &secret.name).collect();
    let mut secrets = BTreeMap::new();
    let of_cluster = &controller.ports.settings.cluster_resource_namespace;
    for name in names {
        let key = secret_of(&issuer.meta, name, of_cluster);
        secrets.insert(name, controller.ports.reader.secret(&key).await?);
    }
    let mut missing = Vec::new();
    for (index, SecretKeySelector { name, key }) in required {
        let secret = secrets.get(name).and_then(Option::as_ref);
        let field = format!("spec.acme.solvers[{index}]");
        match (secret, key.as_deref().filter(|key| !key.is_empty())) {
            (None, _) => missing.push(format!(
                "failed to get secret {name:?}: {field} needs it, and it does not exist in namespace {:?}",
                &*secret_of(&issuer.meta, name, of_cluster).namespace
            )),
            (Some(secret), Some(key)) if secret.data(key).is_none() => missing.push(format!(
                "the secret {name:?} does not have key {key:?}, which {field} needs"
            )),
            (Some(_), _) => {}
        }
    }
    Ok(missing)
}

/// The references to Secrets, each with the index of its solver.
fn required(spec: &AcmeIssuer) -> Vec<(usize, &SecretKeySelector)> {
    let mut required = Vec::new();
    for (index, solver) in spec.solvers.iter().enumerate() {
        let secrets = solver.dns01.iter().flat_map(Dns01::required_secrets);
        required.extend(secrets.map(|secret| (index, secret)));
    }
    required
}
