//! Texts of `certlet plan`: pairs of an action and its reason.

mod copies;
mod order;
mod status;

use jiff::Timestamp;
use serde_json::Value;

use self::status::status_written;
pub(super) use self::{
    copies::copies,
    order::{order, released},
};
use crate::{
    api::{AcmeIssuer, IssuerRef, IssuerStatus, condition},
    cluster::{index::Index, issuers},
    controller::{certificate, injection::InjectionDryRun, issuer},
    plan::{
        account::AccountPlan,
        certificate::{CertificateEffect, KeySource},
        injection::InjectionStep,
        issuer::{IssuerId, IssuerType},
        request::{self, RequestVerdict},
        seen::{ObjectKey, RequestSeen},
        shim, signing_request,
    },
    solver::objects::Stray,
};

/// An action and its reason.
type Action = (String, String);

/// The action for a Certificate. All effects of one plan are one action.
pub(super) fn certificate(dry_run: &certificate::CertificateDryRun) -> Vec<Action> {
    let certificate::CertificateDryRun {
        record,
        plan,
        then,
        repair,
        ..
    } = dry_run;
    let status = record.status();
    let spec = record.parse().map(|certificate| certificate.spec).unwrap_or_default();
    let parts = |effects: &[CertificateEffect]| {
        let parts = effects
            .iter()
            .map(|effect| effect_words(effect, &spec.secret_name, &spec.issuer_ref));
        parts.collect::<Vec<_>>().join(", ")
    };
    if plan.effects.is_empty() {
        let then = then
            .as_ref()
            .map(|then| parts(&then.effects))
            .filter(|then| !then.is_empty());
        let with_then = |(would, because): Action| match &then {
            Some(then) => (format!("{would}, then {then}"), because),
            None => (would, because),
        };
        return status_written(&status, &plan.status)
            .map(with_then)
            .into_iter()
            .collect();
    }
    let would = parts(&plan.effects);
    let issuing = condition::get(&status.conditions, condition::ISSUING).filter(|issuing| issuing.is_true());
    let fresh = plan.events.iter().find(|event| event.reason == "Issuing");
    let because = if let (Some(violation), true) = (repair, plan.effects.contains(&CertificateEffect::RepairSecret)) {
        violation.message.clone()
    } else if let Some(issuing) = issuing {
        issuing.message().to_owned()
    } else if let Some(event) = fresh {
        event.message.clone()
    } else {
        "it is no longer needed".to_owned()
    };
    vec![(would, because)]
}

fn effect_words(effect: &CertificateEffect, secret: &str, issuer: &IssuerRef) -> String {
    let from = named(issuer);
    match effect {
        // never planned after the live objects were read
        CertificateEffect::Confirm | CertificateEffect::OpenKeystores => "read the live objects".to_owned(),
        CertificateEffect::DeleteRequest(meta) => format!("delete CertificateRequest {}", meta.name()),
        CertificateEffect::DeleteNextKey(meta) => {
            format!("delete Secret {}, which holds a key for an issuance", meta.name())
        }
        CertificateEffect::StoreKey { name, source } => {
            let key = match source {
                KeySource::New => "generate a private key",
                KeySource::Target => "copy the private key",
            };
            format!("issue a certificate from {from}: {key} into Secret {name} first")
        }
        CertificateEffect::CreateRequest(request) => {
            let from = named(&request.issuer_ref);
            format!(
                "issue a certificate from {from}: create CertificateRequest {}",
                request.name
            )
        }
        CertificateEffect::IssueAtOnce { request, .. } => {
            let from = named(&request.issuer_ref);
            format!(
                "issue a certificate from {from} with CertificateRequest {} and store it in Secret {secret}",
                request.name
            )
        }
        CertificateEffect::StoreCertificate { request, .. } => {
            format!("store the certificate of CertificateRequest {request} in Secret {secret}")
        }
        CertificateEffect::StoreTemporary { .. } => format!("store a temporary certificate in Secret {secret}"),
        CertificateEffect::RepairSecret => format!("write Secret {secret} again, with the same key and certificate"),
    }
}

fn named(issuer: &IssuerRef) -> String {
    format!("{} {:?}", issuer.kind_or_default(), issuer.name)
}

