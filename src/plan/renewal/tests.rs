use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{cron::Cron, *};
use crate::api::{
    GoDuration, Time,
    certificate::{Renewal, RenewalWindow},
};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn days(days: i64) -> Validity {
    let not_before = time("2026-11-21T06:03:15Z");
    Validity {
        not_before,
        not_after: not_before + SignedDuration::from_hours(24 * days),
    }
}

fn window(cron: &str, timezone: Option<&str>, duration: GoDuration) -> RenewalWindow {
    RenewalWindow {
        cron: cron.into(),
        timezone: timezone.map(Into::into),
        window_duration: duration,
    }
}

#[test]
fn crt_07_the_default_is_two_thirds_of_the_actual_lifetime_cut_to_seconds() {
    let spec = CertificateSpec {
        duration: Some(GoDuration::from_hours(1)),
        ..CertificateSpec::default()
    };
    assert_eq!(desired(&spec, days(90), true), time("2027-01-20T06:03:15Z"));
}

#[test]
fn crt_07_a_renew_before_of_the_whole_lifetime_or_more_is_ignored() {
    for hours in [24 * 90, 24 * 91] {
        let spec = CertificateSpec {
            renew_before: Some(GoDuration::from_hours(hours)),
            ..CertificateSpec::default()
        };
        assert_eq!(desired(&spec, days(90), true), time("2027-01-20T06:03:15Z"));
    }
    let spec = CertificateSpec {
        renew_before: Some(GoDuration::from_hours(24)),
        ..CertificateSpec::default()
    };
    assert_eq!(desired(&spec, days(90), true), time("2027-02-18T06:03:15Z"));
}

#[test]
fn crt_08_the_percentage_counts_from_the_expiry() {
    let spec = CertificateSpec {
        renew_before_percentage: Some(20),
        ..CertificateSpec::default()
    };
    assert_eq!(desired(&spec, days(100), true), days(80).not_after);
}

#[test]
fn crt_09_disabled_never_renews_because_of_time() {
    let renewal = Renewal {
        policy: Some(RenewalPolicy::Disabled),
        windows: vec![],
    };
    let spec = CertificateSpec {
        renewal: Some(renewal),
        ..CertificateSpec::default()
    };
    assert_eq!(schedule(&spec, days(90), Provenance::Ours, None, "u"), Ok(None));
}

#[test]
fn a_certificate_of_ours_that_lives_less_than_ten_days_is_renewed_at_half_life_and_a_foreign_one_at_two_thirds() {
    let spec = CertificateSpec::default();
    assert_eq!(desired(&spec, days(6), true), days(3).not_after);
    assert_eq!(desired(&spec, days(6), false), days(4).not_after);
}

#[test]
fn a_renewal_time_found_on_a_foreign_certificate_is_kept() {
    let found = time("2027-01-01T00:00:00Z");
    let at = |provenance| {
        schedule(&CertificateSpec::default(), days(90), provenance, None, "u")
            .unwrap()
            .unwrap()
            .at
    };
    assert_eq!(at(Provenance::Foreign(Some(found))), found);
    let two_thirds = time("2027-01-20T06:03:15Z");
    assert_eq!(at(Provenance::Foreign(Some(time("2028-01-01T00:00:00Z")))), two_thirds);
    assert!(at(Provenance::Ours) < two_thirds, "NB-10");
}

#[test]
fn crt_10_a_desired_time_within_a_window_stays_and_one_outside_moves_to_the_next_start() {
    let desired = time("2027-01-20T06:03:15Z");
    let in_it = window("0 6 * * *", None, GoDuration::from_hours(1));
    let found = find_window(&[in_it], days(90), desired).unwrap();
    assert_eq!((found.at, found.until), (desired, time("2027-01-20T07:00:00Z")));
    let later = window("0 2 * * 6", Some("Europe/Berlin"), GoDuration::from_hours(4));
    assert_eq!(
        find_window(&[later], days(90), desired).unwrap().at,
        time("2027-01-23T01:00:00Z")
    );
}

