//! Certificates: look, plan, carry out, until nothing is left to do.

mod apply;
mod at_once;
mod keys;
mod keystores;
mod looked;
mod made_keys;
mod observe;
mod opened;
mod patience;
mod refusals;
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
            DUE_AT_ONCE, Effect, InvalidSpec, Made, Plan, SECRET_NOT_KEPT, Seen, Violation, plan, plan_unreadable,
            refused_later, status_when_refused, why_repaired,
        },
        kinds::CertificateKind,
        notice::Notice,
        seen::{Lean, Meta, Next, Object, ObjectKey},
        settings::controller,
    },
};
use apply::Outcome;
use observe::{Observed, Sight};
use refusals::Consequence;
pub use state::Certificates;

/// An issuance takes half a dozen steps; more than this is a planner that does not come to rest.
const MOST_STEPS: usize = 16;

/// What would be done for a Certificate now.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The Certificate.
    pub record: Arc<Lean<CertificateKind>>,
    /// The next step.
    pub plan: Plan,
    /// The step after it, where the next one only writes down that an issuance begins.
    pub then: Option<Plan>,
    /// Why its Secret would be applied again.
    pub repair: Option<Violation>,
    /// Why its next issuance will be refused, although nothing is wrong now.
    pub later: Option<InvalidSpec>,
}

