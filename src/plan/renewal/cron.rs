//! Five-field cron expressions, as robfig/cron's standard parser reads them (CRT-10): minute, hour, day of month, month,
//! day of week, or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, `@every 1h30m`.
//!
//! Of the Rust crates that were looked at none agrees with that parser about `?`, about descriptors, and about which days
//! match when both day fields are given (`*/2` is no star there), so the few lines are here.

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};

use crate::api::GoDuration;

/// A parsed expression of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recurrence {
    /// At times of the calendar.
    Calendar(Cron),
    /// `@every`: after this time, in whole seconds and one at least, from whenever it is asked.
    Every(SignedDuration),
}

impl Recurrence {
    /// Reads an expression.
    ///
    /// # Errors
    /// As [`Cron::parse`].
    pub fn parse(text: &str) -> Result<Self, InvalidCron> {
        let Some(every) = text.trim().strip_prefix("@every ") else {
            return Cron::parse(text).map(Self::Calendar);
        };
        let wrong = |why: &dyn std::fmt::Display| InvalidCron(format!("{text:?}: {why}; write for example @every 12h"));
        let every: GoDuration = every.parse().map_err(|error| wrong(&error))?;
        let seconds = SignedDuration::from(every).as_secs();
        Ok(Self::Every(SignedDuration::from_secs(seconds.max(1))))
    }
}

/// A parsed expression with fields: when something recurs, in the local time of a zone that is given with each question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Either day field is a star: both must match. Otherwise one of them is enough.
    both_days: bool,
}

/// Why an expression cannot be used, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCron(String);

/// The furthest that is looked, so that `0 0 30 2 *` comes to an end.
const HORIZON_DAYS: i64 = 5 * 366;

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// A sentence that names the field and what it may hold.
    pub fn parse(text: &str) -> Result<Self, InvalidCron> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        if text.starts_with("CRON_TZ=") || text.starts_with("TZ=") {
            return Err(InvalidCron(format!(
                "{text:?} names a time zone; write it into the window's timezone instead"
            )));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(InvalidCron(format!(
                "{text:?} has {} fields; write five: minute, hour, day of month, month, day of week",
                fields.len()
            )));
        };
        let (minutes, _) = MINUTE.read(minute)?;
        let (hours, _) = HOUR.read(hour)?;
        let (days, any_day) = DAY.read(day)?;
        let (months, _) = MONTH.read(month)?;
        let (weekdays, any_weekday) = WEEKDAY.read(weekday)?;
        Ok(Self {
            minutes,
            hours,
            days,
            months,
            weekdays,
            both_days: any_day || any_weekday,
        })
    }

    /// The first recurrence at or after `from`.
    pub fn at_or_after(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // A recurrence is on a whole minute: looking from the end of the minute before includes `from` itself.
        let local = from.checked_sub(1.nanosecond()).ok()?.to_zoned(zone.clone()).datetime();
        let first = local.date();
        let mut date = first;
        for _ in 0..HORIZON_DAYS {
            if self.on(date) {
                let from_time = if date == first { Some(local.time()) } else { None };
                let found = self
                    .times()
                    .filter(|time| from_time.is_none_or(|from| *time >= floor(from)));
                let hit = found
                    .filter_map(|time| instant(date, time, zone))
                    .find(|time| *time >= from);
                if hit.is_some() {
                    return hit;
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The last recurrence at or before `until`.
    pub fn at_or_before(&self, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = until.to_zoned(zone.clone()).date();
        for _ in 0..HORIZON_DAYS {
            if self.on(date) {
                let last = self
                    .times()
                    .filter_map(|time| instant(date, time, zone))
                    .filter(|time| *time <= until)
                    .max();
                if last.is_some() {
                    return last;
                }
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    fn on(&self, date: Date) -> bool {
        let month = has(self.months, date.month());
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        month && if self.both_days { day && weekday } else { day || weekday }
    }

    fn times(&self) -> impl Iterator<Item = Time> {
        let (hours, minutes) = (self.hours, self.minutes);
        (0..24_i8).filter(move |hour| has(hours, *hour)).flat_map(move |hour| {
            (0..60_i8)
                .filter(move |minute| has(minutes, *minute))
                .filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
        })
    }
}

/// The instant of a local time; a time that the clock skips does not happen, one that happens twice counts once.
fn instant(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    let at = zone.to_ambiguous_timestamp(DateTime::from_parts(date, time));
    if matches!(at.offset(), AmbiguousOffset::Gap { .. }) {
        None
    } else {
        at.earlier().ok()
    }
}

fn floor(time: Time) -> Time {
    Time::new(time.hour(), time.minute(), 0, 0).unwrap_or(time)
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits & (1 << value) != 0)
}

struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MINUTE: Field = Field {
    name: "minute",
    least: 0,
    most: 59,
    names: &[],
};
const HOUR: Field = Field {
    name: "hour",
    least: 0,
    most: 23,
    names: &[],
};
const DAY: Field = Field {
    name: "day of month",
    least: 1,
    most: 31,
    names: &[],
};
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAY: Field = Field {
    name: "day of week",
    least: 0,
    most: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Field {
    /// The values as bits, and whether a plain star is among them.
    fn read(&self, text: &str) -> Result<(u64, bool), InvalidCron> {
        let mut all = (0, false);
        for item in text.split(',') {
            let (bits, star) = self.item(item)?;
            all = (all.0 | bits, all.1 || star);
        }
        Ok(all)
    }

    fn item(&self, item: &str) -> Result<(u64, bool), InvalidCron> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let star = matches!(range, "*" | "?");
        let (least, most) = match range.split_once('-') {
            _ if star => (self.least, self.most),
            Some((least, most)) => (self.value(least, item)?, self.value(most, item)?),
            // `5/15` counts on to the end of the field, a single value does not.
            None if step.is_some() => (self.value(range, item)?, self.most),
            None => (self.value(range, item)?, self.value(range, item)?),
        };
        let step = match step {
            None => 1,
            Some(step) => step
                .parse::<usize>()
                .ok()
                .filter(|step| *step > 0)
                .ok_or_else(|| self.wrong(item))?,
        };
        if least > most {
            return Err(self.wrong(item));
        }
        let bits = (least..=most).step_by(step).fold(0, |bits, value| bits | 1 << value);
        Ok((bits, star && step == 1))
    }

    fn value(&self, text: &str, item: &str) -> Result<u32, InvalidCron> {
        let lower = text.to_ascii_lowercase();
        let named = self
            .names
            .iter()
            .position(|name| *name == lower)
            .and_then(|at| u32::try_from(at).ok());
        let value = named.map(|at| at + self.least).or_else(|| text.parse().ok());
        value
            .filter(|value| (self.least..=self.most).contains(value))
            .ok_or_else(|| self.wrong(item))
    }

    fn wrong(&self, item: &str) -> InvalidCron {
        let Self { name, least, most, .. } = self;
        InvalidCron(format!(
            "{item:?} is no {name}: write values from {least} to {most}, as in *, {least}-{most}/2 or {least},{most}"
        ))
    }
}