/// cert-manager's `renewalTimeInWindow`: the window's end is part of it.
#[test]
fn crt_10_the_last_instant_of_a_window_is_within_it() {
    let windows = [window("0 2 * * *", None, GoDuration::from_hours(1))];
    let find = |desired| find_window(&windows, days(90), time(desired)).unwrap().at;
    assert_eq!(find("2027-01-20T03:00:00Z"), time("2027-01-20T03:00:00Z"));
    assert_eq!(find("2027-01-20T03:00:01Z"), time("2027-01-21T02:00:00Z"));
}

#[test]
fn crt_10_of_several_windows_the_nearest_counts() {
    let desired = time("2027-01-20T06:03:15Z");
    let several = [
        window("0 2 * * 6", None, GoDuration::from_hours(4)),
        window("30 9 * * *", None, GoDuration::from_hours(1)),
    ];
    assert_eq!(
        find_window(&several, days(90), desired).unwrap().at,
        time("2027-01-20T09:30:00Z")
    );
}

#[test]
fn crt_10_no_window_before_the_expiry_is_an_error_with_a_sentence() {
    let error = find_window(
        &[window("0 0 1 7 *", None, GoDuration::from_hours(1))],
        days(90),
        time("2027-01-20T06:03:15Z"),
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("no renewal window begins between 2027-01-20T06:03:15Z")
    );
    let zone = find_window(
        &[window("0 0 * * *", Some("Mars/Base"), GoDuration::from_hours(1))],
        days(90),
        days(1).not_after,
    );
    assert!(
        zone.unwrap_err()
            .to_string()
            .contains("spec.renewal.windows[0].timezone")
    );
}

/// The expected times are those of cert-manager's search with robfig/cron.
#[test]
fn a_window_that_recurs_every_so_often_is_always_running_unless_the_certificate_is_too_young_for_one() {
    let find = |cron: &str, desired| {
        let windows = [window(cron, None, GoDuration::from_hours(1))];
        find_window(&windows, days(90), desired).map(|found| found.at).ok()
    };
    let (late, early) = (time("2027-01-20T06:03:15Z"), time("2026-11-22T06:03:15Z"));
    for cron in [
        "@every 12h",
        " @every 1h30m ",
        "@every 10ms",
        "@every -5m",
        "@every 1441h",
    ] {
        assert_eq!(find(cron, late), Some(late), "{cron}");
    }
    for cron in ["@every 1442h", "@every 2000h"] {
        assert_eq!(find(cron, late), None, "{cron}");
    }
    assert_eq!(find("@every 25h", early), Some(early));
    assert_eq!(find("@every 26h", early), Some(time("2026-11-23T08:03:14Z")));
    assert_eq!(find("@every 48h", early), Some(time("2026-11-24T06:03:14Z")));
}

#[test]
fn what_cert_manager_does_not_read_either_is_refused_with_a_sentence() {
    for (cron, part) in [
        ("@every 12", "@every 12h"),
        ("@every  12h", "@every 12h"),
        ("@every", "1 fields"),
        ("CRON_TZ=Europe/Berlin 0 2 * * *", "timezone"),
        ("TZ=UTC 0 2 * * *", "timezone"),
    ] {
        let message = window(cron, None, GoDuration::from_hours(1))
            .read(0)
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("spec.renewal.windows[0].cron: ") && message.contains(part),
            "{message}"
        );
    }
}

