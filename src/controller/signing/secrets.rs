//! The Secrets that an issuer names, and why there is no session with its server.

use std::collections::{HashMap, hash_map::Entry};

use crate::{
    api::SecretKeySelector,
    cluster::secret::LiveSecret,
    controller::Ports,
    pki::hidden::Hidden,
    plan::{
        issuer::secret_of,
        seen::{Meta, ObjectKey},
    },
    signer::{INTERRUPTED, Refusal, fault::Fault},
};

/// Why there is no session.
pub(super) enum NoSession {
    /// A Secret does not exist.
    Missing(String),
    /// The API server does not answer.
    Unread(String),
    /// A setting or the content of a Secret cannot be used.
    Unusable(String),
}

impl NoSession {
    /// Why.
    pub(super) fn sentence(&self) -> &str {
        let (Self::Missing(sentence) | Self::Unread(sentence) | Self::Unusable(sentence)) = self;
        sentence
    }

    /// The refusal of a request. One that an administrator can cure has this reason, and a message that begins with `what`.
    pub(super) fn refusal(self, reason: &'static str, what: &str) -> Refusal {
        match self {
            Self::Missing(sentence) => Refusal::pending(
                "SecretMissing",
                format!("Required secret resource not found: {sentence}"),
            ),
            Self::Unread(sentence) => Refusal::pending(INTERRUPTED, sentence),
            Self::Unusable(sentence) => Refusal::pending(reason, format!("{what}: {sentence}")),
        }
    }
}

impl From<Fault> for NoSession {
    fn from(fault: Fault) -> Self {
        Self::Unusable(fault.sentence)
    }
}

/// Where the Secrets of an issuer are, and which were read.
pub(super) struct IssuerSecrets<'a> {
    ports: &'a Ports,
    issuer: &'a Meta,
    /// The Secrets that were read, each once: certificate and key of one Secret fit each other.
    read: HashMap<ObjectKey, LiveSecret>,
}

impl<'a> IssuerSecrets<'a> {
    /// Nothing is read yet.
    pub(super) fn new(ports: &'a Ports, issuer: &'a Meta) -> Self {
        Self {
            ports,
            issuer,
            read: HashMap::new(),
        }
    }

    /// The Secrets that were read.
    pub(super) fn into_keys(self) -> Vec<ObjectKey> {
        self.read.into_keys().collect()
    }

    /// A text, without the white space around it.
    pub(super) async fn text(
        &mut self,
        reference: &SecretKeySelector,
        default_key: &str,
    ) -> Result<Hidden<String>, NoSession> {
        let value = self.value(reference, default_key).await?;
        match std::str::from_utf8(value.expose()).map(str::trim) {
            Ok(text) if !text.is_empty() => Ok(Hidden::new(text.to_owned())),
            Ok(_) | Err(_) => {
                let key = reference.key_or(default_key);
                let sentence = format!("key {key:?} of secret {:?} is empty or no text", reference.name);
                Err(NoSession::Unusable(sentence))
            }
        }
    }

    /// The content of a key.
    pub(super) async fn value(
        &mut self,
        reference: &SecretKeySelector,
        default_key: &str,
    ) -> Result<Hidden<Vec<u8>>, NoSession> {
        let (text, live) = self.secret(&reference.name).await?;
        let key = reference.key_or(default_key);
        let value = live.data(key).map(|value| Hidden::new(value.to_vec()));
        value.ok_or_else(|| NoSession::Unusable(format!("no data for {key:?} in secret '{text}'")))
    }

    /// A Secret, and its namespace and name for sentences.
    pub(super) async fn secret(&mut self, name: &str) -> Result<(String, &LiveSecret), NoSession> {
        let secret = secret_of(self.issuer, name, &self.ports.settings.cluster_resource_namespace);
        let text = secret.to_string();
        let live = match self.read.entry(secret) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => {
                let live = self.ports.reader.secret(unread.key()).await;
                let live = live.map_err(|error| NoSession::Unread(format!("secret {text} cannot be read: {error}")))?;
                unread.insert(live.ok_or_else(|| NoSession::Missing(format!("secret {text} not found")))?)
            }
        };
        Ok((text, live))
    }
}