/// An issuer: its account first, and its status if that differs already.
pub(super) fn issuer(id: &IssuerId, dry_run: &issuer::IssuerDryRun, index: &Index) -> Vec<Action> {
    let issuer::IssuerDryRun {
        leaves,
        account,
        old,
        new,
    } = dry_run;
    let found = issuers::get(index, id.clone());
    let acme = found.found().and_then(|issuer| issuer.spec.acme.clone());
    let acme = acme.unwrap_or_default();
    let (server, secret) = (&acme.server, &acme.private_key_secret_ref.name);
    let account = match account {
        Some(AccountPlan::GenerateKey) => Some((
            format!("generate an account key in Secret {secret}, and register an account at {server}"),
            format!("Secret {secret} does not exist"),
        )),
        Some(AccountPlan::Ensure { .. }) => Some((
            format!(
                "look up the account for the key in Secret {secret} at {server}, register one if there is none, and update its e-mail address"
            ),
            account_reason(&acme, old),
        )),
        Some(AccountPlan::Keep | AccountPlan::Wait { .. } | AccountPlan::Refuse(_)) | None => None,
    };
    let led = leaves.as_ref().and_then(rotated);
    account.into_iter().chain(led).chain(status_written(old, new)).collect()
}

/// The action for the certificates of a CA with a new key pair. The controller decides about batches and when each begins.
fn rotated(leaves: &issuer::RotationDryRun) -> Option<Action> {
    let issuer::RotationDryRun {
        condition,
        distrusting,
        stale,
    } = leaves;
    let bundles = format!("update ca.crt of {distrusting} of its certificates");
    let would = match (distrusting, stale) {
        (0, 0) => return None,
        (_, 0) => bundles,
        (0, _) => format!("re-issue {stale} of its certificates, in batches"),
        _ => format!("{bundles}, then re-issue {stale}, in batches"),
    };
    let why = condition.as_ref().map(|condition| condition.message.clone());
    Some((
        would,
        why.unwrap_or_else(|| "ca.crt must contain the certificate of the current CA and no other".to_owned()),
    ))
}

/// Why the account must be verified.
fn account_reason(acme: &AcmeIssuer, status: &IssuerStatus) -> String {
    let known = status.acme.clone().unwrap_or_default();
    if known.uri.as_deref().unwrap_or_default().is_empty() {
        return "its status contains no account".to_owned();
    }
    if known.last_registered_email.as_deref().unwrap_or_default() != acme.email.as_deref().unwrap_or_default() {
        return "the e-mail address differs from the last registered one".to_owned();
    }
    if !condition::is_true(&status.conditions, condition::READY) {
        return "the issuer is not Ready".to_owned();
    }
    "the server or the key differs from the one that the account in its status was registered with".to_owned()
}

/// The actions for an annotated object of a kind: creating, updating and deleting Certificates.
pub(super) fn shim(kind: &str, plan: &shim::ShimPlan) -> Vec<Action> {
    let part = if kind == "Ingress" {
        "block of spec.tls"
    } else {
        "listener"
    };
    let effects = plan.effects.iter().map(|effect| match effect {
        shim::ShimEffect::Create(wanted) => (
            format!("create Certificate {}", wanted.name),
            format!("its annotations and a {part} request it"),
        ),
        shim::ShimEffect::Update { certificate, patch, .. } => (
            format!("update Certificate {}: {}", certificate.name(), changed_fields(patch)),
            format!("the {kind} and the Certificate differ"),
        ),
        shim::ShimEffect::Delete(certificate) => (
            format!("delete Certificate {}", certificate.name()),
            format!("no {part} names its Secret"),
        ),
    });
    let complaints = plan
        .complaints
        .iter()
        .map(|complaint| ("warn in an Event, and wait for an edit".to_owned(), complaint.clone()));
    let waiting = plan
        .waiting
        .iter()
        .map(|why| ("wait for an HTTPRoute".to_owned(), why.clone()));
    effects.chain(complaints).chain(waiting).collect()
}

/// The action for a target of a CA.
pub(super) fn injection(dry_run: &InjectionDryRun) -> Vec<Action> {
    match &dry_run.plan.step {
        InjectionStep::Leave => Vec::new(),
        InjectionStep::Refuse(refusal) => {
            vec![(
                "warn in an Event, and wait for a change".to_owned(),
                refusal.message.clone(),
            )]
        }
        InjectionStep::Delay(refusal) => vec![("inject a CA later".to_owned(), refusal.message.clone())],
        InjectionStep::Write { slots, .. } => {
            let source = dry_run.source.as_ref().map(ToString::to_string).unwrap_or_default();
            let place = match slots.as_slice() {
                [_] => "its caBundle".to_owned(),
                slots => format!("its {} caBundles", slots.len()),
            };
            vec![(
                format!("inject the CA of {source} into {place}"),
                "a caBundle lacks it, or holds a certificate that has expired".to_owned(),
            )]
        }
    }
}

/// The paths that a merge patch of spec and metadata changes, without values.
fn changed_fields(patch: &Value) -> String {
    let halves = patch.as_object().into_iter().flatten();
    let fields = halves.flat_map(|(half, value)| {
        let below = value.as_object().into_iter().flatten();
        below.map(move |(field, _)| format!("{half}.{field}"))
    });
    fields.collect::<Vec<_>>().join(", ")
}

