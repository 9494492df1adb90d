//! Decision about the renewal time of a certificate (CRT-07 to CRT-10, NB-10, ARI rows).

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

/// The validity of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
}

impl Validity {
    /// The lifetime, never negative.
    pub fn lifetime(self) -> SignedDuration {
        self.not_before.duration_until(self.not_after).max(SignedDuration::ZERO)
    }

    fn contains(self, time: Timestamp) -> bool {
        self.not_before < time && time < self.not_after
    }
}

/// Below this lifetime, our certificates are renewed at half of it: two thirds would leave too few attempts.
const SHORT_LIFETIME: SignedDuration = SignedDuration::from_hours(240);

/// The origin of a certificate. A renewal time in the status of a certificate from another program stays until the next issuance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// certlet issued it.
    Ours,
    /// Another program issued it, with this renewal time in the status, if it belongs to this certificate and spec.
    Foreign(Option<Timestamp>),
}

/// The renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When it begins, as in `status.renewalTime`.
    pub at: Timestamp,
    /// Whether the CA suggested the time.
    pub suggested: bool,
}

/// A window that the CA suggests (RFC 9773 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suggestion<'a> {
    /// The window.
    pub window: &'a SuggestedWindow,
    /// Whether it counts although it is before the certificate: the CA moved it there to request a renewal now.
    pub accepted: bool,
}

/// Whether a window is plausible for this validity. A CA that returns a window from before the certificate would otherwise cause
/// a renewal with every poll.
pub fn is_plausible(window: &SuggestedWindow, validity: Validity) -> bool {
    let (start, end) = (window.start.0, window.end.0);
    start < end && validity.not_before < start && start < validity.not_after
}

/// When to renew a certificate; `None` for never.
///
/// `uid` spreads certificates that were issued together: each is renewed up to 1 % of its lifetime earlier. This does not apply
/// if the spec sets `renewBefore`, `renewBeforePercentage` or windows.
///
/// # Errors
/// If the spec has renewal windows and none begins before the certificate expires.
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

/// The time without windows: `renewBefore`, else `renewBeforePercentage`, else a third of the lifetime, before the expiry,
/// truncated to whole seconds (NB-10).
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

/// The time of this certificate within a suggested window, derived from the hash of uid and window, so it is stable. `None` for a
/// window that is not plausible, because the expiry takes precedence.
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

/// Earlier by this certificate's part of 1 % of the lifetime.
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

/// FNV-1a with a final mix, which spreads uids evenly and is stable across library versions.
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
