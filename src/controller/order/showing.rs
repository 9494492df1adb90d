//! Challenges made visible, probed before the CA is told, and taken away again.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;

use super::{observe::Observed, responder_sync};
use crate::{
    cluster::events::Severity,
    controller::{Context, ControllerError, solving::http01::Shown},
    plan::{
        kinds::ChallengeKind,
        order::{facts::Choice, memory::Memory, timing},
        seen::{Meta, ObjectKey},
    },
    solver::{
        host::Host,
        objects::ChallengePath,
        probe::retry_after,
        token::{KeyAuthorization, Token},
    },
};

/// How long after the CA's request was answered the CA is asked what it made of it: its other requests come at about
/// the same time.
const AFTER_VALIDATION: Duration = Duration::from_millis(60);
/// After this time without success a challenge is probed less and less often.
const PROBED_OFTEN: SignedDuration = SignedDuration::from_mins(10);
/// The longest wait between two probes.
const LONGEST_PROBE_WAIT: SignedDuration = SignedDuration::from_mins(2);

/// Shows the challenges of these authorizations, and no others of this Order.
pub(super) async fn present(
    context: &Arc<Context>,
    observed: &Observed,
    urls: Vec<String>,
) -> Result<(), ControllerError> {
    let order = &observed.order;
    if let Some(account) = &observed.account {
        responder_sync::answer(context, order, account.key());
    }
    let wanted: Vec<Shown> = urls.iter().filter_map(|url| shown(observed, url)).collect();
    let presented = context.http01.present(context, &order.meta, &wanted).await;
    let now = context.now();
    match presented {
        Ok(()) => {
            told_shown(context, observed, &urls);
            context.orders.remember(&order.meta, |memory| memory.showed(now, urls));
            Ok(())
        }
        Err(error) if error.is_not_leader() || error.is_stale() => Err(error),
        Err(error) => {
            let sentence = format!("Error presenting challenge: {error}");
            let before = observed.memory.hidden.as_ref().map(|hidden| hidden.sentence.as_str());
            if before != Some(&sentence) {
                for challenge in urls.iter().filter_map(|url| observed.challenge_of(url)) {
                    let tell = Severity::Warning;
                    context
                        .events
                        .publish::<ChallengeKind>(&challenge.meta, tell, "PresentError", &sentence);
                }
            }
            context
                .orders
                .remember(&order.meta, |memory| memory.could_not_show(now, sentence));
            Ok(())
        }
    }
}

/// Takes away everything that shows challenges of the Order.
pub(super) async fn withdraw(context: &Arc<Context>, observed: &Observed) -> Result<(), ControllerError> {
    let Meta { key, uid, .. } = &observed.order.meta;
    let offered = observed.order.status.authorizations.iter().flat_map(|one| {
        let host = one.identifier.as_deref().and_then(Host::parse);
        let tokens = one
            .challenges
            .iter()
            .filter_map(|challenge| Token::parse(&challenge.token).ok());
        tokens.filter_map(move |token| {
            Some(ChallengePath {
                host: host.clone()?,
                token,
            })
        })
    });
    let paths: Vec<ChallengePath> = offered.collect();
    if let Err(error) = context.http01.withdraw(context, key, uid, &paths).await {
        told_left(context, observed, &error);
        return Err(error);
    }
    responder_sync::withdraw(context, uid);
    context.orders.remember(&observed.order.meta, Memory::withdrew);
    Ok(())
}

/// Tells once that what shows challenges cannot be taken away (ORD-10); it is tried again.
fn told_left(context: &Context, observed: &Observed, error: &ControllerError) {
    if error.is_stale() || error.is_not_leader() {
        return;
    }
    let sentence = format!("Error cleaning up challenge: {error}");
    if context
        .reported
        .is_new(&observed.order.meta, std::slice::from_ref(&sentence))
    {
        for challenge in &observed.challenges {
            let tell = Severity::Warning;
            context
                .events
                .publish::<ChallengeKind>(&challenge.meta, tell, "CleanUpError", &sentence);
        }
    }
}

/// Events for challenges that were not shown before (ORD-10).
fn told_shown(context: &Context, observed: &Observed, urls: &[String]) {
    let before = observed.memory.shown.as_ref().map(|(shown, _)| shown);
    let news = urls
        .iter()
        .filter(|url| before.is_none_or(|before| !before.contains(*url)));
    for challenge in news
        .filter_map(|url| observed.challenge_of(url))
        .filter(|one| one.status.presented != Some(true))
    {
        let tell = |reason, message| {
            context
                .events
                .publish::<ChallengeKind>(&challenge.meta, Severity::Normal, reason, message);
        };
        tell("Started", "Challenge scheduled for processing");
        tell("Presented", "Presented challenge using HTTP-01 challenge mechanism");
    }
}

