//! Five-field cron expressions like robfig/cron's standard parser (CRT-10): minute, hour, day of month, month, day of week, or
//! one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, `@every 1h30m`.
//!
//! None of the Rust crates that were tried agrees with that parser about `?`, about descriptors, and about which days match if
//! both day fields are set (`*/2` is not a star there).

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};

use crate::api::GoDuration;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recurrence {
    /// Calendar times.
    Calendar(Cron),
    /// `@every`: an interval in whole seconds, at least one, from the time of the question.
    Every(SignedDuration),
}

impl Recurrence {
    /// Parses an expression.
    ///
    /// # Errors
    /// Like [`Cron::parse`].
    pub fn parse(text: &str) -> Result<Self, InvalidCron> {
        let Some(every) = text.trim().strip_prefix("@every ") else {
            return Cron::parse(text).map(Self::Calendar);
        };
        let wrong = |why: &dyn std::fmt::Display| InvalidCron(format!("{text:?}: {why}; example: @every 12h"));
        let every: GoDuration = every.parse().map_err(|error| wrong(&error))?;
        let seconds = SignedDuration::from(every).as_secs();
        Ok(Self::Every(SignedDuration::from_secs(seconds.max(1))))
    }
}

/// A parsed five-field expression. The time zone is an argument of each question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether either day field is a star: both must match. Otherwise one match is sufficient.
    both_days: bool,
}

/// Why an expression is invalid, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCron(String);

/// Search limit, so that the search for a 29 February ends.
const HORIZON_DAYS: i64 = 5 * 366;

impl Cron {
    /// Parses an expression.
    ///
    /// # Errors
    /// A sentence that names the field and its allowed values.
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
                "{text:?} contains a time zone; use the timezone field of the window instead"
            )));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(InvalidCron(format!(
                "{text:?} has {} fields; it must have five: minute, hour, day of month, month, day of week",
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

    /// The first occurrence at or after `from`.
    pub fn at_or_after(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.first(from, zone, &mut 0)
    }

    /// The last occurrence at or before `until`.
    pub fn at_or_before(&self, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.last(until, zone, &mut 0)
    }

    /// `steps` counts the examined dates and times.
    fn first(&self, from: Timestamp, zone: &TimeZone, steps: &mut u32) -> Option<Timestamp> {
        // an occurrence is on a whole minute: the search starts at the end of the previous minute, so it includes `from`
        let local = from.checked_sub(1.nanosecond()).ok()?.to_zoned(zone.clone()).datetime();
        let first = local.date();
        let (mut date, horizon) = (first, self.horizon(first, HORIZON_DAYS)?);
        while date <= horizon {
            *steps += 1;
            if self.on(date) {
                let not_before = if date == first { floor(local.time()) } else { Time::MIN };
                let hit = self
                    .times()
                    .filter(|time| *time >= not_before)
                    .inspect(|_| *steps += 1)
                    .filter_map(|time| instant(date, time, zone))
                    .find(|time| *time >= from);
                if hit.is_some() {
                    return hit;
                }
            }
            date = if has(self.months, date.month()) {
                date.tomorrow().ok()?
            } else {
                date.last_of_month().tomorrow().ok()?
            };
        }
        None
    }

    fn last(&self, until: Timestamp, zone: &TimeZone, steps: &mut u32) -> Option<Timestamp> {
        let local = until.to_zoned(zone.clone()).datetime();
        let first = local.date();
        // the clock may have been set back since, by at most this
        let not_after = local.checked_add(3.hours()).unwrap_or(DateTime::MAX);
        let (mut date, horizon) = (first, self.horizon(first, -HORIZON_DAYS)?);
        while date >= horizon {
            *steps += 1;
            if self.on(date) {
                // in the order of local time; of two instants with the same local time only the earlier one counts
                let hit = self
                    .times()
                    .rev()
                    .filter(|time| DateTime::from_parts(date, *time) <= not_after)
                    .inspect(|_| *steps += 1)
                    .filter_map(|time| instant(date, time, zone))
                    .find(|time| *time <= until);
                if hit.is_some() {
                    return hit;
                }
            }
            date = if has(self.months, date.month()) {
                date.yesterday().ok()?
            } else {
                date.first_of_month().yesterday().ok()?
            };
        }
        None
    }

    /// The limit of the search from `date`; `None` if no date of any year matches.
    fn horizon(&self, date: Date, days: i64) -> Option<Date> {
        self.is_possible().then(|| date.checked_add(days.days()).ok()).flatten()
    }

    /// Whether such a date exists at all. There is no 30 February. If a day of the week is sufficient, there always is one.
    fn is_possible(&self) -> bool {
        const LONGEST: [(i8, i8); 12] = [
            (1, 31),
            (2, 29),
            (3, 31),
            (4, 30),
            (5, 31),
            (6, 30),
            (7, 31),
            (8, 31),
            (9, 30),
            (10, 31),
            (11, 30),
            (12, 31),
        ];
        let has_day = |last: i8| (1..=last).any(|day| has(self.days, day));
        !self.both_days
            || LONGEST
                .iter()
                .any(|(month, last)| has(self.months, *month) && has_day(*last))
    }

    fn on(&self, date: Date) -> bool {
        let month = has(self.months, date.month());
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        month && if self.both_days { day && weekday } else { day || weekday }
    }

    fn times(&self) -> impl DoubleEndedIterator<Item = Time> {
        let (hours, minutes) = (self.hours, self.minutes);
        (0..24_i8).filter(move |hour| has(hours, *hour)).flat_map(move |hour| {
            (0..60_i8)
                .filter(move |minute| has(minutes, *minute))
                .filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
        })
    }
}

/// The instant of a local time. A skipped local time never occurs; a repeated one counts once.
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
    /// The values as bits, and whether they include a plain star.
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
            // `5/15` continues to the end of the field; a single value does not
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
            "{item:?} is not a valid {name}: use values from {least} to {most}, as in *, {least}-{most}/2 or {least},{most}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps that a hundred of these windows cost, in both directions.
    fn cost(expression: &str) -> u32 {
        let cron = Cron::parse(expression).unwrap();
        let zone = super::super::window::bundled("Europe/Berlin").unwrap();
        let mut steps = 0;
        for at in [
            "2026-01-01T00:00:00Z",
            "2097-03-01T23:59:59Z",
            "2026-10-25T00:59:00Z",
            "2026-10-25T01:30:00Z",
        ] {
            let (at, mut these) = (at.parse().unwrap(), 0);
            let before = cron.last(at, &zone, &mut these);
            let after = cron.first(at, &zone, &mut these);
            assert!(before.is_none_or(|before| before <= at) && after.is_none_or(|after| after >= at));
            steps = steps.max(these);
        }
        steps
    }

    #[test]
    fn looking_for_a_window_costs_a_bounded_number_of_steps() {
        assert_eq!(cost("0 0 30 2 *"), 0, "there is no such date");
        assert_eq!(cost("0 0 31 4,6,9,11 *"), 0);
        assert!(cost("0 0 31 2,3 *") > 0);
        for expression in [
            "0 0 29 2 *",
            "* * * * *",
            "59 23 31 12 *",
            "30 2 29 3 *",
            "0 0 30 2 1",
            "*/7 3 */5 2 *",
        ] {
            assert!(cost(expression) < 700, "{expression}: {}", cost(expression));
        }
    }
}
