//! Making and asking signers (SGN-01, SGN-02), for both controllers of requests and for Certificates that are issued in one pass; and what
//! they need of requests: who makes them, and who works on them.

mod asking;
mod authorities;
mod claims;
mod orders;
mod signers;
mod state;

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

pub use asking::{Asked, Conclusion, Turn, Waits, conclude};
pub use authorities::Authorities;
pub use claims::{Claim, Claims};
pub use orders::NotPlaced;
pub use signers::Readiness;
use state::Identity;
pub use state::{Reordered, Signing};

use super::ControllerError;
use crate::{
    cluster::writer::NewObject,
    pki::key::PrivateKey,
    plan::{
        issuer::FoundIssuer,
        kinds::RequestKind,
        notice::Notice,
        request::{Verdict, status_write},
        seen::RequestSeen,
    },
    signer::Place,
};

/// How soon an approval that was refused is tried again.
const NOT_ALLOWED: SignedDuration = SignedDuration::from_mins(5);

impl Signing {
    /// Wipes CA keys that nobody signs with, for as long as the process lives.
    pub async fn drop_idle_keys(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            self.authorities.drop_idle(self.ports.now());
        }
    }

    /// Completes a CertificateRequest of ours: where no admission policy of the server writes down who made it (VAL-34), we
    /// do, with what the server says we are.
    pub async fn new_request(&self, mut new: NewObject<RequestKind>) -> NewObject<RequestKind> {
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
            // The server may still fill it in; a request without a name is better than none.
            Err(error) => tracing::warn!(%error, "it is not known under which name requests are made"),
        }
        new
    }

    /// One status write: the approval (if `approve`) and `verdict`. Nothing is written where all of that is said already.
    ///
    /// # Errors
    /// Where approving is not allowed to us (VAL-35), the request waits: only an administrator can change that.
    pub async fn settle(
        &self,
        request: &RequestSeen,
        approve: bool,
        verdict: Option<&Verdict>,
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
                let advice = "allow it the verb approve on signers, or leave approval to others with --controllers=*,-certificaterequests-approver";
                let until = now.saturating_add(NOT_ALLOWED).unwrap_or(now);
                let message = format!("{error}; {advice}");
                self.publish(request, &[Notice::warning("ApprovalNotAllowed", message.as_str())]);
                Err(ControllerError::wait(message, until))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Publishes events about a request.
    pub fn publish(&self, request: &RequestSeen, notices: &[Notice]) {
        for notice in notices {
            self.ports.events.publish::<RequestKind>(&request.meta, notice);
        }
    }

    /// Signs `request`, whose private key is `key`, in this very pass, and tells the warnings that come with it. Nothing is written.
    ///
    /// # Errors
    /// When its issuer is no longer one that signs at once. None for a request that cannot be signed: that is a [`Verdict`] too.
    pub async fn sign_at_once(
        &self,
        issuer: &FoundIssuer,
        request: &RequestSeen,
        key: &Arc<PrivateKey>,
    ) -> Result<Verdict, ControllerError> {
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