/// Takes away everything that shows challenges of the Order with this uid, which is not there any more.
pub(super) async fn withdraw_by_uid(context: &Arc<Context>, key: &ObjectKey, uid: &str) -> Result<(), ControllerError> {
    context.http01.withdraw(context, key, uid, &[]).await?;
    responder_sync::withdraw(context, uid);
    Ok(())
}

/// What is to be visible for an authorization.
fn shown(observed: &Observed, url: &str) -> Option<Shown> {
    let one = observed.memory.authorizations.get(url)?;
    let Choice::Http01 { token, solver, .. } = observed.choices.get(url)? else {
        return None;
    };
    let challenge = &observed.challenge_of(url)?.meta;
    let token = Token::parse(token).ok()?;
    Some(Shown {
        name: challenge.name().to_owned(),
        uid: challenge.uid.to_string(),
        path: ChallengePath {
            host: Host::parse(&one.identifier)?,
            token: token.clone(),
        },
        key_authorization: KeyAuthorization::new(token, observed.account.as_ref()?.key().thumbprint()),
        ingress: solver.http01.as_ref()?.ingress.clone()?,
    })
}

/// Begins a probe; its end brings the Order back into the queue.
pub(super) fn probe(context: &Arc<Context>, observed: &Observed, url: String) {
    let order = &observed.order.meta;
    let Some(shown) = shown(observed, &url) else { return };
    let now = context.now();
    context.orders.remember(order, |memory| memory.probing(now, &url));
    let since = observed
        .memory
        .proofs
        .get(&url)
        .and_then(|proof| proof.probing_since)
        .unwrap_or(now);
    let probing = Probing {
        context: Arc::clone(context),
        order: order.clone(),
        url,
        shown,
        since,
    };
    tokio::spawn(probing.run());
}

struct Probing {
    context: Arc<Context>,
    order: Meta,
    url: String,
    shown: Shown,
    since: Timestamp,
}

impl Probing {
    async fn run(self) {
        let Self {
            context,
            order,
            url,
            shown,
            since,
        } = self;
        // the semaphore is never closed
        let permit = Arc::clone(&context.orders.probes).acquire_owned().await.ok();
        let seen = context.http01.probe(&context, &order, &shown).await;
        drop(permit);
        let now = context.now();
        let outcome = seen.map_err(|not_visible| {
            let waited = now.duration_since(since);
            let often = retry_after(waited.unsigned_abs(), &not_visible.finding);
            let often = SignedDuration::try_from(often).unwrap_or(LONGEST_PROBE_WAIT);
            let is_hopeless = waited > PROBED_OFTEN;
            let wait = if is_hopeless {
                (waited / 10).min(LONGEST_PROBE_WAIT).max(often)
            } else {
                often
            };
            (not_visible.to_string(), timing::add(now, wait))
        });
        context
            .orders
            .recall(&order.key, &order.uid, |memory| memory.probed(&url, outcome));
        context.queues.orders.add(order.key);
    }
}

/// A validation by the CA that is expected: when this replica has answered it, the CA is asked what it made of it.
pub(super) struct Validation {
    context: Arc<Context>,
    key: ObjectKey,
    uid: Box<str>,
    token: String,
    answered: broadcast::Receiver<Arc<str>>,
}

impl Validation {
    /// Begins to listen; to be called before the CA is told.
    pub(super) fn expect(context: &Arc<Context>, observed: &Observed, url: &str) -> Self {
        let token = match observed.choices.get(url) {
            Some(Choice::Http01 { token, .. }) => token.clone(),
            Some(Choice::None(_)) | None => String::new(),
        };
        let Meta { key, uid, .. } = &observed.order.meta;
        let answered = context.responder.validations();
        Self {
            context: Arc::clone(context),
            key: key.clone(),
            uid: uid.clone(),
            token,
            answered,
        }
    }

    /// The CA was told: once its request is answered, the authorization is due.
    pub(super) fn follow(self, url: String) {
        let Self {
            context,
            key,
            uid,
            token,
            mut answered,
        } = self;
        let limit = timing::FIRST_LOOK.unsigned_abs();
        tokio::spawn(async move {
            let heard = tokio::time::timeout(limit, async {
                loop {
                    match answered.recv().await {
                        Ok(answered) if *answered == *token => return true,
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => return false,
                    }
                }
            });
            if heard.await == Ok(true) {
                tokio::time::sleep(AFTER_VALIDATION).await;
                let now = context.now();
                context.orders.recall(&key, &uid, |memory| memory.validated(now, &url));
                context.queues.orders.add(key);
            }
        });
    }
}
