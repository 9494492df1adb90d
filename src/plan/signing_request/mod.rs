//! The planner of Kubernetes CertificateSigningRequests for our issuers (CSR-01..05, gate GAT-01).
//!
//! certlet never approves them (CSR-02). For ACME there is an Order as for an equivalent CertificateRequest; other issuers sign.

mod record;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use record::{SignerName, SigningRequestSeen};

use crate::{
    api::{AcmeIssuer, GoDuration, names::annotation},
    pki::csr::CsrInfo,
    plan::{
        certificate::request::is_copied,
        issuer::{Backend, FoundIssuer, IssuerType, Lookup, Way},
        kinds::OrderKind,
        notice::Notice,
        order::desired::DesiredOrder,
        request::{self, RequestVerdict},
        seen::{Meta, Object, ObjectKey, RequestSeen},
        settings::Settings,
    },
};

/// Minimum lifetime (CSR-04), the same as in Kubernetes.
const SHORTEST: GoDuration = GoDuration::from_seconds(600);

/// The observation of a request.
#[derive(Clone, Copy, Debug)]
pub struct SigningRequestObservation<'a> {
    /// The request.
    pub request: &'a SigningRequestSeen,
    /// Its issuer.
    pub issuer: &'a Lookup,
    /// Orders that the request owns (by uid).
    pub orders: &'a [Object<OrderKind>],
    /// Whether this process replaced an Order of the request already, because it was wrong or lost.
    pub reordered: bool,
    /// Whether the requester may refer to the issuer (CSR-03), once it was checked.
    pub may_refer: Option<bool>,
    /// What the administrator set.
    pub settings: &'a Settings,
}

/// The next step.
#[derive(Clone, Debug)]
pub enum SigningRequestStep {
    /// None.
    Nothing,
    /// Report what the request waits for.
    Report(Notice),
    /// Check whether the requester may refer to this namespaced issuer, then plan again.
    AskReference(SignerName),
    /// Sign the equivalent CertificateRequest.
    Sign(Box<RequestSeen>),
    /// Create this Order for the equivalent CertificateRequest.
    Order(Box<RequestSeen>, Box<DesiredOrder>),
    /// The Order is valid: take its certificate.
    TakeFromOrder(Meta),
    /// Delete an Order that is wrong or blocks the name (AOR-03), and plan again.
    DeleteOrder(Meta),
    /// It can never be signed.
    Fail {
        /// The reason.
        reason: &'static str,
        /// The message.
        message: String,
    },
}

/// Plans the next step of a request.
pub fn plan(now: Timestamp, seen: &SigningRequestObservation<'_>) -> SigningRequestStep {
    let SigningRequestObservation {
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
        return SigningRequestStep::Nothing;
    };
    if !request.has("Approved") {
        let message = "Waiting for the Approved condition before issuing";
        return SigningRequestStep::Report(Notice::normal("WaitingApproval", message));
    }
    if let Some(why) = &request.unreadable {
        return SigningRequestStep::Fail {
            reason: "BadConfig",
            message: format!("the request cannot be decoded: {why}"),
        };
    }
    let referenced = format!(
        "Referenced {} {}",
        signer.issuer_ref().kind_or_default(),
        signer.place()
    );
    let typeless = || {
        let message = format!("{referenced} is missing type");
        SigningRequestStep::Report(Notice::warning("IssuerTypeMissing", message))
    };
    let issuer = match issuer {
        Lookup::External => return SigningRequestStep::Nothing,
        Lookup::Missing(_) => {
            return SigningRequestStep::Report(Notice::warning("IssuerNotFound", format!("{referenced} not found")));
        }
        Lookup::Unreadable(..) => return typeless(),
        Lookup::Found(issuer) => &**issuer,
    };
    let Some(backend) = issuer.backend() else {
        return typeless();
    };
    let issuer_type = backend.issuer_type();
    if !settings.controllers.enabled(issuer_type.signing_request_controller()) {
        return SigningRequestStep::Nothing;
    }
    if !signer.namespace.is_empty() {
        match may_refer {
            None => return SigningRequestStep::AskReference(signer),
            Some(false) => {
                let message = format!(
                    "Requester may not reference Namespaced Issuer {}/{}",
                    signer.namespace, signer.name
                );
                return SigningRequestStep::Fail {
                    reason: "DeniedReference",
                    message,
                };
            }
            Some(true) => {}
        }
    }
    let asked = match duration(request) {
        Ok(duration) => as_request(request, &signer, duration, settings),
        Err((reason, message)) => return SigningRequestStep::Fail { reason, message },
    };
    if let Err(refusal) = request::validate(&asked) {
        return never(issuer_type, &refusal);
    }
    let asked = ValidRequest {
        request: asked,
        issuer,
        referenced,
    };
    by_backend(now, seen, backend, asked)
}

