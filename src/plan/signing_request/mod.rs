//! What to do for a Kubernetes CertificateSigningRequest whose signer is an issuer of ours (CSR-01..05, gate GAT-01).
//!
//! Approval is never ours (CSR-02). Issuers of type ca and selfSigned sign; for ACME there is an Order, as for a
//! CertificateRequest that says the same; the others say that they cannot yet.

mod record;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use record::{SignerName, SigningRequestKind, SigningRequestSeen};

use crate::{
    api::{AcmeIssuer, GoDuration, names::annotation},
    pki::csr::CsrInfo,
    plan::{
        certificate::request::is_copied,
        issuer::{Backend, FoundIssuer, IssuerType, Lookup, Way},
        kinds::OrderKind,
        notice::Notice,
        order::desired::DesiredOrder,
        request::{self, Verdict},
        seen::{Meta, Object, ObjectKey, RequestSeen},
        settings::Settings,
    },
};

/// The shortest lifetime that may be asked for (CSR-04), as Kubernetes itself has it.
const SHORTEST: GoDuration = GoDuration::from_seconds(600);

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The request.
    pub request: &'a SigningRequestSeen,
    /// Its issuer.
    pub issuer: &'a Lookup,
    /// Orders that the request owns, by uid.
    pub orders: &'a [Object<OrderKind>],
    /// Whether an Order of the request came out wrong before, or was lost, and was made again by this process.
    pub reordered: bool,
    /// Whether the requester may refer to the issuer (CSR-03), once that has been asked.
    pub may_refer: Option<bool>,
    /// What the administrator set.
    pub settings: &'a Settings,
}

/// The next step.
#[derive(Clone, Debug)]
pub enum Step {
    /// None.
    Nothing,
    /// Say what is waited for.
    Tell(Notice),
    /// Ask whether the requester may refer to this namespaced issuer, then plan again.
    AskReference(SignerName),
    /// Sign, as the CertificateRequest that says the same would be signed.
    Sign(Box<RequestSeen>),
    /// Create this Order for the CertificateRequest that says the same.
    Order(Box<RequestSeen>, Box<DesiredOrder>),
    /// The Order is valid: its certificate is the answer.
    TakeFromOrder(Meta),
    /// Delete an Order that stands in the way or came out wrong (AOR-03), and plan again.
    DeleteOrder(Meta),
    /// It can never be signed.
    Fail {
        /// In one word.
        reason: &'static str,
        /// In one sentence.
        message: String,
    },
}

/// Decides about a request.
pub fn plan(now: Timestamp, seen: &Seen<'_>) -> Step {
    let Seen {
        request,
        issuer,
        orders: _,
        reordered: _,
        may_refer,
        settings,
    } = *seen;
    let Some(signer) = request
        .signer()
        .filter(|_| !request.is_finished() && request.meta.deleting.is_none())
    else {
        return Step::Nothing;
    };
    if !request.has("Approved") {
        let message = "Waiting for the Approved condition before issuing";
        return Step::Tell(Notice::normal("WaitingApproval", message));
    }
    if let Some(why) = &request.unreadable {
        return Step::Fail {
            reason: "BadConfig",
            message: format!("the request cannot be read: {why}"),
        };
    }
    let referenced = format!(
        "Referenced {} {}",
        signer.issuer_ref().kind_or_default(),
        signer.place()
    );
    let typeless = || {
        let message = format!("{referenced} is missing type");
        Step::Tell(Notice::warning("IssuerTypeMissing", message))
    };
    let issuer = match issuer {
        Lookup::External => return Step::Nothing,
        Lookup::Missing(_) => {
            return Step::Tell(Notice::warning("IssuerNotFound", format!("{referenced} not found")));
        }
        Lookup::Unreadable(..) => return typeless(),
        Lookup::Found(issuer) => &**issuer,
    };
    let Some(backend) = issuer.backend() else {
        return typeless();
    };
    let issuer_type = backend.issuer_type();
    if !settings.controllers.enabled(issuer_type.signing_request_controller()) {
        return Step::Nothing;
    }
    if !signer.namespace.is_empty() {
        match may_refer {
            None => return Step::AskReference(signer),
            Some(false) => {
                let message = format!(
                    "Requester may not reference Namespaced Issuer {}/{}",
                    signer.namespace, signer.name
                );
                return Step::Fail {
                    reason: "DeniedReference",
                    message,
                };
            }
            Some(true) => {}
        }
    }
    let asked = match duration(request) {
        Ok(duration) => as_request(request, &signer, duration, settings),
        Err((reason, message)) => return Step::Fail { reason, message },
    };
    if let Err(refusal) = request::validate(&asked) {
        return never(issuer_type, &refusal);
    }
    let asked = Asked {
        request: asked,
        issuer,
        referenced,
    };
    by_backend(now, seen, backend, asked)
}

