//! When a certificate is renewed (CRT-07 to CRT-10, NB-10, ARI rows).

pub mod cron;
mod window;

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use window::{Found, MAX_WINDOWS, WindowError, find_window};

use crate::api::{
    certificate::{CertificateSpec, RenewalPolicy},
    certificate_status::SuggestedWindow,
    condition::whole_second,
};

/// How long a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
}

impl Validity {
    /// The actual lifetime, never negative.
    pub fn lifetime(self) -> SignedDuration {
        self.not_before.duration_until(self.not_after).max(SignedDuration::ZERO)
    }

    fn contains(self, time: Timestamp) -> bool {
        self.not_before < time && time < self.not_after
    }
}

/// Below this lifetime a certificate of ours is renewed at half of it: two thirds would leave too few attempts.
const SHORT_LIFETIME: SignedDuration = SignedDuration::from_hours(240);

/// A renewal that was found in status stays until the next issuance where the certificate is somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// We issued it.
    Ours,
    /// Somebody else did, and this is the renewal time they left (if it is about this very certificate and spec).
    Foreign(Option<Timestamp>),
}

/// When to renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When the renewal begins: what `status.renewalTime` shows.
    pub at: Timestamp,
    /// The time was suggested by the CA.
    pub suggested: bool,
}

/// A window that the CA suggests (RFC 9773 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suggestion<'a> {
    /// The window.
    pub window: &'a SuggestedWindow,
    /// It counts although it begins before the certificate does: the CA moved it there, which means renew now.
    pub accepted: bool,
}

/// Whether a window could be meant for a certificate of this validity. A CA that answers with a window from before the certificate
/// would otherwise have it renewed at every poll.
pub fn is_plausible(window: &SuggestedWindow, validity: Validity) -> bool {
    let (start, end) = (window.start.0, window.end.0);
    start < end && validity.not_before < start && start < validity.not_after
}

/// When to renew a certificate of this validity, `None` for never.
///
/// `uid` spreads certificates of ours that were issued together: each is renewed earlier by its own part of at most 1 % of its lifetime.
/// Not where the spec says when: by `renewBefore`, `renewBeforePercentage` or windows.
///
/// # Errors
/// When renewal windows are asked for and none begins before the certificate expires.
pub fn schedule(
    spec: &CertificateSpec,
    validity: Validity,
    provenance: Provenance,
    suggestion: Option<Suggestion<'_>>,
    uid: &str,
) -> Result<Option<Schedule>, WindowError> {
    if spec
        .renewal
        .as_ref()
        .is_some_and(|renewal| renewal.policy == Some(RenewalPolicy::Disabled))
    {
        return Ok(None);
    }
    if let Some(at) = suggestion.and_then(|suggestion| suggested(suggestion, validity, uid)) {
        let at = windowed(spec, validity, at)?.map_or(at, |window| window.at);
        return Ok(Some(Schedule { at, suggested: true }));
    }
    let desired = desired(spec, validity, provenance == Provenance::Ours);
    let at = match (windowed(spec, validity, desired)?, provenance) {
        (Some(window), _) => window.at,
        (None, Provenance::Ours) if is_left_to_us(spec) => spread(desired, validity, uid),
        (None, Provenance::Ours | Provenance::Foreign(_)) => desired,
    };
    let at = match provenance {
        Provenance::Foreign(Some(found)) if validity.contains(found) => found,
        Provenance::Foreign(_) | Provenance::Ours => at,
    };
    Ok(Some(Schedule { at, suggested: false }))
}

/// The time without windows: `renewBefore`, else `renewBeforePercentage`, else a third of the lifetime, counted from the end and
/// cut to whole seconds (NB-10).
pub fn desired(spec: &CertificateSpec, validity: Validity, ours: bool) -> Timestamp {
    let lifetime = validity.lifetime();
    let named = spec
        .renew_before
        .map(SignedDuration::from)
        .filter(|before| before.is_positive() && *before < lifetime);
    let percentage = spec
        .renew_before_percentage
        .filter(|percentage| (1..100).contains(percentage));
    let before = match (named, percentage) {
        (Some(before), _) => before,
        (None, Some(percentage)) => share(lifetime, percentage, 100),
        (None, None) if ours && lifetime < SHORT_LIFETIME => share(lifetime, 1, 2),
        (None, None) => share(lifetime, 1, 3),
    };
    whole_second(validity.not_after.checked_sub(before).unwrap_or(validity.not_before)).0
}

/// The instant inside a suggested window that is this certificate's own: drawn by the hash of uid and window, so it is the same
/// whenever it is asked for. `None` for a window that makes no sense for this certificate: the certificate's own expiry outranks it.
pub fn suggested(suggestion: Suggestion<'_>, validity: Validity, uid: &str) -> Option<Timestamp> {
    let Suggestion { window, accepted } = suggestion;
    if !accepted && !is_plausible(window, validity) {
        return None;
    }
    let (start, end) = (window.start.0, window.end.0);
    if start >= validity.not_after {
        return None;
    }
    let end = end
        .min(
            validity
                .not_after
                .checked_sub(share(validity.lifetime(), 1, 100))
                .unwrap_or(end),
        )
        .max(start);
    let length = start.duration_until(end);
    let draw = hash(&[
        uid.as_bytes(),
        &start.as_second().to_be_bytes(),
        &end.as_second().to_be_bytes(),
    ]);
    Some(whole_second(start.checked_add(fraction(length, draw)).unwrap_or(start)).0)
}

fn windowed(spec: &CertificateSpec, validity: Validity, desired: Timestamp) -> Result<Option<Found>, WindowError> {
    match spec.renewal.as_ref().map(|renewal| renewal.windows.as_slice()) {
        None | Some([]) => Ok(None),
        Some(windows) => find_window(windows, validity, desired).map(Some),
    }
}

fn is_left_to_us(spec: &CertificateSpec) -> bool {
    spec.renew_before.is_none() && spec.renew_before_percentage.is_none()
}

/// Earlier by a part of 1 % of the lifetime that is this certificate's own.
fn spread(desired: Timestamp, validity: Validity, uid: &str) -> Timestamp {
    let draw = hash(&[uid.as_bytes(), &validity.not_after.as_second().to_be_bytes()]);
    let earlier = fraction(share(validity.lifetime(), 1, 100), draw);
    let at = desired.checked_sub(earlier).unwrap_or(desired);
    whole_second(at).0.max(validity.not_before)
}

/// `part / whole` of a duration, to the nanosecond and without overflow.
pub(crate) fn share(duration: SignedDuration, part: i32, whole: i32) -> SignedDuration {
    SignedDuration::from_nanos_i128(duration.as_nanos() * i128::from(part) / i128::from(whole.max(1)))
}

/// `draw / 2^64` of a duration, in milliseconds.
fn fraction(duration: SignedDuration, draw: u64) -> SignedDuration {
    let scaled = (duration.as_millis().max(0) * i128::from(draw)) >> 64;
    SignedDuration::from_millis(i64::try_from(scaled).unwrap_or_default())
}

/// FNV-1a with a final mix: spreads uids evenly and never changes with a library.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let fnv = parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}