/// A valid request for an existing issuer.
struct ValidRequest<'a> {
    /// The equivalent CertificateRequest.
    request: RequestSeen,
    issuer: &'a FoundIssuer,
    /// The issuer, for messages.
    referenced: String,
}

impl ValidRequest<'_> {
    /// The step, if the issuer is Ready; otherwise waiting.
    fn once_ready(self, step: impl FnOnce(Self) -> SigningRequestStep) -> SigningRequestStep {
        if self.issuer.is_ready() {
            return step(self);
        }
        let message = format!("{} does not have a Ready status condition", self.referenced);
        SigningRequestStep::Report(Notice::warning("IssuerNotReady", message))
    }
}

/// The step for a valid request, by type of issuer.
fn by_backend(
    now: Timestamp,
    seen: &SigningRequestObservation<'_>,
    backend: Backend<'_>,
    asked: ValidRequest<'_>,
) -> SigningRequestStep {
    match backend.way() {
        Way::Order(acme) => asked.once_ready(|asked| by_order(now, seen, acme, asked.request)),
        Way::Sign(_) => asked.once_ready(|asked| {
            let key = asked.request.meta.annotations.get(annotation::PRIVATE_KEY_SECRET_NAME);
            if backend.issuer_type().needs_key() && key.unwrap_or_default().is_empty() {
                return missing_annotation();
            }
            SigningRequestStep::Sign(Box::new(asked.request))
        }),
    }
}

/// The violation of the request itself, with cert-manager's reason if it has one (CSR-05).
fn never(issuer_type: IssuerType, refusal: &str) -> SigningRequestStep {
    let refusal = refusal.strip_prefix("spec.request: Invalid value: ").unwrap_or(refusal);
    SigningRequestStep::Fail {
        reason: issuer_type.unusable_csr(),
        message: format!("Error generating certificate template: {refusal}"),
    }
}

/// The beginning of the message about a CertificateRequest that Vault refused.
const VAULT: &str = "Vault failed to sign certificate";
/// The beginnings of messages about Venafi, for a CertificateRequest and for a Kubernetes CSR.
const NOT_REQUESTED: (&str, &str) = (
    "Failed to request certificate from Certificate Manager",
    "Failed to request Certificate Manager certificate",
);
const NOT_RETRIEVED: (&str, &str) = (
    "Failed to obtain certificate from Certificate Manager",
    "Failed to obtain Certificate Manager certificate",
);

fn missing_annotation() -> SigningRequestStep {
    SigningRequestStep::Fail {
        reason: "MissingAnnotation",
        message: format!(
            "Missing private key reference annotation: {:?}",
            annotation::CSR_PRIVATE_KEY_SECRET_NAME
        ),
    }
}

/// Reason and message for a signer's refusal. Signers word it for CertificateRequests. Here another annotation names the Secret
/// (ANO-08), and cert-manager's messages differ (CSR-05).
pub fn reworded(reason: &'static str, message: &str, asked: &RequestSeen) -> (&'static str, String) {
    let key = asked.meta.annotations.get(annotation::PRIVATE_KEY_SECRET_NAME);
    let secret = format!("{}/{}", asked.meta.namespace(), key.unwrap_or_default());
    match reason {
        "MissingSecret" => ("SecretNotFound", format!("Referenced Secret {secret} not found")),
        "ErrorKeyMatch" => (
            reason,
            "Referenced private key in Secret does not match that in the request".to_owned(),
        ),
        "SigningError" if message.starts_with(VAULT) => {
            ("ErrorSigning", message.replacen(VAULT, "Vault failed to sign", 1))
        }
        "SecretMissing" if message.starts_with("Required secret resource not found") => {
            ("SecretNotFound", message.to_owned())
        }
        "VaultInitError" => ("ErrorVaultInit", message.to_owned()),
        "VenafiInitError" => ("ErrorVenafiInit", message.to_owned()),
        "CustomFieldsError" => ("ErrorCustomFields", of_kubernetes(message)),
        "RequestError" => ("ErrorRequest", message.replacen(NOT_REQUESTED.0, NOT_REQUESTED.1, 1)),
        "RetrieveError" => ("ErrorRetrieve", message.replacen(NOT_RETRIEVED.0, NOT_RETRIEVED.1, 1)),
        "ParseError" => ("ErrorParse", message.to_owned()),
        _ => (reason, of_kubernetes(message)),
    }
}