/// A request that is in order, for an issuer that is there.
struct Asked<'a> {
    /// The CertificateRequest that says the same.
    request: RequestSeen,
    issuer: &'a FoundIssuer,
    /// The issuer, for messages.
    referenced: String,
}

impl Asked<'_> {
    /// The step, unless the issuer is not ready.
    fn once_ready(self, step: impl FnOnce(Self) -> Step) -> Step {
        if self.issuer.is_ready() {
            return step(self);
        }
        let message = format!("{} does not have a Ready status condition", self.referenced);
        Step::Tell(Notice::warning("IssuerNotReady", message))
    }
}

/// What an issuer of this type does about a request that is in order.
fn by_backend(now: Timestamp, seen: &Seen<'_>, backend: Backend<'_>, asked: Asked<'_>) -> Step {
    match backend.way() {
        Way::Order(acme) => asked.once_ready(|asked| by_order(now, seen, acme, asked.request)),
        Way::Sign(_) => asked.once_ready(|asked| {
            let key = asked.request.meta.annotations.get(annotation::PRIVATE_KEY_SECRET_NAME);
            if backend.issuer_type().needs_key() && key.unwrap_or_default().is_empty() {
                return missing_annotation();
            }
            Step::Sign(Box::new(asked.request))
        }),
        Way::NotSupported(issuer_type) => not_supported(issuer_type),
    }
}

/// What is wrong with the request itself, with the reason that cert-manager has where it notices (CSR-05).
fn never(issuer_type: IssuerType, refusal: &str) -> Step {
    let refusal = refusal.strip_prefix("spec.request: Invalid value: ").unwrap_or(refusal);
    Step::Fail {
        reason: issuer_type.unusable_csr(),
        message: format!("Error generating certificate template: {refusal}"),
    }
}

fn not_supported(issuer_type: IssuerType) -> Step {
    let field = issuer_type.field();
    let message = format!(
        "Issuers of type {field} cannot sign CertificateSigningRequests with certlet yet: use one of type acme, ca or selfSigned"
    );
    Step::Tell(Notice::warning("IssuerNotSupported", message))
}

fn missing_annotation() -> Step {
    Step::Fail {
        reason: "MissingAnnotation",
        message: format!(
            "Missing private key reference annotation: {:?}",
            annotation::CSR_PRIVATE_KEY_SECRET_NAME
        ),
    }
}

/// Reason and message of a signer's refusal of `asked`. Signers word it for CertificateRequests: here a key's Secret is named by another
/// annotation (ANO-08), and cert-manager has other words (CSR-05).
pub fn reworded(reason: &'static str, message: &str, asked: &RequestSeen) -> (&'static str, String) {
    let key = asked.meta.annotations.get(annotation::PRIVATE_KEY_SECRET_NAME);
    let secret = format!("{}/{}", asked.meta.namespace(), key.unwrap_or_default());
    match reason {
        "MissingSecret" => ("SecretNotFound", format!("Referenced Secret {secret} not found")),
        "ErrorKeyMatch" => (
            reason,
            "Referenced private key in Secret does not match that in the request".to_owned(),
        ),
        _ => {
            let (theirs, ours) = (
                annotation::PRIVATE_KEY_SECRET_NAME,
                annotation::CSR_PRIVATE_KEY_SECRET_NAME,
            );
            (reason, message.replace(theirs, ours))
        }
    }
}

