//! The observation with its direct conclusions.

use jiff::{SignedDuration, Timestamp};

use super::{
    CertificateObservation, FallbackPolicy, LASTING, Notice, Violation, checks, failure,
    fallback::{self, Choice},
    names,
    status::{go_time, instant},
};
use crate::{
    api::{
        CertificateSpec, CertificateStatus,
        certificate_status::RenewalInformation,
        condition::{self, APPROVED, DENIED, READY},
        names::annotation,
    },
    pki::certificate::CertificateInfo,
    plan::{
        renewal::{self, Provenance, Schedule, Suggestion, Validity, WindowError},
        seen::{Meta, Next, RequestSeen},
        settings::Settings,
    },
};

/// Minimum age of a certificate before a change of its Secret by another client causes a re-issuance, so that two programs that
/// both write the Secret do not cause a loop.
const CALM: SignedDuration = SignedDuration::from_secs(10);
/// Age of the certificate from which on a past window counts, even one from before the certificate.
const AGED: SignedDuration = SignedDuration::from_hours(24);

/// The observation with its direct conclusions.
pub(super) struct View<'a> {
    pub(super) now: Timestamp,
    pub(super) seen: &'a CertificateObservation,
    pub(super) settings: &'a Settings,
    /// Revision of the certificate in the Secret.
    pub(super) revision: i64,
    pub(super) validity: Option<Validity>,
    /// The violation in the content of the Secret.
    pub(super) content: Option<Violation>,
    pub(super) schedule: Option<Result<Option<Schedule>, WindowError>>,
    /// The fallback issuers, or why the annotations about them cannot be used.
    pub(super) policy: Result<Option<FallbackPolicy>, String>,
    /// The issuer to ask for the next certificate.
    pub(super) choice: Choice,
}

impl<'a> View<'a> {
    pub(super) fn new(now: Timestamp, seen: &'a CertificateObservation, settings: &'a Settings, revision: i64) -> Self {
        let mut view = Self {
            now,
            seen,
            settings,
            revision,
            validity: None,
            content: None,
            schedule: None,
            policy: FallbackPolicy::of(&seen.certificate),
            choice: Choice::default(),
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
        view.choice = fallback::choice(&view);
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

    pub(super) fn input(&self) -> checks::Input<'_> {
        let current = self.requests_of(self.revision).next();
        checks::Input {
            name: self.meta().name(),
            spec: self.spec(),
            secret: self.seen.secret.as_deref(),
            current,
            fallback: self.policy(),
        }
    }

    /// Our requests for a revision.
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

    /// `status.renewalTime`. If no window fits, the time at which the renewal begins nevertheless.
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

    /// Whether certlet issued the certificate in the Secret: the name of its next-key Secret shows it, which cert-manager draws
    /// at random.
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
        let stored =
            instant(status.renewal_time.as_ref()).filter(|_| about_this && observed == Some(self.generation()));
        Provenance::Foreign(stored)
    }

    /// The renewal window of the ACME server, if it is plausible for this certificate.
    fn suggestion(&self, validity: Validity, provenance: Provenance) -> Option<RenewalInformation> {
        if !self.settings.gates.ari {
            return None;
        }
        let known = self.known_information(validity);
        let polled = self.seen.renewal_information.as_ref();
        if polled.is_some_and(is_unsupported) {
            return None;
        }
        let polled = polled.filter(|ari| self.is_believable(ari, known.as_ref(), validity));
        let ari = polled.cloned().or(known)?;
        let over = ari
            .suggested_window
            .as_ref()
            .is_some_and(|window| window.end.0 <= self.now);
        (provenance == Provenance::Ours || over).then_some(ari)
    }

    fn known_information(&self, validity: Validity) -> Option<RenewalInformation> {
        self.written_information(validity)
            .filter(|ari| ari.suggested_window.is_some())
    }

    /// The renewal information for the status, errors included.
    fn written_information(&self, validity: Validity) -> Option<RenewalInformation> {
        let status = self.status();
        let about_this = instant(status.not_after.as_ref())
            .is_some_and(|not_after| not_after.as_second() == validity.not_after.as_second());
        status.acme.as_ref()?.ari.clone().filter(|_| about_this)
    }

    fn is_believable(
        &self,
        polled: &RenewalInformation,
        known: Option<&RenewalInformation>,
        validity: Validity,
    ) -> bool {
        let Some(window) = &polled.suggested_window else {
            return false;
        };
        let aged = validity.not_before.duration_until(self.now) >= AGED;
        let moved_into_the_past =
            window.end.0 <= self.now && window.start.0 < window.end.0 && (known.is_some() || aged);
        renewal::is_plausible(window, validity) || moved_into_the_past
    }

