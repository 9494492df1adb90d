//! The controller of Certificates: observes, plans and applies until the plan is empty.

mod apply;
mod at_once;
mod backoff;
mod issuers;
mod keys;
mod keystores;
mod made_keys;
mod observe;
mod opened;
mod outcome;
mod refusals;
mod secret_read;
mod state;
mod target;
mod temporary;

use std::sync::Arc;

use jiff::Timestamp;

use super::ControllerError;
use crate::{
    api::{CertificateStatus, condition},
    plan::{
        certificate::{
            CertificateEffect, CertificateObservation, CertificatePlan, DUE_AT_ONCE, InvalidSpec, Made,
            SECRET_NOT_KEPT, Violation, issuance_outcome, plan, plan_unreadable, refused_later, status_when_refused,
            why_repaired,
        },
        kinds::CertificateKind,
        notice::Notice,
        seen::{Lean, Meta, Next, Object, ObjectKey},
        settings::controller,
    },
};
use apply::Outcome;
use observe::{LiveReads, Observed};
use refusals::Consequence;
pub(crate) use state::Certificates;

/// Maximum number of steps of one reconcile. An issuance takes about six; more means that the plan does not converge.
const MOST_STEPS: usize = 16;

/// The dry run of a Certificate.
#[derive(Clone, Debug)]
pub(crate) struct CertificateDryRun {
    /// The Certificate.
    pub record: Arc<Lean<CertificateKind>>,
    /// The next step.
    pub plan: CertificatePlan,
    /// The step after it, if the next one only sets the Issuing condition.
    pub then: Option<CertificatePlan>,
    /// The reason for applying its Secret again.
    pub repair: Option<Violation>,
    /// Why its next issuance would fail, although nothing is wrong now.
    pub later: Option<InvalidSpec>,
}

impl Certificates {
    /// Reconciles one Certificate.
    ///
    /// # Errors
    /// If the API server rejects a call or cannot be reached, or if the plan does not converge.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        let controller = &self;
        if !controller.ports.settings.controllers.enabled(controller::ISSUING) {
            return Ok(Next::OnChange);
        }
        let mut reads = LiveReads::default();
        for _ in 0..MOST_STEPS {
            let seen = match observe::observe(controller, &key, &reads) {
                Observed::Gone => return Ok(Next::OnChange),
                Observed::Unreadable(certificate, invalid) => {
                    return report_undecodable(controller, &certificate, &invalid).await;
                }
                Observed::Certificate(seen) => seen,
            };
            let plan = plan(controller.ports.now(), &seen, &controller.ports.settings);
            if read_live(controller, &seen, &plan, &mut reads).await? {
                continue;
            }
            match carry_out(controller, &seen, &plan, &mut reads).await? {
                Progress::Step => {}
                Progress::Rest(next) => return Ok(next),
            }
        }
        Err(ControllerError::Failed(format!(
            "Certificate {key} did not converge within {MOST_STEPS} steps; this is a bug"
        )))
    }

    /// Plans without applying; `None` if the Certificate does not exist.
    ///
    /// # Errors
    /// When the API server cannot be reached.
    pub(crate) async fn dry_run(
        self: &Arc<Self>,
        key: &ObjectKey,
    ) -> Result<Option<CertificateDryRun>, ControllerError> {
        let controller = self;
        if !controller.ports.settings.controllers.enabled(controller::ISSUING) {
            return Ok(None);
        }
        let mut reads = LiveReads::default();
        loop {
            let Some(record) = controller.ports.index.certificates.get(key) else {
                return Ok(None);
            };
            let (plan, then, repair, later) = match observe::observe(controller, key, &reads) {
                Observed::Gone => return Ok(None),
                Observed::Unreadable(certificate, invalid) => {
                    let status = certificate.status();
                    (
                        plan_unreadable(controller.ports.now(), &certificate.meta, &status, &invalid),
                        None,
                        None,
                        None,
                    )
                }
                Observed::Certificate(seen) => {
                    let plan = plan(controller.ports.now(), &seen, &controller.ports.settings);
                    if read_live(controller, &seen, &plan, &mut reads).await? {
                        continue;
                    }
                    let then = after_the_status(controller, &seen, &plan);
                    if let Some((seen, then)) = &then
                        && read_live(controller, seen, then, &mut reads).await?
                    {
                        continue;
                    }
                    let repair = why_repaired(&seen, &controller.ports.settings);
                    (plan, then.map(|(_, then)| then), repair, refused_later(&seen))
                }
            };
            return Ok(Some(CertificateDryRun {
                record,
                plan,
                then,
                repair,
                later,
            }));
        }
    }
}

/// The step after one that only writes into the status that an issuance begins.
fn after_the_status(
    controller: &Certificates,
    seen: &CertificateObservation,
    first: &CertificatePlan,
) -> Option<(CertificateObservation, CertificatePlan)> {
    let issues = |status: &CertificateStatus| condition::is_true(&status.conditions, condition::ISSUING);
    let begins = first.effects.is_empty() && issues(&first.status) && !issues(&seen.certificate.status);
    begins.then(|| {
        let mut seen = seen.clone();
        seen.certificate.status = first.status.clone();
        let then = plan(controller.ports.now(), &seen, &controller.ports.settings);
        (seen, then)
    })
}

