//! Which stage a Certificate is in, and what is left to do in it.

use jiff::{SignedDuration, Timestamp};

use super::{
    DUPLICATE_RECHECK, Effect, LASTING, Plan, PlannedEvent, Seen, Violation, checks, failure, issuance, names,
    status::{self, go_time, instant},
    upkeep,
};
use crate::{
    api::{
        CertificateSpec, CertificateStatus,
        certificate_status::RenewalInformation,
        condition::{self, ISSUING, READY},
        names::annotation,
    },
    pki::certificate::CertificateInfo,
    plan::{
        renewal::{self, Provenance, Schedule, Suggestion, Validity, WindowError},
        seen::{Meta, Next, RequestSeen},
        settings::Settings,
    },
};

/// A certificate that was issued this short a time ago is not issued again because of what somebody wrote into its Secret:
/// two programs that both think the Secret is theirs must not become a loop.
const CALM: SignedDuration = SignedDuration::from_secs(10);
/// A window that is over already counts, even one from before the certificate, once the certificate is this old.
const AGED: SignedDuration = SignedDuration::from_hours(24);

/// What was seen, and what follows from it directly.
pub(super) struct View<'a> {
    pub(super) now: Timestamp,
    pub(super) seen: &'a Seen,
    pub(super) settings: &'a Settings,
    /// Revision of the certificate in the Secret.
    pub(super) revision: i64,
    pub(super) validity: Option<Validity>,
    /// What is wrong with the content of the Secret.
    pub(super) content: Option<Violation>,
    pub(super) schedule: Option<Result<Option<Schedule>, WindowError>>,
}

impl<'a> View<'a> {
    pub(super) fn new(now: Timestamp, seen: &'a Seen, settings: &'a Settings, revision: i64) -> Self {
        let mut view = Self {
            now,
            seen,
            settings,
            revision,
            validity: None,
            content: None,
            schedule: None,
        };
        view.content = checks::content(&view.input());
        let validity = |info: &CertificateInfo| Validity {
            not_before: info.not_before,
            not_after: info.not_after,
        };
        view.validity = view.info().map(validity);
        view.schedule = view.validity.map(|validity| {
            let provenance = view.provenance(validity);
            let suggestion = view.suggestion(validity, provenance);
            let suggestion = suggestion.as_ref().and_then(|ari| ari.suggested_window.as_ref());
            let suggestion = suggestion.map(|window| Suggestion { window, accepted: true });
            renewal::schedule(view.spec(), validity, provenance, suggestion, &view.meta().uid)
        });
        view
    }

