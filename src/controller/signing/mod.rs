//! Signing for all controllers (SGN-01, SGN-02): calls of signers, the requester of a request (VAL-34), and claims on requests.

mod asking;
mod authorities;
mod changes;
mod claims;
mod orders;
mod secrets;
mod sessions;
mod signers;
mod state;
mod vault;
mod venafi;

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

pub(crate) use asking::{Conclusion, SignerCall, Turn, conclude};
pub(crate) use orders::NotPlaced;
pub(crate) use signers::{Ask, Readiness};
use state::Identity;
pub(crate) use state::Signing;

use super::ControllerError;
use crate::{
    cluster::writer::NewObject,
    pki::key::PrivateKey,
    plan::{
        issuer::FoundIssuer,
        kinds::RequestKind,
        notice::Notice,
        request::{RequestVerdict, status_write},
        seen::{ObjectKey, RequestSeen},
    },
    signer::Place,
};

/// Delay before a rejected approval is retried.
const NOT_ALLOWED: SignedDuration = SignedDuration::from_mins(5);

impl Signing {
    /// A Secret has changed: what was read from it is read again.
    pub(crate) fn forget_secret(&self, secret: &ObjectKey) {
        self.authorities.forget(secret);
        self.vault.forget(secret);
        self.venafi.forget(secret);
    }

    /// Wipes idle CA keys, and drops idle sessions, periodically. Never returns.
    pub(crate) async fn drop_idle_keys(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            self.authorities.drop_idle(self.ports.now());
            self.venafi.drop_idle(self.ports.now());
            self.vault.drop_idle(self.ports.now()).await;
        }
    }

    /// Sets the requester of a CertificateRequest of ours, if no admission policy of the server does (VAL-34): the identity that the
    /// server reports for this process.
    pub(crate) async fn new_request(&self, mut new: NewObject<RequestKind>) -> NewObject<RequestKind> {
        let identity = self.identity.get_or_try_init(async || {
            let user = self.ports.reader.whoami().await?;
            Ok::<_, crate::cluster::Error>(Identity {
                username: user.username,
                uid: user.uid.filter(|uid| !uid.is_empty()),
                groups: user.groups.unwrap_or_default(),
            })
        });
        match identity.await {
            Ok(Identity { username, uid, groups }) => {
                new.spec.username.clone_from(username);
                new.spec.uid.clone_from(uid);
                new.spec.groups.clone_from(groups);
            }
            // The server may still set it. A request without a requester is better than none.
            Err(error) => tracing::warn!(%error, "cannot read the identity of this process for requests"),
        }
        new
    }

    /// Writes the approval (if `approve`) and `verdict` to the status, in one write. Does nothing if the status contains them
    /// already.
    ///
    /// # Errors
    /// If approval is not permitted (VAL-35), the request waits until an administrator grants it.
    pub(crate) async fn settle(
        &self,
        request: &RequestSeen,
        approve: bool,
        verdict: Option<&RequestVerdict>,
    ) -> Result<Option<Arc<RequestSeen>>, ControllerError> {
        let now = self.ports.now();
        let Some(write) = status_write(now, request, approve, verdict) else {
            return Ok(None);
        };
        match self
            .ports
            .writer
            .patch_status::<RequestKind>(&request.meta, write.patch)
            .await
        {
            Ok(written) => {
                self.publish(request, &write.notices);
                Ok(Some(written))
            }
            Err(error) if approve && error.is_forbidden() => {
                let advice = "grant the verb approve on signers, or leave approval to another program with --controllers=*,-certificaterequests-approver";
                let until = now.saturating_add(NOT_ALLOWED).unwrap_or(now);
                let message = format!("{error}; {advice}");
                self.publish(request, &[Notice::warning("ApprovalNotAllowed", message.as_str())]);
                Err(ControllerError::wait(message, until))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Publishes events about a request.
    pub(crate) fn publish(&self, request: &RequestSeen, notices: &[Notice]) {
        for notice in notices {
            self.ports.events.publish::<RequestKind>(&request.meta, notice);
        }
    }

    /// Signs `request`, whose private key is `key`, in this pass, and publishes the warnings. Writes nothing.
    ///
    /// # Errors
    /// If its issuer no longer signs at once. A request that cannot be signed is a [`RequestVerdict`], not an error.
    pub(crate) async fn sign_at_once(
        &self,
        issuer: &FoundIssuer,
        request: &RequestSeen,
        key: &Arc<PrivateKey>,
    ) -> Result<RequestVerdict, ControllerError> {
        let outcome = match self.signer(issuer, request, Some(key)).await? {
            Ok(signer) if signer.place() == Place::Here => {
                signer.sign(asking::task(request, None), self.ports.now()).await
            }
            Ok(_) => {
                let message = format!("the issuer of {} no longer signs at once", request.meta.key);
                return Err(ControllerError::Stale(message));
            }
            Err(refusal) => refusal.into(),
        };
        let Conclusion { notices, verdict, .. } = conclude(request, None, outcome);
        self.publish(request, &notices);
        Ok(verdict)
    }
}
