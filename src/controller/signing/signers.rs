//! Construction of the signer of an issuer, and its readiness: one arm per signer.

use std::sync::Arc;

use jiff::Timestamp;

use super::Signing;
use crate::{
    api::{
        issuer::{CaIssuer, SelfSignedIssuer},
        names::annotation,
    },
    controller::{ControllerError, FollowUp},
    pki::key::PrivateKey,
    plan::{
        issuer::{self, FoundIssuer, IssuerVerdict, SignerSpec, Way, secret_of},
        outage::Contact,
        seen::{Meta, Next, RequestSeen},
    },
    signer::{
        Outcome, Refusal, Signer, Until,
        ca::{self, Outliving, Urls},
        fault::Fault,
        selfsigned, vault, venafi,
    },
};

/// Whether the readiness of an issuer may be found out by calls of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// No call.
    Nothing,
    /// By a command, which waits for nothing else.
    Command,
    /// By a worker of the queue, in the lane of the server.
    Worker,
}

/// The readiness of a signer.
pub(crate) struct Readiness {
    /// The Ready condition; `None` leaves it unchanged.
    pub verdict: Option<IssuerVerdict>,
    /// When to check again without a change.
    pub next: Next,
    /// What to do about a signer that expires soon, as a sentence.
    pub expiring: Option<String>,
    /// Expiry of the CA certificate, if it has one that can be read.
    pub not_after: Option<Timestamp>,
    /// What the check showed of its server.
    pub contact: Contact,
}

impl Readiness {
    pub(super) fn only(verdict: Option<IssuerVerdict>) -> Self {
        Self {
            verdict,
            next: Next::OnChange,
            expiring: None,
            not_after: None,
            contact: Contact::Unknown,
        }
    }

    /// Nothing is known yet.
    pub(super) fn later(next: Next) -> Self {
        Self {
            next,
            ..Self::only(None)
        }
    }

    /// After a check of its server, which is repeated at `until`.
    pub(super) fn checked(verdict: IssuerVerdict, result: &Result<(), Fault>, until: Timestamp) -> Self {
        let outage = result.as_ref().err().and_then(|fault| fault.kind.outage());
        Self {
            next: Next::At(until),
            contact: outage.map_or(Contact::Answered, Contact::Outage),
            ..Self::only(Some(verdict))
        }
    }
}

impl Signing {
    /// The signer of `issuer` for `request`.
    ///
    /// `key` is the request's private key, if the caller holds it. Otherwise a signer that needs it reads it from the Secret that the
    /// request names (ANO-04).
    ///
    /// # Errors
    /// If the issuer no longer has a signer. A [`Refusal`] if a Secret that it needs is not available.
    pub(crate) async fn signer(
        &self,
        issuer: &FoundIssuer,
        request: &RequestSeen,
        key: Option<&Arc<PrivateKey>>,
    ) -> Result<Result<Signer, Refusal>, ControllerError> {
        let changed = |now: &str| {
            let request = &request.meta.key;
            let message = format!("the issuer of {request} no longer signs requests: it is {now}");
            Err(ControllerError::Stale(message))
        };
        let Some(backend) = issuer.backend() else {
            return changed("of no type");
        };
        let spec = match backend.way() {
            Way::Order(_) => return changed("of type acme"),
            Way::Sign(spec) => spec,
        };
        Ok(match spec {
            SignerSpec::Ca(spec) => self.by_ca(issuer, spec).await,
            SignerSpec::SelfSigned(spec) => self.by_own_key(spec, request, key).await,
            SignerSpec::Vault(spec) => self.by_vault(issuer, spec).await,
            SignerSpec::Venafi(spec) => self.by_venafi(issuer, spec, request).await,
        })
    }