    pub(super) fn meta(&self) -> &'a Meta {
        &self.seen.certificate.meta
    }

    pub(super) fn spec(&self) -> &'a CertificateSpec {
        &self.seen.certificate.spec
    }

    pub(super) fn status(&self) -> &'a CertificateStatus {
        &self.seen.certificate.status
    }

    pub(super) fn generation(&self) -> i64 {
        self.meta().generation
    }

    /// The certificate in the Secret.
    pub(super) fn info(&self) -> Option<&'a CertificateInfo> {
        self.seen.secret.as_ref()?.pair.certificate.valid().map(|info| &**info)
    }

    pub(super) fn input(&self) -> checks::Input<'a> {
        let current = self.requests_of(self.revision).next();
        checks::Input {
            name: self.meta().name(),
            spec: self.spec(),
            secret: self.seen.secret.as_deref(),
            current,
        }
    }

    /// Our own requests for a revision.
    pub(super) fn requests_of(&self, revision: i64) -> impl Iterator<Item = &'a RequestSeen> {
        self.owned_requests()
            .filter(move |request| revision_of(request) == Some(revision))
    }

    pub(super) fn next_requests(&self) -> impl Iterator<Item = &'a RequestSeen> {
        self.requests_of(self.next_revision())
    }

    pub(super) fn owned_requests(&self) -> impl Iterator<Item = &'a RequestSeen> {
        let uid = &*self.meta().uid;
        self.seen
            .requests
            .iter()
            .map(|request| &**request)
            .filter(move |request| request.meta.owned_by(uid))
    }

    pub(super) fn next_revision(&self) -> i64 {
        self.revision.saturating_add(1)
    }

    pub(super) fn expired(&self) -> Option<Violation> {
        checks::expired(self.info()?, self.now)
    }

    /// `status.renewalTime`. Where no window fits, the time at which the renewal will begin nevertheless.
    pub(super) fn renewal_time(&self) -> Option<Timestamp> {
        match self.schedule.as_ref()? {
            Ok(schedule) => schedule.map(|schedule| schedule.at),
            Err(_) => self.without_windows(),
        }
    }

    fn without_windows(&self) -> Option<Timestamp> {
        let validity = self.validity?;
        Some(renewal::desired(
            self.spec(),
            validity,
            self.provenance(validity) == Provenance::Ours,
        ))
    }

    /// Whose work the certificate in the Secret is: the name of its next-key Secret tells, which cert-manager draws at random.
    fn provenance(&self, validity: Validity) -> Provenance {
        let names = names::next_key_names(self.meta().name(), &self.meta().uid, self.revision);
        let key_secret = self
            .input()
            .current
            .and_then(|request| request.meta.annotations.get(annotation::PRIVATE_KEY_SECRET_NAME));
        if key_secret.is_some_and(|name| names.iter().any(|ours| ours == name)) {
            return Provenance::Ours;
        }
        let status = self.status();
        let observed = condition::get(&status.conditions, READY).and_then(|ready| ready.observed_generation);
        let about_this = instant(status.not_after.as_ref())
            .is_some_and(|not_after| not_after.as_second() == validity.not_after.as_second());
        let kept = instant(status.renewal_time.as_ref()).filter(|_| about_this && observed == Some(self.generation()));
        Provenance::Foreign(kept)
    }

    /// What the ACME server suggests for this certificate, as far as it is to be believed.
    fn suggestion(&self, validity: Validity, provenance: Provenance) -> Option<RenewalInformation> {
        if !self.settings.gates.ari {
            return None;
        }
        let known = self.known_information(validity);
        let heard = self
            .seen
            .renewal_information
            .clone()
            .filter(|ari| self.is_believable(ari, known.as_ref(), validity));
        let ari = heard.or(known)?;
        let over = ari
            .suggested_window
            .as_ref()
            .is_some_and(|window| window.end.0 <= self.now);
        (provenance == Provenance::Ours || over).then_some(ari)
    }

    fn known_information(&self, validity: Validity) -> Option<RenewalInformation> {
        let status = self.status();
        let about_this = instant(status.not_after.as_ref())
            .is_some_and(|not_after| not_after.as_second() == validity.not_after.as_second());
        let ari = status.acme.as_ref()?.ari.clone()?;
        (about_this && ari.suggested_window.is_some()).then_some(ari)
    }

    fn is_believable(
        &self,
        heard: &RenewalInformation,
        known: Option<&RenewalInformation>,
        validity: Validity,
    ) -> bool {
        let Some(window) = &heard.suggested_window else {
            return false;
        };
        let aged = validity.not_before.duration_until(self.now) >= AGED;
        let moved_into_the_past =
            window.end.0 <= self.now && window.start.0 < window.end.0 && (known.is_some() || aged);
        renewal::is_plausible(window, validity) || moved_into_the_past
    }

    /// What status says about renewal information: what was known, unless something new was heard that is to be believed.
    pub(super) fn renewal_information(&self) -> Option<RenewalInformation> {
        let validity = self.validity?;
        let known = self.known_information(validity);
        if !self.settings.gates.ari {
            return None;
        }
        let heard = self
            .seen
            .renewal_information
            .as_ref()
            .filter(|ari| self.is_believable(ari, known.as_ref(), validity));
        match (heard, known) {
            (Some(heard), Some(known))
                if heard.suggested_window == known.suggested_window
                    && heard.explanation_url == known.explanation_url =>
            {
                Some(known)
            }
            (Some(heard), _) => Some(heard.clone()),
            (None, known) => known,
        }
    }

    /// Why a certificate has to be issued now, if it has to be; and until when that is put off.
    fn trigger(&self) -> Trigger {
        if let Some(violation) = &self.content {
            return match self.calm_until() {
                Some(until) => Trigger::Later(until),
                None => Trigger::Now(violation.clone(), None),
            };
        }
        match &self.schedule {
            Some(Ok(Some(schedule))) if schedule.begin <= self.now => {
                let shown = instant(self.status().renewal_time.as_ref()).unwrap_or(schedule.at);
                let message = format!("Renewing certificate as renewal was scheduled at {}", go_time(shown));
                Trigger::Now(Violation::new("Renewing", message), None)
            }
            Some(Ok(Some(schedule))) => Trigger::Later(schedule.begin),
            Some(Err(error)) => match self.without_windows() {
                Some(desired) if desired <= self.now => {
                    let message = format!(
                        "Renewing certificate without satisfying renewal windows at: {}",
                        go_time(desired)
                    );
                    let event = PlannedEvent::warning("WindowError", error.to_string());
                    Trigger::Now(Violation::new("Renewing", message), Some(event))
                }
                Some(desired) => Trigger::Later(desired),
                None => Trigger::Never,
            },
            Some(Ok(None)) | None => Trigger::Never,
        }
    }

    /// Somebody else keeps writing into the Secret: see [`CALM`]. A Secret that was deleted is made again at once, and so is one that
    /// an edit of the spec has outdated.
    fn calm_until(&self) -> Option<Timestamp> {
        let written = [
            "InvalidKeyPair",
            "InvalidCertificate",
            "SecretMismatch",
            "IncorrectIssuer",
            "IncorrectCertificate",
            "MissingData",
        ];
        let reason = self.content.as_ref()?.reason;
        let observed = condition::get(&self.status().conditions, READY).and_then(|ready| ready.observed_generation);
        let by_others = observed == Some(self.generation()) && written.contains(&reason);
        let request = self.input().current.filter(|_| by_others)?;
        let until = request.meta.created.checked_add(CALM).ok()?;
        (self.now < until).then_some(until)
    }
}