/// The actions for a CertificateRequest.
pub(super) fn request(now: Timestamp, request: &RequestSeen, plan: &request::RequestPlan) -> Vec<Action> {
    if !plan.changes_something(now, request) {
        return Vec::new();
    }
    let issuer = named(&request.issuer_ref);
    let (would, because) = match &plan.step {
        request::RequestStep::Nothing => (None, String::new()),
        request::RequestStep::Settle(verdict) => verdict_action(verdict),
        request::RequestStep::Sign(issuer_type) => (Some(signed_by(*issuer_type, &issuer)), "it is approved".into()),
        request::RequestStep::Order { order, .. } => (
            Some(format!("create Order {}", order.name)),
            format!("{issuer} is an ACME issuer"),
        ),
        request::RequestStep::TakeFromOrder(order) => (
            Some(format!("take the certificate from Order {}", order.name())),
            "the Order is valid".into(),
        ),
        request::RequestStep::DeleteOrder(order) => (
            Some(format!("delete Order {} and order again", order.name())),
            "the Order does not match the request".into(),
        ),
    };
    match (plan.approve, would) {
        (true, Some(would)) => vec![(format!("approve it, and {would}"), "it is not approved yet".into())],
        (true, None) => vec![("approve it".into(), "it is not approved yet".into())],
        (false, would) => vec![(would.unwrap_or_default(), because)],
    }
}

/// The action of a signer of this type.
fn signed_by(issuer_type: IssuerType, issuer: &str) -> String {
    match issuer_type {
        IssuerType::Acme => format!("order it from {issuer}"),
        IssuerType::Ca => format!("sign it with the CA of {issuer}"),
        IssuerType::SelfSigned => "sign it with its own key".to_owned(),
        IssuerType::Vault => format!("have it signed by the Vault server of {issuer}"),
        IssuerType::Venafi => format!("have it signed by the Venafi server of {issuer}"),
    }
}

fn verdict_action(verdict: &RequestVerdict) -> (Option<String>, String) {
    match verdict {
        RequestVerdict::Pending { reason, message } => {
            (Some(format!("set its status to pending ({reason})")), message.clone())
        }
        RequestVerdict::Failed { reason, message } => {
            (Some(format!("set its status to failed ({reason})")), message.clone())
        }
        RequestVerdict::Denied => (Some("set its status to denied".to_owned()), "it was denied".to_owned()),
        RequestVerdict::Issued { .. } => (
            Some("store the certificate in its status".to_owned()),
            "it is signed".to_owned(),
        ),
    }
}

/// The action for a left-over object: its kind, its key, and the texts.
pub(super) fn stray(stray: &Stray) -> (&'static str, ObjectKey, Action) {
    let (kind, metadata, would) = match stray {
        Stray::Delete(found) => (found.kind.as_str(), &found.metadata, "delete it"),
        Stray::Edit(ingress) => ("Ingress", &ingress.metadata, "remove the challenge paths from it"),
    };
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let key = ObjectKey::new(text(&metadata.namespace), text(&metadata.name));
    let because = "it is a left-over of a finished challenge".to_owned();
    (kind, key, (would.to_owned(), because))
}

/// The actions for a CertificateSigningRequest of Kubernetes.
pub(super) fn signing_request(step: Option<&signing_request::SigningRequestStep>) -> Vec<Action> {
    use signing_request::SigningRequestStep;
    match step {
        None | Some(SigningRequestStep::Nothing) => Vec::new(),
        // waiting for approval is not an action
        Some(SigningRequestStep::Report(notice)) if !notice.is_warning() => Vec::new(),
        Some(SigningRequestStep::Report(notice)) => {
            vec![(format!("warn in an Event ({})", notice.reason), notice.message.clone())]
        }
        Some(SigningRequestStep::AskReference(signer)) => vec![(
            format!(
                "check whether its requester may use Issuer {}/{}",
                signer.namespace, signer.name
            ),
            "it is approved".to_owned(),
        )],
        Some(SigningRequestStep::Order(_, order)) => vec![(
            format!("create Order {}, if its requester may use the issuer", order.name),
            "it is approved".to_owned(),
        )],
        Some(SigningRequestStep::TakeFromOrder(order)) => vec![(
            format!("take the certificate from Order {}", order.key),
            "the Order is valid".to_owned(),
        )],
        Some(SigningRequestStep::DeleteOrder(order)) => vec![(
            format!("delete Order {} and order again", order.key),
            "the Order does not match the request".to_owned(),
        )],
        Some(SigningRequestStep::Sign(_)) => vec![(
            "sign it, if its requester may use the issuer".to_owned(),
            "it is approved".to_owned(),
        )],
        Some(SigningRequestStep::Fail { reason, message }) => {
            vec![(format!("set its status to failed ({reason})"), message.clone())]
        }
    }
}