    /// The readiness of the signer for these settings; `retry` is when to retry a call that the API server rejected.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub(crate) async fn readiness(
        &self,
        issuer: &Meta,
        spec: SignerSpec<'_>,
        retry: Next,
        ask: Ask,
    ) -> Result<Readiness, ControllerError> {
        match spec {
            SignerSpec::Ca(spec) => self.ca_readiness(issuer, spec, retry).await,
            SignerSpec::SelfSigned(_) => Ok(Readiness::only(Some(issuer::self_signed()))),
            SignerSpec::Vault(spec) => self.vault_readiness(issuer, spec, ask).await,
            SignerSpec::Venafi(spec) => self.venafi_readiness(issuer, spec, ask).await,
        }
    }

    /// After a call of a signer: an issuer whose server did not sign is checked again.
    pub(crate) fn doubt(&self, issuer: &FoundIssuer, outcome: &Outcome) {
        if let Outcome::Wait(wait) = outcome
            && [vault::UNAVAILABLE, venafi::REQUEST, venafi::RETRIEVE].contains(&wait.reason)
            && matches!(wait.until, Until::At(_))
        {
            self.ports.queues.follow_up(FollowUp::NotSigned(issuer.id()));
        }
    }

    async fn by_ca(&self, issuer: &FoundIssuer, spec: &CaIssuer) -> Result<Signer, Refusal> {
        let namespace = &self.ports.settings.cluster_resource_namespace;
        let secret = secret_of(&issuer.meta, &spec.secret_name, namespace);
        let clamp = issuer.meta.annotations.get(annotation::CLAMP_TO_CA) == Some("true");
        Ok(Signer::Ca {
            authority: self.authorities.get(&self.ports, &secret).await?,
            urls: Urls {
                crl_distribution_points: spec.crl_distribution_points.clone(),
                ocsp_servers: spec.ocsp_servers.clone(),
                issuing_certificate_urls: spec.issuing_certificate_urls.clone(),
            },
            outliving: if clamp { Outliving::Clamp } else { Outliving::State },
        })
    }

    async fn ca_readiness(&self, issuer: &Meta, spec: &CaIssuer, retry: Next) -> Result<Readiness, ControllerError> {
        let secret = secret_of(
            issuer,
            &spec.secret_name,
            &self.ports.settings.cluster_resource_namespace,
        );
        let live = match self.ports.reader.secret(&secret).await {
            Err(error) if error.is_forbidden() => {
                let verdict = issuer::ca_not_read(&error.to_string());
                return Ok(Readiness {
                    next: retry,
                    ..Readiness::only(Some(verdict))
                });
            }
            read => read?,
        };
        let pair = live.as_ref().map(|live| &*live.seen.pair);
        let (verdict, next) = issuer::ca(self.ports.now(), spec, pair);
        let info = pair.and_then(|pair| pair.certificate.valid());
        let not_usable = Readiness {
            verdict: Some(verdict),
            next,
            expiring: None,
            not_after: info.map(|info| info.not_after),
            contact: Contact::Answered,
        };
        if not_usable.verdict.as_ref().is_some_and(|verdict| !verdict.ready) {
            return Ok(not_usable);
        }
        // found only by signing, for example certificates that form no chain
        if let Err(refusal) = self.authorities.get(&self.ports, &secret).await
            && refusal.reason == ca::INVALID_DATA
        {
            return Ok(Readiness {
                verdict: Some(issuer::ca_not_usable(&refusal.message)),
                ..not_usable
            });
        }
        Ok(Readiness {
            expiring: info.and_then(|info| issuer::nears_its_end(self.ports.now(), &spec.secret_name, info)),
            ..not_usable
        })
    }

    async fn by_own_key(
        &self,
        spec: &SelfSignedIssuer,
        request: &RequestSeen,
        key: Option<&Arc<PrivateKey>>,
    ) -> Result<Signer, Refusal> {
        let key = match key {
            Some(key) => Arc::clone(key),
            None => Arc::new(self.read_key(request).await?),
        };
        Ok(Signer::SelfSigned {
            key,
            crl_distribution_points: spec.crl_distribution_points.clone(),
        })
    }

    /// The key in the Secret that the request names (ANO-04).
    async fn read_key(&self, request: &RequestSeen) -> Result<PrivateKey, Refusal> {
        let name = request
            .meta
            .annotations
            .get(annotation::PRIVATE_KEY_SECRET_NAME)
            .filter(|name| !name.is_empty());
        let name = name.ok_or_else(selfsigned::missing_annotation)?;
        let namespace = request.meta.namespace();
        let secret = match self.ports.reader.secret(&request.meta.key.sibling(name)).await {
            Ok(secret) => secret.ok_or_else(|| selfsigned::missing_secret(namespace, name))?,
            Err(error) => return Err(selfsigned::secret_not_read(namespace, name, &error.to_string())),
        };
        let unreadable = |why: &str| selfsigned::unreadable_key(name, why);
        let pem = secret
            .data("tls.key")
            .ok_or_else(|| unreadable("there is no tls.key in the Secret"))?;
        let (key, _) = PrivateKey::from_pem(pem).map_err(|error| unreadable(&error.to_string()))?;
        Ok(key)
    }
}
