//! A key pair that this process signs with a CA in a Secret, as cert-manager's "dynamic serving" does. The replicas share the CA:
//! each of them creates it if it does not exist, and the API server lets one win.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use tokio::time::{sleep, timeout};

use super::{Dynamic, Serving, authority};
use crate::{
    cluster::{self, serving::ServingSecret},
    pki::{self, certificate::CertificateInfo, chain::SizeLimits},
    plan::serving::{AuthorityStep, authority_step, renewal_time},
    process::clock,
    signer::ca::CertificateAuthority,
    work::{Interrupted, SHORT},
};

/// Interval at which the Secret is read without a change, for example because the CA gets old.
const READ_AGAIN: Duration = Duration::from_secs(600);
/// Interval of attempts after a failure.
const RETRY: Duration = Duration::from_secs(10);
/// The shortest time between two reads, however often the Secret changes.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// The longest sleep: the clock may jump, and sleeps do not notice.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Attempts to write the CA while others write it, too.
const ATTEMPTS: u32 = 5;

/// Why there is no new key pair. `Display` is the sentence.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error("the certificate cannot be signed: {0}")]
    Signing(#[from] pki::Error),
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    #[error(
        "the Secret {secret} has no CA ({why}), and is not changed because neither certlet nor cert-manager created it; delete it, or name another one with --metrics-dynamic-serving-ca-secret-name"
    )]
    Foreign { secret: String, why: String },
    #[error("the Secret {0} is being changed by others")]
    Contested(String),
}

/// The pair in use.
struct Issued {
    /// The CA, by the fingerprint of its certificate.
    by: [u8; 32],
    renewal: Timestamp,
}

/// A new pair.
struct Signed {
    pair: CertifiedKey,
    leaf: CertificateInfo,
    issued: Issued,
}

/// Keeps `serving` at a pair that is signed by the CA in the Secret.
pub(super) async fn follow(serving: Arc<Serving>, secret: ServingSecret, dynamic: Dynamic, limits: SizeLimits) {
    let mut changes = pin!(secret.changes());
    let mut issued: Option<Issued> = None;
    loop {
        let now = clock::now();
        let again = match step(&secret, &dynamic, &limits, issued.as_ref(), now).await {
            Ok(signed) => {
                match signed {
                    None => serving.works(),
                    Some(signed) => {
                        serving.install(signed.pair, &signed.leaf);
                        issued = Some(signed.issued);
                    }
                }
                let renewal = issued.as_ref().map_or(Timestamp::MAX, |issued| issued.renewal);
                renewal.min(now + READ_AGAIN)
            }
            Err(failure) => {
                serving.failed(&failure.to_string());
                now + RETRY
            }
        };
        sleep(AT_MOST_EVERY).await;
        change_or_time(&mut changes, again).await;
    }
}

/// Waits for a change of the Secret, or until `time`.
async fn change_or_time(changes: &mut (impl Stream<Item = ()> + Unpin), time: Timestamp) {
    loop {
        let left = time.duration_since(clock::now());
        if !left.is_positive()
            || timeout(left.unsigned_abs().min(LONGEST_SLEEP), changes.next())
                .await
                .is_ok()
        {
            return;
        }
    }
}

/// A new pair, if the one in use is to be replaced.
async fn step(
    secret: &ServingSecret,
    dynamic: &Dynamic,
    limits: &SizeLimits,
    issued: Option<&Issued>,
    now: Timestamp,
) -> Result<Option<Signed>, Failure> {
    let authority = authority(secret, limits, now).await?;
    let by = authority.info().fingerprint;
    if issued.is_some_and(|issued| issued.by == by && now < issued.renewal) {
        return Ok(None);
    }
    let dynamic = dynamic.clone();
    let (pair, leaf) = SHORT.run(move || authority::issue(&authority, &dynamic, now)).await??;
    let renewal = renewal_time(now, leaf.not_after);
    Ok(Some(Signed {
        pair,
        leaf,
        issued: Issued { by, renewal },
    }))
}

/// The CA in the Secret, which is created or renewed before if need be.
async fn authority(
    secret: &ServingSecret,
    limits: &SizeLimits,
    now: Timestamp,
) -> Result<CertificateAuthority, Failure> {
    for _ in 0..ATTEMPTS {
        let Some(live) = secret.read().await? else {
            tracing::info!(secret = %secret.key(), "creating the CA for the metrics server");
            written(secret.create(&authority::create(now)?).await)?;
            continue;
        };
        let (limits, meta) = (*limits, live.seen.meta.clone());
        let (seen, found) = SHORT.run(move || authority::observe(&live, now, &limits)).await?;
        match (authority_step(now, Some(&seen)), found) {
            (AuthorityStep::Use, Some(found)) => return Ok(found),
            (AuthorityStep::Renew, Some(found)) => {
                tracing::info!(secret = %secret.key(), "renewing the CA for the metrics server");
                if let Err(error) = written(secret.replace(&meta, &authority::renew(&found, now)?).await) {
                    tracing::warn!(expires = %found.info().not_after, "the CA for the metrics server is not renewed: {error}");
                    return Ok(found);
                }
            }
            (AuthorityStep::Refuse(why), _) => {
                let secret = secret.key().to_string();
                return Err(Failure::Foreign { secret, why });
            }
            (AuthorityStep::Replace(why), _) => {
                tracing::warn!(secret = %secret.key(), "replacing the CA for the metrics server: {why}");
                written(secret.replace(&meta, &authority::create(now)?).await)?;
            }
            // the Secret exists, and what is used or renewed was found
            (AuthorityStep::Create | AuthorityStep::Use | AuthorityStep::Renew, _) => {}
        }
    }
    Err(Failure::Contested(secret.key().to_string()))
}

/// The result of a write. Another replica that was faster is not an error: what it wrote is read next.
fn written(result: Result<(), cluster::Error>) -> Result<(), cluster::Error> {
    match result {
        Err(error) if error.is_conflict() || error.is_already_exists() => Ok(()),
        result => result,
    }
}