enum Trigger {
    Now(Violation, Option<PlannedEvent>),
    Later(Timestamp),
    Never,
}

/// The revision that a request is for.
pub(super) fn revision_of(request: &RequestSeen) -> Option<i64> {
    request
        .meta
        .annotations
        .get(annotation::CERTIFICATE_REVISION)?
        .parse()
        .ok()
}

pub(super) fn step(now: Timestamp, seen: &Seen, settings: &Settings) -> Plan {
    let view = View::new(now, seen, settings, seen.certificate.status.revision.unwrap_or(0));
    if let Some(owner) = owner_of_secret(&view) {
        return wait_for_owner(&view, owner);
    }
    if let Some(plan) = issuance::finish(&view) {
        return plan;
    }
    if let Some(issuing) = condition::get(&view.status().conditions, ISSUING).filter(|issuing| issuing.is_true()) {
        // Whoever set it: cmctl does, to renew by hand (NB-02).
        let trigger = Violation {
            reason: "ManuallyTriggered",
            message: issuing.message().to_owned(),
        };
        return issuance::advance(&view, &trigger, None, false);
    }
    match view.trigger() {
        Trigger::Now(trigger, event) => match failure::waits_until(&view) {
            Some(until) => back_off(&view, until),
            None => issuance::advance(&view, &trigger, event, true),
        },
        Trigger::Later(at) => settled(&view, Some(at)),
        Trigger::Never => settled(&view, None),
    }
}

/// The Certificate that the target Secret belongs to, if it is another one: the one that the Secret is annotated with, else the oldest
/// (NB-16).
fn owner_of_secret<'a>(view: &View<'a>) -> Option<&'a str> {
    let rivals = &view.seen.rivals;
    let (name, created) = (view.meta().name(), view.meta().created);
    let annotated = view
        .seen
        .secret
        .as_ref()
        .and_then(|secret| secret.meta.annotations.get(annotation::CERTIFICATE_NAME));
    if annotated == Some(name) {
        return None;
    }
    if let Some(owner) = rivals.iter().find(|rival| annotated == Some(&*rival.name)) {
        return Some(&owner.name);
    }
    let oldest = rivals.iter().min_by_key(|rival| (rival.created, &rival.name))?;
    ((oldest.created, &*oldest.name) < (created, name)).then_some(&*oldest.name)
}