/// The annotations of a CertificateRequest and those of a Kubernetes CSR with the same meaning (ANO-08, ANO-09).
const MEANS: [(&str, &str); 3] = [
    (
        annotation::PRIVATE_KEY_SECRET_NAME,
        annotation::CSR_PRIVATE_KEY_SECRET_NAME,
    ),
    (annotation::VENAFI_CUSTOM_FIELDS, annotation::CSR_VENAFI_CUSTOM_FIELDS),
    (annotation::VENAFI_PICKUP_ID, annotation::CSR_VENAFI_PICKUP_ID),
];

/// A message with the names of the annotations of Kubernetes CSRs.
fn of_kubernetes(message: &str) -> String {
    MEANS.into_iter().fold(message.to_owned(), |message, (theirs, ours)| {
        message.replace(theirs, ours)
    })
}

/// The annotation of a Kubernetes CSR that means the same as this one of a CertificateRequest.
pub fn counterpart(of_request: &'static str) -> &'static str {
    let found = MEANS.into_iter().find(|(theirs, _)| *theirs == of_request);
    found.map_or(of_request, |(_, ours)| ours)
}

/// The step by the state of the Orders, or the creation of one.
fn by_order(
    now: Timestamp,
    seen: &SigningRequestObservation<'_>,
    acme: &AcmeIssuer,
    asked: RequestSeen,
) -> SigningRequestStep {
    let as_request = request::RequestObservation {
        request: &asked,
        issuer: seen.issuer,
        orders: seen.orders,
        replaces: None,
        reordered: seen.reordered,
        settings: seen.settings,
    };
    let step = request::follow_orders(now, &as_request, acme);
    match step {
        request::RequestStep::Order { order, .. } => SigningRequestStep::Order(Box::new(asked), Box::new(order)),
        request::RequestStep::TakeFromOrder(order) => SigningRequestStep::TakeFromOrder(order),
        request::RequestStep::DeleteOrder(order) => SigningRequestStep::DeleteOrder(order),
        request::RequestStep::Settle(RequestVerdict::Pending { reason, message }) => {
            SigningRequestStep::Report(Notice::normal(reason, message))
        }
        request::RequestStep::Settle(RequestVerdict::Failed { reason, message }) => {
            SigningRequestStep::Fail { reason, message }
        }
        request::RequestStep::Settle(RequestVerdict::Denied | RequestVerdict::Issued { .. })
        | request::RequestStep::Nothing
        | request::RequestStep::Sign(_) => SigningRequestStep::Nothing,
    }
}

/// The CertificateRequest that is equivalent to this request, for its Orders; `None` for a signer of another program, and for an
/// invalid lifetime.
pub fn equivalent(request: &SigningRequestSeen, settings: &Settings) -> Option<RequestSeen> {
    let signer = request.signer()?;
    let duration = duration(request).ok()?;
    Some(as_request(request, &signer, duration, settings))
}

/// The lifetime. The annotation takes precedence over `spec.expirationSeconds` (CSR-04).
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

/// The equivalent CertificateRequest, in the namespace of the issuer's Secrets. It is never written.
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
    let own = MEANS
        .into_iter()
        .filter_map(|(theirs, ours)| Some((theirs, meta.annotations.get(ours)?)));
    // copied to an Order, because solvers are selected by them
    let copied = meta
        .annotations
        .iter()
        .filter(|(key, _)| !MEANS.iter().any(|(theirs, _)| key == theirs))
        .filter(|(key, _)| is_copied(key, &settings.copied_annotation_prefixes));
    RequestSeen {
        meta: Meta {
            key: ObjectKey::new(secrets.as_str(), meta.name()),
            annotations: copied.chain(own).collect(),
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
