//! Keeps the ConfigMap from which the policy about approvals knows the issuer kinds of other API groups (VAL-35): those that a
//! CertificateRequest has named since this process leads, and those that are in it already.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::Context;
use crate::{
    api::{IssuerRef, condition},
    cluster::{self, issuer_kinds::Discovery},
    plan::{
        issuer_kinds::{MAX_KINDS, data, key},
        seen::RequestSeen,
    },
};

/// Between two looks where nothing is awaited: the ConfigMap may have been deleted, or a kind installed anew.
const INTERVAL: Duration = Duration::from_secs(60);
/// Between two looks while a kind is awaited that has just been named and does not exist: it doubles up to [`INTERVAL`].
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How often the first wait is kept to.
const FIRST_WAITS: u32 = 12;
/// Until the policies of every API server know what was written: they watch it.
const SEEN_BY_POLICIES: Duration = Duration::from_millis(300);

/// Issuer kinds of other API groups, and whether they have been looked up.
#[derive(Debug, Default)]
pub struct IssuerKinds {
    named: Mutex<BTreeMap<String, Look>>,
    wake: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Has just been named.
    Due,
    /// Does not exist.
    Missing,
    /// Is in the ConfigMap, or at least was not refused a place there.
    Done,
}

impl IssuerKinds {
    /// Notes the kind of a request's issuer; says whether the policies know it as well as they will.
    fn is_looked_up(&self, issuer: &IssuerRef) -> bool {
        let Some(key) = key(issuer) else { return true };
        let mut named = self.named();
        if let Some(look) = named.get(&key) {
            return *look != Look::Due;
        }
        if named.len() >= MAX_KINDS {
            // what exists is never given up for a name that somebody wrote
            let missing = named.iter().find(|(_, look)| **look == Look::Missing);
            let Some(missing) = missing.map(|(key, _)| key.clone()) else {
                return true;
            };
            named.remove(&missing);
        }
        named.insert(key, Look::Due);
        drop(named);
        self.wake.notify_one();
        false
    }

    /// Looks again soon: a write was refused, perhaps because the ConfigMap is gone.
    pub fn look_again(&self) {
        self.wake.notify_one();
    }

    /// Forgets which kinds were named: this process does not lead any more.
    pub(super) fn clear(&self) {
        self.named().clear();
    }

    fn named(&self) -> MutexGuard<'_, BTreeMap<String, Look>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an approval of this request will be judged by what its issuer's kind really is. Otherwise it is queued again when that is so. An
/// installation for one namespace has nothing to do with the policies.
pub fn are_known(context: &Context, request: &RequestSeen) -> bool {
    context.settings.namespace.is_some() || context.issuer_kinds.is_looked_up(&request.issuer_ref)
}

/// Keeps the ConfigMap in `namespace` as long as this process leads.
pub async fn keep(context: Arc<Context>, namespace: String) {
    let kinds = &context.issuer_kinds;
    let (mut known, mut problem, mut waits) = (Discovery::default(), None, 0);
    let (mut woken, mut thorough_at) = (true, Instant::now());
    while context.writer.leads() {
        let due: Vec<String> = with(&kinds.named(), Look::Due);
        if !due.is_empty() {
            waits = 0;
        }
        let thorough = woken || thorough_at <= Instant::now();
        if thorough {
            thorough_at = Instant::now() + INTERVAL;
        }
        let looked = look(&context, &namespace, &mut known, thorough).await;
        let written = matches!(looked, Ok(true));
        match looked {
            Ok(_) => problem = None,
            Err(error) => {
                thorough_at = Instant::now();
                let text = error.to_string();
                if problem.as_ref() != Some(&text) {
                    tracing::warn!("issuer kinds of other API groups are guessed when somebody approves: {text}");
                    problem = Some(text);
                }
            }
        }
        if written {
            tokio::time::sleep(SEEN_BY_POLICIES).await;
        }
        settle(&context, &due, &known, written);
        let missing = kinds.named().values().any(|look| *look == Look::Missing);
        let wait = match (missing, waits) {
            (true, 0..FIRST_WAITS) => FIRST_WAIT,
            (true, later) => FIRST_WAIT
                .saturating_mul(1 << (later - FIRST_WAITS).min(10))
                .min(INTERVAL),
            (false, _) => INTERVAL,
        };
        waits = waits.saturating_add(1);
        // not more often than this, however many names come
        let earliest = Instant::now() + FIRST_WAIT;
        woken = tokio::time::timeout(wait, kinds.wake.notified()).await.is_ok();
        tokio::time::sleep_until(earliest).await;
    }
}

fn with(named: &BTreeMap<String, Look>, wanted: Look) -> Vec<String> {
    let such = named.iter().filter(|(_, look)| **look == wanted);
    such.map(|(key, _)| key.clone()).collect()
}

/// One look; says whether the ConfigMap was written. It is read where the API server serves something else than before, and `thorough` looks
/// do so in any case.
async fn look(
    context: &Context,
    namespace: &str,
    known: &mut Discovery,
    thorough: bool,
) -> Result<bool, cluster::Error> {
    match context.reader.discover(known).await? {
        Some(now) => *known = now,
        None if !thorough => return Ok(false),
        None => {}
    }
    let found = context.reader.issuer_kinds(namespace).await?;
    let wanted: Vec<String> = context.issuer_kinds.named().keys().cloned().collect();
    let data = data(&found.data, wanted, &known.served);
    if data == found.data {
        return Ok(false);
    }
    context.writer.write_issuer_kinds(namespace, &found, &data).await?;
    tracing::info!(kinds = data.len(), "wrote which issuer kinds there are");
    Ok(true)
}

/// Requests that waited for this look go on; after a write, also those whose approval was refused before it.
fn settle(context: &Context, due: &[String], known: &Discovery, written: bool) {
    let mut named = context.issuer_kinds.named();
    for (key, look) in named.iter_mut() {
        if *look != Look::Due || due.contains(key) {
            *look = if known.served.has(key) {
                Look::Done
            } else {
                Look::Missing
            };
        }
    }
    drop(named);
    if due.is_empty() && !written {
        return;
    }
    let waits = |request: &RequestSeen| !condition::is_true(&request.conditions, condition::APPROVED);
    for request in context.index.requests.all() {
        let concerned = written || key(&request.issuer_ref).is_some_and(|key| due.contains(&key));
        if concerned && waits(&request) {
            context.queues.requests.add(request.meta.key.clone());
        }
    }
}