fn wait_for_owner(view: &View<'_>, owner: &str) -> Plan {
    let secret = &view.spec().secret_name;
    let told = view
        .content
        .clone()
        .filter(|violation| violation.reason == "IncorrectCertificate");
    let violation = told.unwrap_or_else(|| {
        let message = format!(
            "Certificate {owner:?} names the same Secret {secret:?} and comes first; give one of the two another spec.secretName"
        );
        Violation::new("IncorrectCertificate", message)
    });
    let mut status = status::base(view, None);
    status::set_not_ready(&mut status, view, violation);
    let next = view.now.checked_add(DUPLICATE_RECHECK).map_or(Next::OnChange, Next::At);
    Plan {
        status,
        next,
        ..Plan::nothing(view.status())
    }
}

/// Nothing has to be issued: tidy up.
fn settled(view: &View<'_>, trigger_at: Option<Timestamp>) -> Plan {
    let mut status = status::base(view, None);
    status.next_private_key_secret_name = None;
    let mut effects = discard_next_keys(view);
    let is_ready = condition::is_true(&status.conditions, READY);
    if is_ready {
        effects.extend(outdated_requests(view).map(|request| Effect::DeleteRequest(Box::new(request.meta.clone()))));
    }
    let mut events = Vec::new();
    let fault = view
        .seen
        .secret
        .as_ref()
        .and_then(|secret| upkeep::check(&view.seen.certificate, secret, view.settings));
    if fault.is_some() && view.content.is_none() {
        match &view.seen.keystore_passwords {
            super::Passwords::Available => effects.push(Effect::RepairSecret),
            super::Passwords::Missing(why) => {
                let note = format!("The Secret is not updated: {why}");
                status = status::base(view, Some(&note));
                status.next_private_key_secret_name = None;
                events.push(PlannedEvent::warning("KeystorePasswordSecretNotFound", why.clone()));
            }
        }
    }
    issuance::only_news(view, &status, &mut events);
    Plan {
        effects,
        next: view.wake(trigger_at),
        status,
        events,
    }
}

fn back_off(view: &View<'_>, until: Timestamp) -> Plan {
    let failed = condition::get(&view.status().conditions, ISSUING)
        .map(condition::Condition::message)
        .unwrap_or_default();
    let note = format!("{}. Next attempt at {}", failed.trim_end_matches('.'), go_time(until));
    let mut status = status::base(view, Some(&note));
    status.next_private_key_secret_name = None;
    Plan {
        effects: discard_next_keys(view),
        status,
        events: Vec::new(),
        next: view.wake(Some(until)),
    }
}

impl View<'_> {
    /// What holds the request up, if it has done so for a while.
    pub(super) fn lasting_obstacle(&self) -> Option<String> {
        let obstacle = self.seen.obstacle.as_ref()?;
        let told = self.obstacle_told_at().is_none_or(|at| at <= self.now);
        told.then(|| obstacle.text.clone())
    }

    fn obstacle_told_at(&self) -> Option<Timestamp> {
        self.seen.obstacle.as_ref()?.since.checked_add(LASTING).ok()
    }

    /// At this time, or when something changes that its condition says: the certificate expires, an obstacle lasts.
    pub(super) fn wake(&self, at: Option<Timestamp>) -> Next {
        let expiry = self
            .validity
            .and_then(|validity| validity.not_after.checked_add(SignedDuration::from_secs(1)).ok());
        [at, expiry, self.obstacle_told_at()]
            .into_iter()
            .flatten()
            .filter(|at| *at > self.now)
            .fold(Next::OnChange, Next::or_at)
    }
}

fn discard_next_keys(view: &View<'_>) -> Vec<Effect> {
    let there = view
        .seen
        .next_keys
        .iter()
        .filter(|secret| secret.meta.deleting.is_none());
    there
        .map(|secret| Effect::DeleteNextKey(Box::new(secret.meta.clone())))
        .collect()
}

/// Requests of revisions before the present one, beyond the limit (LIF-06).
fn outdated_requests<'a>(view: &View<'a>) -> impl Iterator<Item = &'a RequestSeen> {
    let limit = usize::try_from(view.spec().revision_history_limit.unwrap_or(1).max(1)).unwrap_or(1);
    let revision = view.revision;
    let mut past: Vec<(i64, &RequestSeen)> = view
        .owned_requests()
        .filter(|request| request.meta.deleting.is_none())
        .filter_map(|request| revision_of(request).map(|of| (of, request)))
        .filter(|(of, _)| *of <= revision)
        .collect();
    past.sort_by_key(|(of, _)| std::cmp::Reverse(*of));
    past.into_iter().skip(limit).map(|(_, request)| request)
}