impl Certificates {
    /// Brings one Certificate as far as it gets now.
    ///
    /// # Errors
    /// When the API server refuses or cannot be reached, and when the planner does not come to rest.
    pub async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        let controller = &self;
        if !controller.ports.settings.controllers.enabled(controller::ISSUING) {
            return Ok(Next::OnChange);
        }
        let mut sight = Sight::default();
        for _ in 0..MOST_STEPS {
            let seen = match observe::observe(controller, &key, &sight) {
                Observed::Gone => return Ok(Next::OnChange),
                Observed::Unreadable(certificate, invalid) => {
                    return tell_unreadable(controller, &certificate, &invalid).await;
                }
                Observed::Seen(seen) => seen,
            };
            let plan = plan(controller.ports.now(), &seen, &controller.ports.settings);
            if look_closer(controller, &seen, &plan, &mut sight).await? {
                continue;
            }
            match carry_out(controller, &seen, &plan, &mut sight).await? {
                Progress::Step => {}
                Progress::Rest(next) => return Ok(next),
            }
        }
        Err(ControllerError::Failed(format!(
            "Certificate {key} did not come to rest within {MOST_STEPS} steps; this is a bug"
        )))
    }

    /// What would be done for a Certificate now, without doing any of it; `None` where there is no such Certificate.
    ///
    /// # Errors
    /// When the API server cannot be reached.
    pub async fn dry_run(self: &Arc<Self>, key: &ObjectKey) -> Result<Option<Outlook>, ControllerError> {
        let controller = self;
        if !controller.ports.settings.controllers.enabled(controller::ISSUING) {
            return Ok(None);
        }
        let mut sight = Sight::default();
        loop {
            let Some(record) = controller.ports.index.certificates.get(key) else {
                return Ok(None);
            };
            let (plan, then, repair, later) = match observe::observe(controller, key, &sight) {
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
                Observed::Seen(seen) => {
                    let plan = plan(controller.ports.now(), &seen, &controller.ports.settings);
                    if look_closer(controller, &seen, &plan, &mut sight).await? {
                        continue;
                    }
                    let then = after_the_status(controller, &seen, &plan);
                    if let Some((seen, then)) = &then
                        && look_closer(controller, seen, then, &mut sight).await?
                    {
                        continue;
                    }
                    let repair = why_repaired(&seen, &controller.ports.settings);
                    (plan, then.map(|(_, then)| then), repair, refused_later(&seen))
                }
            };
            return Ok(Some(Outlook {
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
fn after_the_status(controller: &Certificates, seen: &Seen, first: &Plan) -> Option<(Seen, Plan)> {
    let issues = |status: &CertificateStatus| condition::is_true(&status.conditions, condition::ISSUING);
    let begins = first.effects.is_empty() && issues(&first.status) && !issues(&seen.certificate.status);
    begins.then(|| {
        let mut seen = seen.clone();
        seen.certificate.status = first.status.clone();
        let then = plan(controller.ports.now(), &seen, &controller.ports.settings);
        (seen, then)
    })
}

/// What a plan wants to know before it can be made. Says whether it wants to know anything.
async fn look_closer(
    controller: &Arc<Certificates>,
    seen: &Seen,
    plan: &Plan,
    sight: &mut Sight,
) -> Result<bool, ControllerError> {
    for effect in plan.effects.iter().filter(|effect| effect.is_look()) {
        if *effect == Effect::OpenKeystores {
            sight.open_keystores(controller, seen).await?;
        } else {
            sight.look(controller, seen).await?;
        }
    }
    Ok(plan.effects.iter().any(Effect::is_look))
}

enum Progress {
    /// Something was done: look again.
    Step,
    /// Nothing is left to do before then.
    Rest(Next),
}

async fn carry_out(
    controller: &Arc<Certificates>,
    seen: &Seen,
    plan: &Plan,
    sight: &mut Sight,
) -> Result<Progress, ControllerError> {
    let meta = &seen.certificate.meta;
    if let Some(until) = waits_until(controller, meta, plan) {
        return Ok(Progress::Rest(Next::At(until)));
    }
    for effect in &plan.effects {
        match apply::apply(controller, seen, effect, sight).await {
            Ok(Outcome::Done) if effect.mends() => mended(controller, seen),
            Ok(Outcome::Done) => {}
            Ok(Outcome::LookAgain) => return Ok(Progress::Step),
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
    tell(controller, &seen.certificate, &plan.events);
    if written.is_some() && seen.made != Made::Nothing {
        // the status says it now
        sight.made = Made::Nothing;
    }
    Ok(if plan.effects.is_empty() && written.is_none() {
        Progress::Rest(plan.next)
    } else {
        Progress::Step
    })
}

/// Until when what is planned has to wait, because it was in vain before.
fn waits_until(controller: &Certificates, meta: &Meta, plan: &Plan) -> Option<Timestamp> {
    let (refusals, now) = (&controller.state.refusals, controller.ports.now());
    let repairs = plan.effects.iter().any(Effect::mends);
    let refused = refusals.waits_until(meta, now).filter(|_| !plan.effects.is_empty());
    let contested = refusals.repair_waits_until(meta, now).filter(|_| repairs);
    refused.max(contested)
}

/// Counts how often the Secret has to be put right, and says so where somebody changes it again each time.
fn mended(controller: &Certificates, seen: &Seen) {
    let meta = &seen.certificate.meta;
    if !controller.state.refusals.remember_repair(meta, controller.ports.now()) {
        return;
    }
    let why = why_repaired(seen, &controller.ports.settings)
        .map_or_else(String::new, |violation| format!(": {}", violation.message));
    let message = format!(
        "Somebody else keeps changing Secret {:?}, which is put right less often from now on{why}",
        seen.certificate.spec.secret_name
    );
    let notice = Notice::warning("SecretContested", message);
    controller.ports.events.publish::<CertificateKind>(meta, &notice);
}

/// What the API server refuses, and what goes on failing, is told in the condition; it is tried again, but not at once.
async fn refused(controller: &Certificates, seen: &Seen, error: ControllerError) -> ControllerError {
    let now = controller.ports.now();
    let meta = &seen.certificate.meta;
    let Consequence { until, told, first } = controller.state.refusals.remember(meta, &error, now);
    // no condition can be written then
    if let Some(advice) = error.webhook_advice().filter(|_| first) {
        let notice = Notice::warning("WebhookUnreachable", advice);
        controller.ports.events.publish::<CertificateKind>(meta, &notice);
    }
    if !told {
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

fn tell(controller: &Certificates, certificate: &Object<CertificateKind>, events: &[Notice]) {
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

async fn tell_unreadable(
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
    tell(controller, &object, &plan.events);
    Ok(plan.next)
}
