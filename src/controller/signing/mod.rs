//! Signing inside this process (SGN-01, SGN-02), for the requests controller and for Certificates that are issued in
//! one pass; and what both need of requests: who makes them, and who works on them.

mod authorities;
mod claims;
mod orders;

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use tokio::sync::OnceCell;

pub use authorities::Authorities;
pub use claims::{Claim, Claims};
pub use orders::{NotPlaced, discard, place};

use super::{Context, ControllerError};
use crate::{
    api::{
        issuer::{CaIssuer, SelfSignedIssuer},
        names::annotation,
    },
    cluster::{events::Severity, writer::NewObject},
    pki::{
        key::{KeyAlgorithm, PrivateKey},
        sign::random_serial,
        usage::Usage,
    },
    plan::{
        issuer::{Backend, FoundIssuer, secret_of},
        kinds::RequestKind,
        request::{Notice, Verdict, status_write},
        seen::RequestSeen,
    },
    signer::{
        self, Issued, Refusal, RefusalKind,
        ca::{Outliving, Urls},
        selfsigned,
    },
};

/// How long a certificate is valid when nobody says (CRT-06).
const DEFAULT_DURATION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How soon an approval that was refused is tried again.
const NOT_ALLOWED: SignedDuration = SignedDuration::from_mins(5);

/// What signing keeps between two requests.
#[derive(Debug, Default)]
pub struct Signing {
    /// Key pairs of CAs in use.
    pub authorities: Authorities,
    /// Requests that somebody is working on.
    pub claims: Arc<Claims>,
    identity: OnceCell<Identity>,
}

#[derive(Debug)]
struct Identity {
    username: Option<String>,
    uid: Option<String>,
    groups: Vec<String>,
}

/// Wipes CA keys that nobody signs with, for as long as the process lives.
pub async fn drop_idle_keys(context: Arc<Context>) {
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        context.signing.authorities.drop_idle(context.now());
    }
}

