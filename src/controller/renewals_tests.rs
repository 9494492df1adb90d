//! Renewals as the queue works them off.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::api::CertificateSpec;
use crate::controller::ControllerError;
use crate::plan::renewal::{Provenance, Validity, schedule};
use crate::work::Queue;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// 10,000 Certificates that were issued in the same hour, each looked at when its renewal begins.
#[tokio::test(start_paused = true)]
async fn ten_thousand_renewals_of_one_hour_never_outnumber_the_workers_and_none_is_late() {
    const WORKERS: usize = 5;
    const ISSUANCE: Duration = Duration::from_millis(50);
    let queue = Queue::<u32>::new("renewals");
    let (busy, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = Arc::new((busy, most, done));
    let due: Vec<Duration> = (0..10_000_u32)
        .map(|number| {
            let not_before = NOW + SignedDuration::from_secs(i64::from(number * 3600 / 10_000));
            let not_after = not_before + SignedDuration::from_hours(24);
            let validity = Validity { not_before, not_after };
            let uid = format!("uid-{number}");
            let plan = schedule(&CertificateSpec::default(), validity, Provenance::Ours, None, &uid);
            let begin = plan.unwrap().unwrap().at;
            Duration::try_from(begin.duration_since(NOW)).unwrap()
        })
        .collect();
    let started = Instant::now();
    let late = Arc::new(Mutex::new(Duration::ZERO));
    let worker = {
        let (counts, due, late) = (Arc::clone(&counts), due.clone(), Arc::clone(&late));
        move |number: u32| {
            let (counts, late) = (Arc::clone(&counts), Arc::clone(&late));
            let wanted = due[usize::try_from(number).unwrap()];
            async move {
                let (busy, most, done) = &*counts;
                let behind = started.elapsed().checked_sub(wanted).expect("not before its time");
                {
                    let mut latest = late.lock().unwrap();
                    *latest = behind.max(*latest);
                }
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(ISSUANCE).await;
                busy.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
                Ok::<Option<Timestamp>, ControllerError>(None)
            }
        }
    };
    queue.resume([]);
    tokio::spawn(Arc::clone(&queue).run(WORKERS, || NOW, worker));
    for (number, wait) in due.iter().enumerate() {
        queue.add_after(u32::try_from(number).unwrap(), *wait);
    }
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    let (_, most, done) = &*counts;
    assert_eq!(done.load(Ordering::SeqCst), 10_000);
    assert!(most.load(Ordering::SeqCst) <= WORKERS);
    assert!(
        *late.lock().unwrap() < Duration::from_secs(10),
        "{:?}",
        late.lock().unwrap()
    );
}
