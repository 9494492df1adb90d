//! Tokens of ServiceAccounts that a cloud takes for an identity of its own (DNS-05, ISS-10).

use jiff::{SignedDuration, Timestamp};

use crate::{
    cloud::{
        Cloud,
        fault::{Fault, FaultKind},
    },
    cluster::reader::Reader,
    pki::hidden::Hidden,
    plan::seen::ObjectKey,
};

/// The audience of tokens for AWS.
pub(super) const AWS: &str = "sts.amazonaws.com";
/// How long a token is valid, in seconds: the shortest time that the API server grants.
const SECONDS: i64 = 600;
/// How long a token is used.
const USED: SignedDuration = SignedDuration::from_mins(5);

/// A token of a ServiceAccount. It is remembered for half of its life.
///
/// # Errors
/// If the API server makes none: what is missing, and who can add it.
pub(super) async fn token(
    reader: &Reader,
    cloud: &Cloud,
    account: &ObjectKey,
    audiences: &[String],
) -> Result<Hidden<String>, Fault> {
    let (credential, name) = (format!("serviceaccount {account}"), format!("token {audiences:?}"));
    let _turn = cloud.memo.turn(&credential, &name).await;
    if let Some(token) = cloud.memo.get(&credential, &name) {
        return Ok(token);
    }
    let token = reader.token(account, audiences.to_vec(), SECONDS).await;
    let token = token.map_err(|refused| match refused.token_advice(account) {
        (true, sentence) => Fault::new(FaultKind::Credential, sentence),
        (false, sentence) => Fault::new(FaultKind::Unreachable, sentence),
    })?;
    let until = (cloud.now)().saturating_add(USED).unwrap_or(Timestamp::MAX);
    cloud.memo.set(&credential, &name, token.clone(), until);
    Ok(token)
}