/// Completes a CertificateRequest of ours: where no admission policy of the server writes down who made it (VAL-34), we
/// do, with what the server says we are.
pub async fn new_request(context: &Context, mut new: NewObject<RequestKind>) -> NewObject<RequestKind> {
    let identity = context.signing.identity.get_or_try_init(async || {
        let user = context.reader.whoami().await?;
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
    context: &Context,
    request: &RequestSeen,
    approve: bool,
    verdict: Option<&Verdict>,
) -> Result<Option<Arc<RequestSeen>>, ControllerError> {
    let now = context.now();
    let Some(write) = status_write(now, request, approve, verdict) else {
        return Ok(None);
    };
    match context
        .writer
        .patch_status::<RequestKind>(&request.meta, write.patch)
        .await
    {
        Ok(written) => {
            tell(context, request, &write.notices);
            Ok(Some(written))
        }
        Err(error) if approve && error.is_forbidden() => {
            let advice = "allow it the verb approve on signers, or leave approval to others with --controllers=*,-certificaterequests-approver";
            let until = now.saturating_add(NOT_ALLOWED).unwrap_or(now);
            let message = format!("{error}; {advice}");
            tell(
                context,
                request,
                &[Notice::warning("ApprovalNotAllowed", message.as_str())],
            );
            Err(ControllerError::wait(message, until))
        }
        Err(error) => Err(error.into()),
    }
}

/// Publishes events about a request.
pub fn tell(context: &Context, request: &RequestSeen, notices: &[Notice]) {
    for Notice {
        warning,
        reason,
        message,
    } in notices
    {
        let severity = if *warning { Severity::Warning } else { Severity::Normal };
        context
            .events
            .publish::<RequestKind>(&request.meta, severity, reason, message);
    }
}

/// Signs `request` with the CA of its issuer, or with its own key, and tells the warnings that come with it.
///
/// `key` is the request's private key where the caller made it and holds it; otherwise a self-signed one is read from
/// the Secret that the request names (ANO-04). Nothing is written.
///
/// # Errors
/// None for a request that cannot be signed: that is a [`Verdict`] too.
pub async fn sign_in_process(
    context: &Context,
    issuer: &FoundIssuer,
    request: &RequestSeen,
    key: Option<&PrivateKey>,
) -> Result<Verdict, ControllerError> {
    Ok(match sign(context, issuer, request, key).await? {
        Ok(signed) => issued_verdict(context, request, signed),
        Err(Refusal {
            kind: RefusalKind::Pending,
            reason,
            message,
        }) => Verdict::Pending { reason, message },
        Err(Refusal {
            kind: RefusalKind::Failed,
            reason,
            message,
        }) => Verdict::Failed { reason, message },
    })
}

/// The signature alone, as in [`sign_in_process`].
///
/// # Errors
/// When the issuer is no longer one that signs here.
pub async fn sign(
    context: &Context,
    issuer: &FoundIssuer,
    request: &RequestSeen,
    key: Option<&PrivateKey>,
) -> Result<Result<Issued, Refusal>, ControllerError> {
    let elsewhere = |now: &str| {
        let request = &request.meta.key;
        let message = format!("the issuer of {request} is no longer of type ca or selfSigned: it is {now}");
        Err(ControllerError::Stale(message))
    };
    match issuer.backend() {
        Some(Backend::Ca(ca)) => Ok(by_ca(context, issuer, ca, request).await),
        Some(Backend::SelfSigned(own)) => Ok(by_own_key(context, own, request, key).await),
        Some(Backend::Acme(_)) => elsewhere("acme"),
        Some(Backend::Vault(_)) => elsewhere("vault"),
        Some(Backend::Venafi(_)) => elsewhere("venafi"),
        None => elsewhere("of no type"),
    }
}

/// Warnings become events at once, and are kept in the condition's message.
fn issued_verdict(context: &Context, request: &RequestSeen, issued: Issued) -> Verdict {
    let Issued {
        certificate,
        ca,
        warnings,
    } = issued;
    let notices: Vec<Notice> = warnings
        .iter()
        .map(|warning| Notice::warning(warning.reason, warning.message.as_str()))
        .collect();
    tell(context, request, &notices);
    // An empty subject is told by an event alone, as cert-manager does (SGN-01).
    let remarks = warnings
        .into_iter()
        .filter(|warning| warning.reason != "BadConfig")
        .map(|warning| warning.message);
    let remark = remarks.reduce(|all, one| format!("{all}. {one}"));
    Verdict::Issued {
        certificate,
        ca: Some(ca),
        remark,
    }
}

async fn by_ca(
    context: &Context,
    issuer: &FoundIssuer,
    ca: &CaIssuer,
    request: &RequestSeen,
) -> Result<Issued, Refusal> {
    let secret = secret_of(
        &issuer.meta,
        &ca.secret_name,
        &context.settings.cluster_resource_namespace,
    );
    let authority = context.signing.authorities.get(context, &secret).await?;
    let urls = Urls {
        crl_distribution_points: ca.crl_distribution_points.clone(),
        ocsp_servers: ca.ocsp_servers.clone(),
        issuing_certificate_urls: ca.issuing_certificate_urls.clone(),
    };
    let clamp = issuer.meta.annotations.get(annotation::CLAMP_TO_CA) == Some("true");
    let outliving = if clamp { Outliving::Clamp } else { Outliving::State };
    let (facts, now) = (Facts::of(request), context.now());
    let sign = {
        let authority = Arc::clone(&authority);
        move || authority.sign(&facts.request(), &urls, outliving, now, serial()?)
    };
    let slow = authority
        .info()
        .key_spec
        .is_none_or(|spec| spec.algorithm == KeyAlgorithm::Rsa);
    apart(slow, sign)
        .await
        .unwrap_or_else(|| Err(interrupted("signing was interrupted and is tried again".into())))
}

async fn by_own_key(
    context: &Context,
    issuer: &SelfSignedIssuer,
    request: &RequestSeen,
    key: Option<&PrivateKey>,
) -> Result<Issued, Refusal> {
    let (facts, now) = (Facts::of(request), context.now());
    let urls = &issuer.crl_distribution_points;
    if let Some(key) = key {
        return selfsigned::sign(&facts.request(), key, urls, now, serial()?);
    }
    let key = read_key(context, request).await?;
    let (slow, urls) = (key.spec().algorithm == KeyAlgorithm::Rsa, urls.clone());
    let sign = move || selfsigned::sign(&facts.request(), &key, &urls, now, serial()?);
    apart(slow, sign)
        .await
        .unwrap_or_else(|| Err(interrupted("signing was interrupted and is tried again".into())))
}

/// The key in the Secret that the request names (ANO-04).
async fn read_key(context: &Context, request: &RequestSeen) -> Result<PrivateKey, Refusal> {
    let name = request
        .meta
        .annotations
        .get(annotation::PRIVATE_KEY_SECRET_NAME)
        .filter(|name| !name.is_empty());
    let name = name.ok_or_else(selfsigned::missing_annotation)?;
    let namespace = request.meta.namespace();
    let secret = match context.reader.secret(&request.meta.key.sibling(name)).await {
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

/// The parts of a request that a signer looks at, owned, so that they can be taken to another thread.
struct Facts {
    csr: Box<[u8]>,
    usages: Vec<Usage>,
    is_ca: bool,
    adds_cert_sign: bool,
    duration: SignedDuration,
}

impl Facts {
    fn of(request: &RequestSeen) -> Self {
        Self {
            csr: request.csr_pem.clone().unwrap_or_default(),
            // What is no usage has been refused before (VAL-31).
            usages: request.usages.iter().filter_map(|usage| usage.parse().ok()).collect(),
            is_ca: request.is_ca,
            adds_cert_sign: !request.of_kubernetes,
            duration: request.duration.map_or(DEFAULT_DURATION, SignedDuration::from),
        }
    }

    fn request(&self) -> signer::Request<'_> {
        signer::Request {
            csr: &self.csr,
            usages: &self.usages,
            is_ca: self.is_ca,
            adds_cert_sign: self.adds_cert_sign,
            duration: self.duration,
        }
    }
}

/// Runs `work` here, or where slow work does not hold up everybody else. `None` if the process is ending.
async fn apart<T: Send + 'static>(slow: bool, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if slow {
        tokio::task::spawn_blocking(work).await.ok()
    } else {
        Some(work())
    }
}

/// A random one: without it there is no certificate, for now.
fn serial() -> Result<[u8; 16], Refusal> {
    random_serial().map_err(|error| interrupted(error.to_string()))
}

fn interrupted(message: String) -> Refusal {
    Refusal {
        kind: RefusalKind::Pending,
        reason: signer::INTERRUPTED,
        message,
    }
}
