//! How often a target is written.

use super::*;
use crate::plan::pace::pace;

#[test]
fn another_client_that_removes_the_ca_is_met_with_a_doubling_wait_and_a_rotation_is_not() {
    let (first, second) = ([1; 32], [2; 32]);
    let mut now = noon();
    let mut last: Option<Written> = None;
    let mut waits = Vec::new();
    for _attempt in 0..15 {
        let next = match pace(now, last.as_ref(), first) {
            Pace::Write(written) => written,
            Pace::Wait { until, .. } => {
                waits.push(until.duration_since(now).as_secs());
                now = until;
                match pace(now, last.as_ref(), first) {
                    Pace::Write(written) => written,
                    Pace::Wait { .. } => panic!("it is due"),
                }
            }
        };
        last = Some(next);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
    assert!(last.as_ref().unwrap().is_contested());
    let soon = now + SignedDuration::from_secs(1);
    assert!(matches!(
        pace(soon, last.as_ref(), second),
        Pace::Write(Written { times: 1, .. })
    ));
    let later = now + SignedDuration::from_hours(3);
    assert!(matches!(
        pace(later, last.as_ref(), first),
        Pace::Write(Written { times: 1, .. })
    ));
}

/// Writes of a CA that changes every second, for this long: when each happened, in seconds.
fn changing(seconds: i64, last: &mut Option<Written>) -> Vec<i64> {
    let start = last.as_ref().map_or_else(noon, |last| last.at);
    let mut writes = Vec::new();
    for second in 1..=seconds {
        let now = start + SignedDuration::from_secs(second);
        let mut ca = [0; 32];
        ca[..8].copy_from_slice(&now.as_second().to_be_bytes());
        if let Pace::Write(written) = pace(now, last.as_ref(), ca) {
            writes.push(second);
            *last = Some(written);
        }
    }
    writes
}

#[test]
fn six_changes_of_a_source_are_free_and_further_ones_wait_longer_up_to_ten_minutes() {
    let mut last = None;
    let writes = changing(24 * 3600, &mut last);
    let waits: Vec<i64> = writes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(
        waits[..17],
        [1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    );
    assert!(waits[15..].iter().all(|wait| *wait == 600));
    assert!(writes.len() < 7 + 9 + 24 * 6, "{}", writes.len());
}

#[test]
fn one_change_is_forgiven_for_ten_minutes_without_a_write() {
    let mut last = None;
    changing(10, &mut last);
    let at = last.as_ref().unwrap().at;
    let waits_after = |minutes: i64| {
        let now = at + SignedDuration::from_mins(minutes);
        match pace(now, last.as_ref(), [9; 32]) {
            Pace::Write(written) => written.changes,
            Pace::Wait { .. } => panic!("it is due"),
        }
    };
    let counted = last.as_ref().unwrap().changes;
    assert_eq!(waits_after(9), counted + 1);
    assert_eq!(waits_after(10), counted);
    assert_eq!(waits_after(59), counted - 4);
    assert_eq!(waits_after(119), 1);
}

#[test]
fn a_client_that_removes_the_ca_between_two_changes_of_the_source_gains_nothing() {
    let mut last: Option<Written> = None;
    let mut writes = 0;
    for second in 0..600 {
        let now = noon() + SignedDuration::from_secs(second);
        let ca = [u8::try_from(second / 2 % 200).unwrap(); 32];
        if let Pace::Write(written) = pace(now, last.as_ref(), ca) {
            writes += 1;
            last = Some(written);
        }
    }
    assert!(writes < 35, "{writes}");
}

#[test]
fn a_ca_that_changes_too_often_is_delayed_with_a_sentence() {
    let last = Written {
        content: [0; 32],
        at: noon(),
        times: 1,
        changes: 8,
    };
    let (target, source, seen) = (
        target(&[joined(&[1])]),
        certificate(),
        of_certificate(Some(&joined(&[0]))),
    );
    let observation = InjectionObservation {
        target: &target,
        source: &source,
        seen: &seen,
        written: Some(&last),
        limit: LIMIT,
    };
    let InjectionPlan { step, next } = plan(noon() + SignedDuration::from_secs(1), &observation);
    assert_eq!(next, Next::At(noon() + SignedDuration::from_secs(8)));
    let InjectionStep::Delay(refusal) = step else {
        panic!("{step:?}")
    };
    assert_eq!(
        refusal.message,
        "the CA of Certificate shop/serving has changed more than 6 times in short succession: its present CA is injected at 12:00:08 UTC. \
         Each further change waits longer, up to 10 minutes"
    );
    assert!(matches!(
        plan(noon() + SignedDuration::from_secs(8), &observation).step,
        InjectionStep::Write { .. }
    ));
}