/// Reads what a plan needs from the API server. Returns whether it needed anything.
async fn read_live(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    plan: &CertificatePlan,
    reads: &mut LiveReads,
) -> Result<bool, ControllerError> {
    for effect in plan.effects.iter().filter(|effect| effect.is_read()) {
        if *effect == CertificateEffect::OpenKeystores {
            reads.open_keystores(controller, seen).await?;
        } else {
            reads.read(controller, seen).await?;
        }
    }
    Ok(plan.effects.iter().any(CertificateEffect::is_read))
}

enum Progress {
    /// Something was applied: observe again.
    Step,
    /// There is nothing to do before this time.
    Rest(Next),
}

async fn carry_out(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    plan: &CertificatePlan,
    reads: &mut LiveReads,
) -> Result<Progress, ControllerError> {
    let meta = &seen.certificate.meta;
    if let Some(until) = waits_until(controller, meta, plan) {
        return Ok(Progress::Rest(Next::At(until)));
    }
    for effect in &plan.effects {
        tracing::debug!(certificate = %meta.key, effect = effect.name(), "applying");
        match apply::apply(controller, seen, effect, reads).await {
            Ok(Outcome::Done) if effect.mends() => mended(controller, seen),
            Ok(Outcome::Done) => {}
            Ok(Outcome::Replan) => return Ok(Progress::Step),
            Ok(Outcome::ComeBack) => return Ok(Progress::Rest(plan.next)),
            Err(error) if error.is_stale() || error.is_not_leader() => return Err(error),
            Err(error) => return Err(refused(controller, seen, error).await),
        }
    }
    if !plan.effects.is_empty() {
        controller.state.refusals.forget(meta);
    }
    let written = controller
        .ports
        .writer
        .write_status::<CertificateKind>(&seen.certificate, &plan.status)
        .await?;
    publish(controller, &seen.certificate, &plan.events);
    if written.is_some()
        && let Some(outcome) = issuance_outcome(controller.ports.now(), seen, &plan.status)
    {
        outcome::report(&controller.ports, seen, outcome);
    }
    if written.is_some() && seen.made != Made::Nothing {
        // the status contains it now
        reads.made = Made::Nothing;
    }
    Ok(if plan.effects.is_empty() && written.is_none() {
        Progress::Rest(plan.next)
    } else {
        Progress::Step
    })
}

/// When an effect may be retried after failures.
fn waits_until(controller: &Certificates, meta: &Meta, plan: &CertificatePlan) -> Option<Timestamp> {
    let (refusals, now) = (&controller.state.refusals, controller.ports.now());
    let repairs = plan.effects.iter().any(CertificateEffect::mends);
    let refused = refusals.waits_until(meta, now).filter(|_| !plan.effects.is_empty());
    let contested = refusals.repair_waits_until(meta, now).filter(|_| repairs);
    refused.max(contested)
}

/// Counts repairs of the Secret, and reports it if another client keeps changing the Secret.
fn mended(controller: &Certificates, seen: &CertificateObservation) {
    let meta = &seen.certificate.meta;
    if !controller.state.refusals.remember_repair(meta, controller.ports.now()) {
        return;
    }
    let why = why_repaired(seen, &controller.ports.settings)
        .map_or_else(String::new, |violation| format!(": {}", violation.message));
    let message = format!(
        "Another client keeps changing Secret {:?}; certlet repairs it less often from now on{why}",
        seen.certificate.spec.secret_name
    );
    let notice = Notice::warning("SecretContested", message);
    controller.ports.events.publish::<CertificateKind>(meta, &notice);
}

/// Reports a rejected or repeatedly failed step in the condition. It is retried with a back-off.
async fn refused(controller: &Certificates, seen: &CertificateObservation, error: ControllerError) -> ControllerError {
    let now = controller.ports.now();
    let meta = &seen.certificate.meta;
    let Consequence { until, reported, first } = controller.state.refusals.remember(meta, &error, now);
    // no condition can be written then
    if let Some(advice) = error.webhook_advice().filter(|_| first) {
        let notice = Notice::warning("WebhookUnreachable", advice);
        controller.ports.events.publish::<CertificateKind>(meta, &notice);
    }
    if !reported {
        return error;
    }
    let message = error.to_string();
    let status = status_when_refused(now, seen, &controller.ports.settings, &message);
    if let Err(error) = controller
        .ports
        .writer
        .write_status::<CertificateKind>(&seen.certificate, &status)
        .await
    {
        return error.into();
    }
    ControllerError::wait(message, until)
}

fn publish(controller: &Certificates, certificate: &Object<CertificateKind>, events: &[Notice]) {
    for notice in events {
        if [SECRET_NOT_KEPT, DUE_AT_ONCE].contains(&&*notice.reason) {
            controller.ports.metrics.hold_back();
        }
        controller
            .ports
            .events
            .publish::<CertificateKind>(&certificate.meta, notice);
    }
}

async fn report_undecodable(
    controller: &Certificates,
    certificate: &Lean<CertificateKind>,
    invalid: &crate::api::InvalidField,
) -> Result<Next, ControllerError> {
    let status = certificate.status();
    let plan = plan_unreadable(controller.ports.now(), &certificate.meta, &status, invalid);
    let object = Object {
        meta: certificate.meta.clone(),
        spec: crate::api::CertificateSpec::default(),
        status,
    };
    controller
        .ports
        .writer
        .write_status::<CertificateKind>(&object, &plan.status)
        .await?;
    publish(controller, &object, &plan.events);
    Ok(plan.next)
}
