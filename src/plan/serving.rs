//! Decisions about the TLS of the metrics server (FLG-27): its CA, which the replicas share in a Secret, and the certificate that a
//! replica signs for itself.

use jiff::{SignedDuration, Timestamp};

use crate::pki::sign::Validity;

/// Lifetime of the CA.
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How far a clock of a client may be behind ours: a certificate is valid that much earlier, but not by more than its own lifetime.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What the Secret of the CA contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthoritySeen {
    /// Whether certlet, or cert-manager, created it for this purpose.
    pub is_ours: bool,
    /// Whether it has no data.
    pub is_empty: bool,
    /// The CA that can sign now, or why there is none.
    pub authority: Result<AuthorityFacts, String>,
}

/// A CA that can sign now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityFacts {
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
    /// Whether it is a root.
    pub is_self_signed: bool,
}

/// The decision about the CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorityStep {
    /// There is no Secret: create it with a new CA.
    Create,
    /// Sign with it.
    Use,
    /// Replace its certificate by a new one with the same key and name, so that clients with the old one trust new certificates.
    Renew,
    /// Replace key and certificate. The reason is a sentence without its full stop.
    Replace(String),
    /// The Secret has another purpose, and no CA. The reason is a sentence without its full stop.
    Refuse(String),
}

/// Decides about the CA. A Secret that neither certlet nor cert-manager created is used if it has a CA, and never changed.
pub fn authority_step(now: Timestamp, seen: Option<&AuthoritySeen>) -> AuthorityStep {
    let Some(seen) = seen else {
        return AuthorityStep::Create;
    };
    match &seen.authority {
        Ok(facts) => {
            let is_due = now >= renewal_time(facts.not_before, facts.not_after);
            if seen.is_ours && facts.is_self_signed && is_due {
                AuthorityStep::Renew
            } else {
                AuthorityStep::Use
            }
        }
        Err(_) if seen.is_empty => AuthorityStep::Replace("it is empty".to_owned()),
        Err(why) if seen.is_ours => AuthorityStep::Replace(why.clone()),
        Err(why) => AuthorityStep::Refuse(why.clone()),
    }
}

/// The validity of a new CA.
pub fn authority_validity(now: Timestamp) -> Validity {
    validity(now, AUTHORITY_LIFETIME, Timestamp::MAX)
}

/// The validity of a certificate for a server, which does not outlive its CA.
pub fn leaf_validity(now: Timestamp, lifetime: SignedDuration, authority_end: Timestamp) -> Validity {
    validity(now, lifetime, authority_end)
}

fn validity(now: Timestamp, lifetime: SignedDuration, end: Timestamp) -> Validity {
    // whole seconds; the clock is in the range of a Timestamp by far
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let not_after = now.saturating_add(lifetime).unwrap_or(Timestamp::MAX).min(end);
    Validity {
        not_before: now.saturating_sub(CLOCK_TOLERANCE.min(lifetime)).unwrap_or(now),
        not_after: Timestamp::from_second(not_after.as_second()).unwrap_or(not_after),
    }
}

/// When a certificate is renewed: after two thirds of its time.
pub fn renewal_time(from: Timestamp, not_after: Timestamp) -> Timestamp {
    let third = not_after.duration_since(from).checked_div(3).unwrap_or_default();
    not_after.saturating_sub(third).unwrap_or(not_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-30T12:00:00.7Z".parse().unwrap()
    }

    fn seen(days_ago: i64) -> AuthoritySeen {
        let created = now() - SignedDuration::from_hours(days_ago * 24);
        let Validity { not_before, not_after } = authority_validity(created);
        AuthoritySeen {
            is_ours: true,
            is_empty: false,
            authority: Ok(AuthorityFacts {
                not_before,
                not_after,
                is_self_signed: true,
            }),
        }
    }

    #[test]
    fn a_ca_of_ours_is_renewed_after_two_thirds_of_its_time_and_one_of_others_never() {
        assert_eq!(authority_step(now(), None), AuthorityStep::Create);
        assert_eq!(authority_step(now(), Some(&seen(0))), AuthorityStep::Use);
        assert_eq!(authority_step(now(), Some(&seen(243))), AuthorityStep::Use);
        assert_eq!(authority_step(now(), Some(&seen(244))), AuthorityStep::Renew);
        let foreign = AuthoritySeen {
            is_ours: false,
            ..seen(300)
        };
        assert_eq!(authority_step(now(), Some(&foreign)), AuthorityStep::Use);
    }

    #[test]
    fn contents_without_a_ca_are_replaced_only_in_a_secret_of_ours_or_an_empty_one() {
        let broken = AuthoritySeen {
            authority: Err("certificate is not a CA".to_owned()),
            ..seen(0)
        };
        let why = "certificate is not a CA".to_owned();
        assert_eq!(
            authority_step(now(), Some(&broken)),
            AuthorityStep::Replace(why.clone())
        );
        let foreign = AuthoritySeen {
            is_ours: false,
            ..broken
        };
        assert_eq!(authority_step(now(), Some(&foreign)), AuthorityStep::Refuse(why));
        let empty = AuthoritySeen {
            is_empty: true,
            ..foreign
        };
        assert!(matches!(authority_step(now(), Some(&empty)), AuthorityStep::Replace(_)));
    }

    #[test]
    fn a_leaf_has_whole_seconds_ends_with_its_ca_and_is_renewed_before() {
        let week = SignedDuration::from_hours(168);
        let Validity { not_before, not_after } = leaf_validity(now(), week, Timestamp::MAX);
        assert_eq!(not_before.to_string(), "2026-11-30T11:55:00Z");
        assert_eq!(not_after.to_string(), "2026-12-07T12:00:00Z");
        assert_eq!(
            renewal_time(now(), not_after).to_string(),
            "2026-12-05T04:00:00.233333334Z"
        );
        let end = now() + SignedDuration::from_hours(1);
        assert!(leaf_validity(now(), week, end).not_after <= end);
        let short = leaf_validity(now(), SignedDuration::from_secs(10), Timestamp::MAX);
        assert_eq!(short.not_after.duration_since(short.not_before).as_secs(), 20);
    }
}