/// What the Orders say, or that there is to be one.
fn by_order(now: Timestamp, seen: &Seen<'_>, acme: &AcmeIssuer, asked: RequestSeen) -> Step {
    let as_request = request::Seen {
        request: &asked,
        issuer: seen.issuer,
        orders: seen.orders,
        replaces: None,
        reordered: seen.reordered,
        settings: seen.settings,
    };
    let step = request::follow_orders(now, &as_request, acme);
    match step {
        request::Step::Order { order, .. } => Step::Order(Box::new(asked), Box::new(order)),
        request::Step::TakeFromOrder(order) => Step::TakeFromOrder(order),
        request::Step::DeleteOrder(order) => Step::DeleteOrder(order),
        request::Step::Settle(Verdict::Pending { reason, message }) => Step::Tell(Notice::normal(reason, message)),
        request::Step::Settle(Verdict::Failed { reason, message }) => Step::Fail { reason, message },
        request::Step::Settle(Verdict::Denied | Verdict::Issued { .. })
        | request::Step::Nothing
        | request::Step::Sign(_) => Step::Nothing,
    }
}

/// The CertificateRequest that says the same as this request, for whoever looks at its Orders; `None` for a signer that
/// is none of ours, and for a lifetime that cannot be.
pub fn equivalent(request: &SigningRequestSeen, settings: &Settings) -> Option<RequestSeen> {
    let signer = request.signer()?;
    let duration = duration(request).ok()?;
    Some(as_request(request, &signer, duration, settings))
}

/// The annotation outranks `spec.expirationSeconds` (CSR-04).
fn duration(request: &SigningRequestSeen) -> Result<Option<GoDuration>, (&'static str, String)> {
    let asked = match request.meta.annotations.get(annotation::CSR_REQUEST_DURATION) {
        Some(text) => Some(text.parse().map_err(|error| {
            (
                "ErrorParseDuration",
                format!(
                    "Failed to parse requested duration: failed to parse requested duration on annotation {:?}: {error}",
                    annotation::CSR_REQUEST_DURATION
                ),
            )
        })?),
        None => request
            .spec
            .expiration_seconds
            .map(|seconds| GoDuration::from_seconds(seconds.into())),
    };
    match asked {
        Some(asked) if asked < SHORTEST => {
            let message =
                format!("CertificateSigningRequest minimum allowed duration is {SHORTEST}, requested {asked}");
            Err(("InvalidDuration", message))
        }
        asked => Ok(asked),
    }
}

/// The CertificateRequest that says the same. It lives where the issuer's Secrets are, and never on a server.
fn as_request(
    request: &SigningRequestSeen,
    signer: &SignerName,
    duration: Option<GoDuration>,
    settings: &Settings,
) -> RequestSeen {
    let SigningRequestSeen { meta, spec, .. } = request;
    let secrets = if signer.namespace.is_empty() {
        &settings.cluster_resource_namespace
    } else {
        &signer.namespace
    };
    let key_secret = meta.annotations.get(annotation::CSR_PRIVATE_KEY_SECRET_NAME);
    let key_secret = key_secret.map(|name| (annotation::PRIVATE_KEY_SECRET_NAME, name));
    // an Order gets them, where solvers are chosen by them
    let copied = meta
        .annotations
        .iter()
        .filter(|(key, _)| *key != annotation::PRIVATE_KEY_SECRET_NAME)
        .filter(|(key, _)| is_copied(key, &settings.copied_annotation_prefixes));
    RequestSeen {
        meta: Meta {
            key: ObjectKey::new(secrets.as_str(), meta.name()),
            annotations: copied.chain(key_secret).collect(),
            ..meta.clone()
        },
        issuer_ref: signer.issuer_ref(),
        duration,
        is_ca: meta.annotations.get(annotation::CSR_REQUEST_IS_CA) == Some("true"),
        usages: spec
            .usages
            .iter()
            .flatten()
            .map(|usage| usage.as_str().into())
            .collect(),
        of_kubernetes: true,
        username: spec.username.as_deref().map(Into::into),
        csr: CsrInfo::parse(&spec.request.0)
            .map(Box::new)
            .map_err(|error| error.to_string().into()),
        csr_pem: Some(spec.request.0.as_slice().into()),
        certificate: None,
        has_ca: false,
        conditions: request.word(),
        failure_time: None,
    }
}
