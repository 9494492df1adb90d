//! The ACME account of an issuer, for its Orders.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    acme::{Account, AccountKey, trust},
    api::{
        AcmeIssuer, InvalidField, IssuerRef, IssuerStatus,
        condition::{self, READY},
        names::data_key,
    },
    cluster::{self, issuers},
    controller::{ControllerError, Ports},
    plan::{
        issuer::{FoundIssuer, IssuerId, Lookup, secret_of},
        seen::Meta,
    },
};

/// The most account keys that are cached.
const MOST_KEYS: usize = 1024;

/// The ACME issuer that an Order names, as observed.
#[derive(Clone, Debug)]
pub(super) struct AcmeSeen {
    pub(super) id: IssuerId,
    pub(super) meta: Meta,
    pub(super) acme: AcmeIssuer,
    pub(super) status: IssuerStatus,
}

/// The ACME issuer that `reference` names for an object in `namespace`.
///
/// # Errors
/// Why there is none, as a sentence.
pub(super) fn acme_issuer(ports: &Ports, reference: &IssuerRef, namespace: &str) -> Result<AcmeSeen, String> {
    let issuer = match issuers::find(&ports.index, reference, namespace) {
        Lookup::External => return Err(format!("{reference} is another controller's issuer")),
        Lookup::Missing(id) => return Err(format!("Waiting for the {id}: it does not exist")),
        Lookup::Unreadable(id, InvalidField { path, message }) => {
            return Err(format!("Waiting for the {id}: its {path} is invalid: {message}"));
        }
        Lookup::Found(issuer) => issuer,
    };
    let id = issuer.id();
    let FoundIssuer { meta, spec, status } = *issuer;
    let acme = spec.acme.ok_or_else(|| format!("The {id} is not an ACME issuer"))?;
    Ok(AcmeSeen { id, meta, acme, status })
}

impl AcmeSeen {
    /// The URL of the registered account.
    ///
    /// # Errors
    /// Why the issuer cannot be used, as a sentence.
    pub(super) fn registered(&self) -> Result<&str, String> {
        if !condition::is_true(&self.status.conditions, READY) {
            let message = condition::get(&self.status.conditions, READY).and_then(|ready| ready.message.as_deref());
            let why = message
                .filter(|message| !message.is_empty())
                .unwrap_or("its account is not registered yet");
            return Err(format!("Waiting for the {}, which is not ready: {why}", self.id));
        }
        let uri = self
            .status
            .acme
            .as_ref()
            .and_then(|acme| acme.uri.as_deref())
            .filter(|uri| !uri.is_empty());
        uri.ok_or_else(|| format!("Waiting for the {}, whose account is not registered yet", self.id))
    }

    fn key_hash(&self) -> Option<&str> {
        self.status
            .acme
            .as_ref()
            .and_then(|acme| acme.last_private_key_hash.as_deref())
    }
}

/// The cache of account keys, by issuer. An entry is valid while the issuer's status names its hash.
#[derive(Default, Debug)]
pub(super) struct Accounts(Mutex<HashMap<IssuerId, AccountKey>>);

impl Accounts {
    /// The account of an issuer that is ready. Reads the Secret if the key is not cached.
    ///
    /// # Errors
    /// The API server's error, or [`ControllerError::Failed`] if the Secret does not hold the registered key. The
    /// issuer's controller reports why.
    pub(super) async fn account(
        &self,
        ports: &Ports,
        issuer: &AcmeSeen,
        uri: &str,
    ) -> Result<Account, ControllerError> {
        let key = self.key(ports, issuer).await?;
        let account = ports
            .acme
            .client(&issuer.acme.server, &trust(&issuer.acme), &key)
            .and_then(|client| client.account(uri));
        account.map_err(|error| {
            ControllerError::Failed(format!("the account of the {} cannot be used: {error}", issuer.id))
        })
    }

    /// The cached key of an issuer's account. Sends no request.
    pub(super) fn known_key(&self, issuer: &AcmeSeen) -> Option<AccountKey> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = keys.get(&issuer.id)?;
        (issuer.key_hash() == Some(key.private_key_hash())).then(|| key.clone())
    }

    /// The key of an issuer's account. Reads the Secret if the key is not cached.
    ///
    /// # Errors
    /// As [`Self::account`].
    pub(super) async fn key(&self, ports: &Ports, issuer: &AcmeSeen) -> Result<AccountKey, ControllerError> {
        if let Some(key) = self.known_key(issuer) {
            return Ok(key);
        }
        let key = read_key(ports, issuer).await?;
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MOST_KEYS {
            // most entries belong to deleted issuers; those in use are read again
            keys.clear();
        }
        keys.insert(issuer.id.clone(), key.clone());
        Ok(key)
    }
}

async fn read_key(ports: &Ports, issuer: &AcmeSeen) -> Result<AccountKey, ControllerError> {
    let reference = &issuer.acme.private_key_secret_ref;
    let name = secret_of(
        &issuer.meta,
        &reference.name,
        &ports.settings.cluster_resource_namespace,
    );
    let entry = reference.key_or(data_key::TLS_KEY);
    let failed = |what: String| ControllerError::Failed(format!("the account key of the {}: {what}", issuer.id));
    let secret = ports
        .reader
        .secret(&name)
        .await
        .map_err(|error: cluster::Error| ControllerError::from(error))?;
    let secret = secret.ok_or_else(|| failed(format!("Secret {name} does not exist")))?;
    let pem = secret
        .data(entry)
        .ok_or_else(|| failed(format!("Secret {name} has no data for {entry:?}")))?;
    let key = AccountKey::from_pem(pem)
        .map_err(|error| failed(format!("{entry} of Secret {name} cannot be used: {error}")))?;
    match issuer.key_hash() {
        Some(hash) if hash != key.private_key_hash() => Err(failed(format!(
            "Secret {name} holds another key than the registered one; the issuer is reconciled again"
        ))),
        _ => Ok(key),
    }
}