#[test]
fn a_cron_expression_says_which_field_is_wrong() {
    for (text, part) in [
        ("0 0 * *", "4 fields"),
        ("60 0 * * *", "minute"),
        ("0 0 0 * *", "day of month"),
        ("0 0 * * 7", "day of week"),
        ("0 0 * foo *", "month"),
        ("5-1 0 * * *", "minute"),
        ("*/0 0 * * *", "minute"),
    ] {
        let message = Cron::parse(text).unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn days_of_month_and_week_both_count_unless_one_is_a_star_and_a_stepped_star_is_none() {
    let next = |text: &str| {
        Cron::parse(text)
            .unwrap()
            .at_or_after(time("2026-11-21T00:00:00Z"), &TimeZone::UTC)
            .unwrap()
    };
    // Saturday the 21st; the next Monday is the 23rd, the next first of a month is 1 December.
    assert_eq!(next("0 12 1 * mon"), time("2026-11-23T12:00:00Z"));
    assert_eq!(next("0 12 ? DEC 1"), time("2026-12-07T12:00:00Z"));
    assert_eq!(next("0 12 */2 * sun"), time("2026-11-21T12:00:00Z"));
    assert_eq!(next("0 12 *,5 * sun"), time("2026-11-22T12:00:00Z"));
    assert_eq!(next("5/20 3 * * *"), time("2026-11-21T03:05:00Z"));
    assert_eq!(next("@monthly"), time("2026-12-01T00:00:00Z"));
    assert_eq!(
        Cron::parse("0 0 30 2 *")
            .unwrap()
            .at_or_after(time("2026-11-21T00:00:00Z"), &TimeZone::UTC),
        None
    );
}

#[test]
fn a_local_time_that_the_clock_skips_does_not_happen() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let cron = Cron::parse("30 2 * * *").unwrap();
    assert_eq!(
        cron.at_or_after(time("2027-03-28T00:00:00Z"), &berlin),
        Some(time("2027-03-29T00:30:00Z"))
    );
    assert_eq!(
        cron.at_or_before(time("2027-03-28T12:00:00Z"), &berlin),
        Some(time("2027-03-27T01:30:00Z"))
    );
}

/// CRT-10: the image holds one program and no time zone database.
#[test]
fn crt_10_time_zones_are_in_the_program_where_the_system_has_none() {
    let cron = Cron::parse("0 2 * * *").unwrap();
    for (name, in_winter, in_summer) in [
        ("Europe/Berlin", "2026-01-10T01:00:00Z", "2026-07-10T00:00:00Z"),
        ("America/New_York", "2026-01-10T07:00:00Z", "2026-07-10T06:00:00Z"),
        ("Asia/Kolkata", "2026-01-10T20:30:00Z", "2026-07-10T20:30:00Z"),
    ] {
        let zone = window::bundled(name).unwrap();
        let next = |day: &str| cron.at_or_after(time(day), &zone).unwrap();
        assert_eq!(next("2026-01-10T00:00:00Z"), time(in_winter), "{name}");
        assert_eq!(next("2026-07-10T00:00:00Z"), time(in_summer), "{name}");
    }
    assert_eq!(window::bundled("Europe/Bielefeld"), None);
}

#[test]
fn ari_03_the_instant_in_a_suggested_window_is_stable_and_inside() {
    let suggestion = SuggestedWindow {
        start: Time(time("2027-01-02T00:00:00Z")),
        end: Time(time("2027-01-04T00:00:00Z")),
    };
    let spec = CertificateSpec::default();
    let at = |uid| {
        schedule(
            &spec,
            days(90),
            Provenance::Ours,
            Some(Suggestion {
                window: &suggestion,
                accepted: false,
            }),
            uid,
        )
        .unwrap()
        .unwrap()
    };
    assert_eq!(at("a"), at("a"));
    assert_ne!(at("a").at, at("b").at);
    assert!(at("a").at >= suggestion.start.0 && at("a").at < suggestion.end.0 && at("a").suggested);
}

#[test]
fn ari_03_a_window_after_the_expiry_or_before_the_certificate_is_ignored() {
    for (start, end) in [
        ("2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"),
        ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
    ] {
        let window = SuggestedWindow {
            start: Time(time(start)),
            end: Time(time(end)),
        };
        assert_eq!(
            suggested(
                Suggestion {
                    window: &window,
                    accepted: false
                },
                days(90),
                "u"
            ),
            None
        );
    }
}

#[test]
fn nb_10_ten_thousand_renewals_of_one_hour_are_spread_and_none_is_late() {
    let validity = days(90);
    let begins: Vec<Timestamp> = (0..10_000)
        .map(|n| {
            schedule(
                &CertificateSpec::default(),
                validity,
                Provenance::Ours,
                None,
                &format!("uid-{n}"),
            )
            .unwrap()
            .unwrap()
        })
        .map(|schedule| schedule.at)
        .inspect(|at| {
            let due = desired(&CertificateSpec::default(), validity, true);
            assert!(*at <= due && at.duration_until(due) <= share(validity.lifetime(), 1, 100));
        })
        .collect();
    // 1 % of 90 days are 21.6 hours: evenly spread that is 129 in ten minutes.
    let mut per_ten_minutes = std::collections::BTreeMap::new();
    for begin in begins {
        *per_ten_minutes.entry(begin.as_second() / 600).or_insert(0_u32) += 1;
    }
    let most = per_ten_minutes.values().max().copied().unwrap_or_default();
    assert!(
        most < 129 * 2 && per_ten_minutes.len() > 100,
        "{most} in one slot, {} slots",
        per_ten_minutes.len()
    );
}

proptest! {
    #[test]
    fn nb_10_a_renewal_is_within_the_lifetime_and_spread_by_at_most_one_percent_where_nobody_says_when(
        lifetime in 2_i64..400_000_000,
        before in proptest::option::of(-10_i64..400_000_000),
        percentage in proptest::option::of(-5_i32..105),
        uid in "[a-f0-9]{8}",
        ours: bool,
        minute in proptest::option::of(0_u32..60),
    ) {
        let not_before = time("2026-11-21T06:03:15Z");
        let validity = Validity { not_before, not_after: not_before + SignedDuration::from_secs(lifetime) };
        let renewal = minute.map(|minute| Renewal {
            policy: None,
            windows: vec![window(&format!("{minute} * * * *"), None, GoDuration::from_minutes(10))],
        });
        let spec = CertificateSpec {
            renew_before: before.map(GoDuration::from_seconds),
            renew_before_percentage: percentage,
            renewal,
            ..CertificateSpec::default()
        };
        let provenance = if ours { Provenance::Ours } else { Provenance::Foreign(None) };
        if let Ok(Some(schedule)) = schedule(&spec, validity, provenance, None, &uid) {
            prop_assert!(schedule.at >= not_before && schedule.at < validity.not_after);
            let due = desired(&spec, validity, ours);
            if minute.is_none() {
                let earlier = schedule.at.duration_until(due);
                let most = share(validity.lifetime(), 1, 100) + SignedDuration::from_secs(1);
                prop_assert!(schedule.at <= due && earlier <= most);
                prop_assert!(earlier.is_zero() || (ours && before.is_none() && percentage.is_none()));
            }
        } else {
            prop_assert!(minute.is_some());
        }
    }

    #[test]
    fn the_recurrence_before_a_time_and_the_one_after_have_none_between(
        minute in "(\\*|[0-9]|[1-5][0-9]|\\*/7)",
        hour in "(\\*|[0-9]|1[0-9]|9-17/3)",
        day in "(\\*|[1-9]|1-9/2)",
        weekday in "(\\*|[0-6]|mon-fri)",
        at in 1_790_000_000_i64..1_900_000_000,
    ) {
        let cron = Cron::parse(&format!("{minute} {hour} {day} * {weekday}")).unwrap();
        let at = Timestamp::from_second(at).unwrap();
        let before = cron.at_or_before(at, &TimeZone::UTC).unwrap();
        let after = cron.at_or_after(at, &TimeZone::UTC).unwrap();
        prop_assert!(before <= at && at <= after);
        let second = SignedDuration::from_secs(1);
        prop_assert_eq!(cron.at_or_after(before + second, &TimeZone::UTC), Some(if before == at { cron.at_or_after(at + second, &TimeZone::UTC).unwrap() } else { after }));
    }
}
