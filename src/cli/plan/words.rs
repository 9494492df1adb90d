//! What is planned, in words: pairs of what would be done and why.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    api::{AcmeIssuer, IssuerRef, IssuerStatus, condition, names::CHALLENGE_FINALIZER},
    cluster::{index::Index, issuers},
    controller::{certificate, issuer},
    plan::{
        account::AccountPlan,
        certificate::{Effect, KeySource},
        ingress,
        issuer::{IssuerId, IssuerType},
        kinds::OrderKind,
        order,
        request::{self, Verdict},
        seen::{Object, ObjectKey, RequestSeen},
        signing_request,
    },
    solver::objects::Stray,
};

/// What would be done, and why.
type Said = (String, String);

/// A Certificate: one step, whose parts are told together.
pub(super) fn certificate(outlook: &certificate::Outlook) -> Vec<Said> {
    let certificate::Outlook {
        record,
        plan,
        then,
        repair,
        ..
    } = outlook;
    let status = record.status();
    let spec = record.parse().map(|certificate| certificate.spec).unwrap_or_default();
    let parts = |effects: &[Effect]| {
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
        let with_then = |(would, because): Said| match &then {
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
    let because = if let (Some(violation), true) = (repair, plan.effects.contains(&Effect::RepairSecret)) {
        violation.message.clone()
    } else if let Some(issuing) = issuing {
        issuing.message().to_owned()
    } else if let Some(event) = fresh {
        event.message.clone()
    } else {
        "it is not needed any more".to_owned()
    };
    vec![(would, because)]
}

fn effect_words(effect: &Effect, secret: &str, issuer: &IssuerRef) -> String {
    let from = format!("{} {:?}", issuer.kind_or_default(), issuer.name);
    match effect {
        // Never planned once the live objects were looked at.
        Effect::Confirm | Effect::OpenKeystores => "look again".to_owned(),
        Effect::DeleteRequest(meta) => format!("delete CertificateRequest {}", meta.name()),
        Effect::DeleteNextKey(meta) => format!("delete Secret {}, which holds a key for an issuance", meta.name()),
        Effect::StoreKey { name, source } => {
            let key = match source {
                KeySource::New => "make a private key",
                KeySource::Target => "copy the private key",
            };
            format!("issue a certificate from {from}: {key} into Secret {name} first")
        }
        Effect::CreateRequest(request) => {
            format!(
                "issue a certificate from {from}: create CertificateRequest {}",
                request.name
            )
        }
        Effect::IssueAtOnce { request, .. } => {
            format!(
                "issue a certificate from {from} with CertificateRequest {} and store it in Secret {secret}",
                request.name
            )
        }
        Effect::StoreCertificate { request, .. } => {
            format!("store the certificate of CertificateRequest {request} in Secret {secret}")
        }
        Effect::StoreTemporary { .. } => format!("store a temporary certificate in Secret {secret}"),
        Effect::RepairSecret => format!("write Secret {secret} again, with the same key and certificate"),
    }
}

/// An issuer: its account first, and its status if that differs already.
pub(super) fn issuer(id: &IssuerId, outlook: &issuer::Outlook, index: &Index) -> Vec<Said> {
    let issuer::Outlook {
        leaves,
        account,
        old,
        new,
    } = outlook;
    let found = issuers::get(index, id.clone());
    let acme = found.found().and_then(|issuer| issuer.spec.acme.clone());
    let acme = acme.unwrap_or_default();
    let (server, secret) = (&acme.server, &acme.private_key_secret_ref.name);
    let said = match account {
        Some(AccountPlan::GenerateKey) => Some((
            format!("make an account key in Secret {secret}, and register an account with it at {server}"),
            format!("there is no Secret {secret}"),
        )),
        Some(AccountPlan::Ensure { .. }) => Some((
            format!(
                "ask {server} for the account of the key in Secret {secret}, register one if it knows none, and correct its e-mail address"
            ),
            not_in_order(&acme, old),
        )),
        Some(AccountPlan::Keep | AccountPlan::Wait { .. } | AccountPlan::Refuse(_)) | None => None,
    };
    let led = leaves.as_ref().and_then(led_over);
    said.into_iter().chain(led).chain(status_written(old, new)).collect()
}

/// What becomes of the certificates of a CA that got another key pair. The waves, and when each begins, are the controller's.
fn led_over(leaves: &issuer::Foreseen) -> Option<Said> {
    let issuer::Foreseen {
        condition,
        distrusting,
        stale,
    } = leaves;
    let bundles = format!("write ca.crt of {distrusting} of its certificates again");
    let would = match (distrusting, stale) {
        (0, 0) => return None,
        (_, 0) => bundles,
        (0, _) => format!("issue {stale} of its certificates again, in waves"),
        _ => format!("{bundles}, then issue {stale} again, in waves"),
    };
    let why = condition.as_ref().map(|condition| condition.message.clone());
    Some((
        would,
        why.unwrap_or_else(|| "ca.crt is to hold the certificate of the present CA, and no other".to_owned()),
    ))
}

/// Why an account is looked at.
fn not_in_order(acme: &AcmeIssuer, status: &IssuerStatus) -> String {
    let known = status.acme.clone().unwrap_or_default();
    if known.uri.as_deref().unwrap_or_default().is_empty() {
        return "its status names no account".to_owned();
    }
    if known.last_registered_email.as_deref().unwrap_or_default() != acme.email.as_deref().unwrap_or_default() {
        return "the e-mail address is not the one that was registered last".to_owned();
    }
    if !condition::is_true(&status.conditions, condition::READY) {
        return "the issuer is not Ready".to_owned();
    }
    "server or key are not those that the account in its status was registered with".to_owned()
}

/// An Ingress: the Certificates that it asks for.
pub(super) fn ingress(plan: &ingress::Plan) -> Vec<Said> {
    let effects = plan.effects.iter().map(|effect| match effect {
        ingress::Effect::Create(wanted) => (
            format!("create Certificate {}", wanted.name),
            "its annotations and a block of spec.tls ask for it".to_owned(),
        ),
        ingress::Effect::Update { certificate, patch } => (
            format!("update Certificate {}: {}", certificate.name(), changed_fields(patch)),
            "the Ingress asks for something else than the Certificate does".to_owned(),
        ),
        ingress::Effect::Delete(certificate) => (
            format!("delete Certificate {}", certificate.name()),
            "no block of spec.tls names its Secret any more".to_owned(),
        ),
    });
    let complaints = plan
        .complaints
        .iter()
        .map(|complaint| ("warn in an Event, and wait for an edit".to_owned(), complaint.clone()));
    effects.chain(complaints).collect()
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

/// A CertificateRequest.
pub(super) fn request(now: Timestamp, request: &RequestSeen, plan: &request::Plan) -> Vec<Said> {
    if !plan.changes_something(now, request) {
        return Vec::new();
    }
    let issuer = format!("{} {:?}", request.issuer_ref.kind_or_default(), request.issuer_ref.name);
    let (would, because) = match &plan.step {
        request::Step::Nothing => (None, String::new()),
        request::Step::Settle(verdict) => verdict_words(verdict),
        request::Step::Sign(issuer_type) => (Some(signed_by(*issuer_type, &issuer)), "it is approved".into()),
        request::Step::Order { order, .. } => (
            Some(format!("create Order {}", order.name)),
            format!("{issuer} is an ACME issuer"),
        ),
        request::Step::TakeFromOrder(order) => (
            Some(format!("take the certificate from Order {}", order.name())),
            "the Order is valid".into(),
        ),
        request::Step::DeleteOrder(order) => (
            Some(format!("delete Order {} and order again", order.name())),
            "the Order is not what the request asks for".into(),
        ),
    };
    match (plan.approve, would) {
        (true, Some(would)) => vec![(format!("approve it, and {would}"), "nobody has approved it yet".into())],
        (true, None) => vec![("approve it".into(), "nobody has approved it yet".into())],
        (false, would) => vec![(would.unwrap_or_default(), because)],
    }
}

/// What a signer of this type does.
fn signed_by(issuer_type: IssuerType, issuer: &str) -> String {
    match issuer_type {
        IssuerType::Acme => format!("order it from {issuer}"),
        IssuerType::Ca => format!("sign it with the CA of {issuer}"),
        IssuerType::SelfSigned => "sign it with its own key".to_owned(),
        IssuerType::Vault => format!("have it signed by the Vault server of {issuer}"),
        IssuerType::Venafi => format!("have it signed by the Venafi server of {issuer}"),
    }
}

fn verdict_words(verdict: &Verdict) -> (Option<String>, String) {
    match verdict {
        Verdict::Pending { reason, message } => (
            Some(format!("write into its status that it waits ({reason})")),
            message.clone(),
        ),
        Verdict::Failed { reason, message } => (
            Some(format!("write into its status that it has failed ({reason})")),
            message.clone(),
        ),
        Verdict::Denied => (
            Some("write into its status that it is denied".to_owned()),
            "somebody denied it".to_owned(),
        ),
        Verdict::Issued { .. } => (
            Some("store the certificate in its status".to_owned()),
            "it is signed".to_owned(),
        ),
    }
}

/// A Challenge that somebody deletes.
pub(super) fn released() -> Said {
    (
        format!("remove the finalizer {CHALLENGE_FINALIZER}"),
        "somebody deletes it, and nothing is shown for it".to_owned(),
    )
}

/// An Order. What the CA would answer is not known here: the first step is told, and that it goes on.
pub(super) fn order(order: &Object<OrderKind>, plan: &order::Plan) -> Vec<Said> {
    let because = || match (&order.status.state, &order.meta.deleting) {
        (_, Some(_)) => "somebody deletes the Order".to_owned(),
        (Some(state), None) if state.is_final() => format!("the Order is {state}: its challenges are over"),
        (Some(state), None) => format!("the Order is {state}"),
        (None, None) => "nothing has been ordered yet".to_owned(),
    };
    let steps = plan.steps.iter();
    steps.map(|step| order_step(order, step, because())).collect()
}

fn order_step(order: &Object<OrderKind>, step: &order::OrderStep, because: String) -> Said {
    use order::OrderStep;
    let would = match step {
        OrderStep::CreateOrder(_) => {
            let names = order.spec.dns_names.iter().chain(&order.spec.ip_addresses);
            let names: Vec<&str> = names.map(String::as_str).collect();
            format!(
                "order a certificate for {} at the CA, and go on from there",
                names.join(", ")
            )
        }
        OrderStep::ReadOrder { url } => format!("ask the CA how the order {url} stands, and go on from there"),
        OrderStep::ReadAuthorizations(urls) => format!("ask the CA about {} authorizations", urls.len()),
        OrderStep::WriteStatus(status) => {
            return status_written(&order.status, &**status)
                .unwrap_or_else(|| ("write its status".to_owned(), because));
        }
        OrderStep::StartOver => "delete it, so that it is ordered anew".to_owned(),
        OrderStep::CreateChallenge { name, .. } => format!("create Challenge {name}"),
        OrderStep::Claim(_) | OrderStep::Present { .. } => "make its challenges visible".to_owned(),
        OrderStep::GuardChallenge { key, record, .. } => {
            format!("write on Challenge {} that {record} is about to be created", key.name)
        }
        OrderStep::WriteChallenge { key, .. } => format!("write the status of Challenge {}", key.name),
        OrderStep::Probe { .. } => "see whether its challenges are visible".to_owned(),
        OrderStep::Accept { .. } => "tell the CA to validate".to_owned(),
        OrderStep::Finalize { .. } => "send the signing request to the CA".to_owned(),
        OrderStep::Download { .. } => "fetch the certificate from the CA".to_owned(),
        OrderStep::Withdraw(_) => "take away what shows its challenges".to_owned(),
        OrderStep::DeleteChallenge { key } => format!("delete Challenge {}", key.name),
        OrderStep::ReleaseChallenge { key, .. } => format!("remove the finalizer of Challenge {}", key.name),
    };
    (would, because)
}

/// What a sweep would remove: kind, place, and what would become of it.
pub(super) fn stray(stray: &Stray) -> (&'static str, ObjectKey, Said) {
    let (kind, metadata, would) = match stray {
        Stray::Delete(found) => (found.kind.as_str(), &found.metadata, "delete it"),
        Stray::Edit(ingress) => ("Ingress", &ingress.metadata, "take the paths of challenges out of it"),
    };
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let key = ObjectKey::new(text(&metadata.namespace), text(&metadata.name));
    let because = "it was left behind by a challenge that is over".to_owned();
    (kind, key, (would.to_owned(), because))
}

/// A CertificateSigningRequest of Kubernetes.
pub(super) fn signing_request(step: Option<&signing_request::Step>) -> Vec<Said> {
    use signing_request::Step;
    match step {
        None | Some(Step::Nothing) => Vec::new(),
        // Waiting for a person's approval is no work.
        Some(Step::Tell(notice)) if !notice.is_warning() => Vec::new(),
        Some(Step::Tell(notice)) => vec![(format!("warn in an Event ({})", notice.reason), notice.message.clone())],
        Some(Step::AskReference(signer)) => vec![(
            format!(
                "ask whether its requester may refer to Issuer {}/{}",
                signer.namespace, signer.name
            ),
            "it is approved".to_owned(),
        )],
        Some(Step::Order(_, order)) => vec![(
            format!("create Order {}, if its requester may refer to the issuer", order.name),
            "it is approved".to_owned(),
        )],
        Some(Step::TakeFromOrder(order)) => vec![(
            format!("take the certificate from Order {}", order.key),
            "the Order is valid".to_owned(),
        )],
        Some(Step::DeleteOrder(order)) => vec![(
            format!("delete Order {} and order again", order.key),
            "the Order is not what the request asks for".to_owned(),
        )],
        Some(Step::Sign(_)) => vec![(
            "sign it, if its requester may refer to the issuer".to_owned(),
            "it is approved".to_owned(),
        )],
        Some(Step::Fail { reason, message }) => vec![(
            format!("write into its status that it has failed ({reason})"),
            message.clone(),
        )],
    }
}

/// What differs between two statuses; `None` where nothing does.
fn status_written<T: Serialize>(old: &T, new: &T) -> Option<Said> {
    let fields = |status: &T| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    let mut because = Vec::new();
    for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
        if name == "conditions" {
            for change in changed_conditions(old.get(name), new.get(name)) {
                let (Change::Now(condition) | Change::Gone(condition)) = change;
                let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
                if let Change::Gone(_) = change {
                    changes.push(format!("no condition {}", text("type")));
                } else {
                    changes.push(format!("{}={} ({})", text("type"), text("status"), text("reason")));
                    because.push(text("message").to_owned());
                }
            }
        } else {
            if name == "reason" {
                because.extend(new.get(name).and_then(Value::as_str).map(str::to_owned));
            }
            changes.push(name.clone());
        }
    }
    if changes.is_empty() {
        return None;
    }
    because.retain(|text| !text.is_empty());
    if because.is_empty() {
        because.push("this is what follows from what is there".to_owned());
    }
    Some((format!("write its status: {}", changes.join(", ")), because.join("; ")))
}

/// A condition, or that it goes.
enum Change<'a> {
    Now(&'a Value),
    Gone(&'a Value),
}

fn changed_conditions<'a>(old: Option<&'a Value>, new: Option<&'a Value>) -> Vec<Change<'a>> {
    let list = |value: Option<&'a Value>| value.and_then(Value::as_array).into_iter().flatten();
    let type_of = |condition: &Value| condition.get("type").cloned();
    let gone = list(old).filter(|one| !list(new).any(|other| type_of(other) == type_of(one)));
    let now = list(new).filter(|one| !list(old).any(|other| other == *one));
    now.map(Change::Now).chain(gone.map(Change::Gone)).collect()
}