    /// The renewal information for the status: the known window, unless a plausible new one arrived, and the last error of a poll
    /// (ARI-06).
    pub(super) fn renewal_information(&self) -> Option<RenewalInformation> {
        let validity = self.validity?;
        if !self.settings.gates.ari {
            return None;
        }
        let written = self.written_information(validity);
        let Some(polled) = &self.seen.renewal_information else {
            return written;
        };
        if is_unsupported(polled) {
            return None;
        }
        let known = self.known_information(validity);
        let believed = self.is_believable(polled, known.as_ref(), validity);
        let recorded = match known {
            Some(known)
                if !believed
                    || (polled.suggested_window == known.suggested_window
                        && polled.explanation_url == known.explanation_url) =>
            {
                known
            }
            Some(_) | None if believed => polled.clone(),
            Some(_) | None => {
                // only the error is known
                polled.last_error.as_ref()?;
                let nothing = RenewalInformation::default();
                written
                    .filter(|written| written.last_error == polled.last_error)
                    .unwrap_or(nothing)
            }
        };
        if recorded.last_error == polled.last_error {
            return Some(recorded);
        }
        Some(RenewalInformation {
            last_checked: polled.last_checked.clone(),
            last_error: polled.last_error.clone(),
            next_check: polled.next_check.clone(),
            ..recorded
        })
    }

    /// Why a certificate must be issued now, if so, and until when that is delayed.
    pub(super) fn trigger(&self) -> Trigger {
        if let Some(violation) = &self.content {
            return match self.calm_until() {
                Some(until) => Trigger::Later(until),
                None => Trigger::Now(violation.clone(), None),
            };
        }
        if self.seen.rotation.due {
            let message = "Issuing certificate as the key pair of its CA has changed";
            return Trigger::Now(Violation::new("CARotated", message), None);
        }
        match &self.schedule {
            Some(Ok(Some(schedule))) if schedule.at <= self.now => {
                let shown = instant(self.status().renewal_time.as_ref()).unwrap_or(schedule.at);
                let message = format!("Renewing certificate as renewal was scheduled at {}", go_time(shown));
                Trigger::Now(Violation::new("Renewing", message), None)
            }
            Some(Ok(Some(schedule))) => Trigger::Later(schedule.at),
            Some(Err(error)) => match self.without_windows() {
                Some(desired) if desired <= self.now => {
                    let message = format!(
                        "Renewing certificate without satisfying renewal windows at: {}",
                        go_time(desired)
                    );
                    let event = Notice::warning(
                        "WindowError",
                        format!("Renewing certificate without satisfying renewal windows due to {error}"),
                    );
                    Trigger::Now(Violation::new("Renewing", message), Some(event))
                }
                Some(desired) => Trigger::Later(desired),
                None => Trigger::Never,
            },
            Some(Ok(None)) | None => Trigger::Never,
        }
    }

    /// Whether another client keeps writing into the Secret: see [`CALM`]. A deleted Secret is restored at once, and so is one
    /// that is outdated by an edit of the spec.
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

/// Whether a certificate must be issued.
pub(super) enum Trigger {
    Now(Violation, Option<Notice>),
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

impl<'a> View<'a> {
    /// The obstacle of the request, if it has lasted long enough.
    pub(super) fn lasting_obstacle(&self) -> Option<String> {
        let obstacle = self.seen.obstacle.as_ref()?;
        self.is_lasting(obstacle.since).then(|| obstacle.text.clone())
    }

    /// Whether something that began then must be reported now.
    pub(super) fn is_lasting(&self, since: Timestamp) -> bool {
        reported_at(since).is_none_or(|at| at <= self.now)
    }

    /// The next request, if it is neither approved nor denied.
    pub(super) fn unapproved(&self) -> Option<&'a RequestSeen> {
        let decided = |request: &RequestSeen| [APPROVED, DENIED, READY].iter().any(|kind| request.is_true(kind));
        self.next_requests()
            .find(|request| !decided(request) && failure::of_request(request).is_none())
    }

    /// When to reconcile: at `at`, or when the condition changes by time, because the certificate expires or an obstacle lasts.
    pub(super) fn wake(&self, at: Option<Timestamp>) -> Next {
        let expiry = self
            .validity
            .and_then(|validity| validity.not_after.checked_add(SignedDuration::from_secs(1)).ok());
        let obstacle = self
            .seen
            .obstacle
            .as_ref()
            .and_then(|obstacle| reported_at(obstacle.since));
        let approval = self.unapproved().and_then(|request| reported_at(request.meta.created));
        [at, expiry, obstacle, approval, self.choice.at]
            .into_iter()
            .flatten()
            .filter(|at| *at > self.now)
            .fold(Next::OnChange, Next::or_at)
    }
}

/// When an obstacle that began then must be reported.
fn reported_at(since: Timestamp) -> Option<Timestamp> {
    since.checked_add(LASTING).ok()
}

/// Whether the server has no renewal information (ARI-04).
fn is_unsupported(polled: &RenewalInformation) -> bool {
    *polled == RenewalInformation::default()
}
