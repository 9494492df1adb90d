use super::*;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

async fn start(queue: &Arc<Queue<String>>, seen: tokio::sync::mpsc::UnboundedSender<String>) {
    let worker = move |key: String| {
        let seen = seen.clone();
        async move {
            seen.send(key).unwrap();
            Ok(Next::OnChange)
        }
    };
    tokio::spawn(Arc::clone(queue).run(2, now, worker));
    tokio::task::yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_added_twice_is_worked_on_once() {
    let queue = Queue::new("test");
    let (seen, mut worked) = tokio::sync::mpsc::unbounded_channel();
    queue.resume(["a".to_owned(), "a".to_owned(), "b".to_owned()]);
    start(&queue, seen).await;
    let mut got = [worked.recv().await.unwrap(), worked.recv().await.unwrap()];
    got.sort();
    assert_eq!(got, ["a", "b"]);
    assert!(worked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_appointments_counts() {
    let queue = Queue::new("test");
    let (seen, mut worked) = tokio::sync::mpsc::unbounded_channel();
    queue.resume([]);
    start(&queue, seen).await;
    let started = Instant::now();
    queue.add_after("a".to_owned(), Duration::from_secs(50));
    queue.add_after("a".to_owned(), Duration::from_secs(5));
    worked.recv().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 5);
    let later = tokio::time::timeout(Duration::from_secs(100), worked.recv()).await;
    assert!(later.is_err(), "the later appointment is forgotten");
}

#[tokio::test(start_paused = true)]
async fn an_appointment_made_during_a_look_is_kept_whatever_the_look_itself_asks_for() {
    let queue = Queue::new("test");
    let (seen, mut worked) = tokio::sync::mpsc::unbounded_channel();
    let look = {
        let queue = Arc::clone(&queue);
        move |key: String| {
            let (queue, seen) = (Arc::clone(&queue), seen.clone());
            async move {
                seen.send(key.clone()).unwrap();
                // as somebody else does who does not know that it is being looked at
                queue.add_after(key, Duration::from_secs(5));
                Ok(Next::OnChange)
            }
        }
    };
    queue.resume(["a".to_owned()]);
    tokio::spawn(Arc::clone(&queue).run(1, now, look));
    let started = Instant::now();
    worked.recv().await.unwrap();
    worked.recv().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_look_fulfils_the_appointments_made_before_it() {
    let queue = Queue::new("test");
    let (seen, mut worked) = tokio::sync::mpsc::unbounded_channel();
    queue.resume([]);
    start(&queue, seen).await;
    queue.add_after("a".to_owned(), Duration::from_secs(5));
    queue.add("a".to_owned());
    worked.recv().await.unwrap();
    let later = tokio::time::timeout(Duration::from_secs(100), worked.recv()).await;
    assert!(later.is_err(), "it was looked at already");
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_forgets_and_a_resumed_one_starts_with_all() {
    let queue = Queue::new("test");
    let (seen, mut worked) = tokio::sync::mpsc::unbounded_channel();
    start(&queue, seen).await;
    queue.add("lost".to_owned());
    queue.resume(["kept".to_owned()]);
    assert_eq!(worked.recv().await.unwrap(), "kept");
    queue.pause();
    queue.add("lost".to_owned());
    assert!(queue.is_idle());
}

/// BKO-06.
#[tokio::test(start_paused = true)]
async fn a_plan_that_is_stale_again_and_again_waits_as_long_as_any_other_error() {
    let queue = Queue::<String>::new("test");
    let (calls, mut worked) = tokio::sync::mpsc::unbounded_channel();
    let reconcile = move |_| {
        let calls = calls.clone();
        async move {
            calls.send(Instant::now()).unwrap();
            Err(ControllerError::Stale("it changed".to_owned()))
        }
    };
    queue.resume(["a".to_owned()]);
    tokio::spawn(Arc::clone(&queue).run(1, now, reconcile));
    let mut times = Vec::new();
    for _ in 0..23 {
        times.push(worked.recv().await.unwrap());
    }
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        waits[..20].iter().all(|wait| *wait <= Duration::from_millis(100)),
        "{waits:?}"
    );
    assert_eq!(waits[20..], [RETRY_FIRST, RETRY_FIRST * 2]);
}

/// 10,000 Certificates that were issued in the same hour, each looked at when its renewal begins.
#[tokio::test(start_paused = true)]
async fn ten_thousand_renewals_of_one_hour_never_outnumber_the_workers_and_none_is_late() {
    use std::sync::atomic::AtomicUsize;

    use jiff::SignedDuration;

    use crate::{
        api::CertificateSpec,
        plan::renewal::{Provenance, Validity, schedule},
    };

    const WORKERS: usize = 5;
    const ISSUANCE: Duration = Duration::from_millis(50);
    let queue = Queue::<u32>::new("renewals");
    let (busy, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = Arc::new((busy, most, done));
    let due: Vec<Duration> = (0..10_000_u32)
        .map(|number| {
            let not_before = now() + SignedDuration::from_secs(i64::from(number * 3600 / 10_000));
            let not_after = not_before + SignedDuration::from_hours(24);
            let validity = Validity { not_before, not_after };
            let uid = format!("uid-{number}");
            let plan = schedule(&CertificateSpec::default(), validity, Provenance::Ours, None, &uid);
            let begin = plan.unwrap().unwrap().at;
            Duration::try_from(begin.duration_since(now())).unwrap()
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
                Ok(Next::OnChange)
            }
        }
    };
    queue.resume([]);
    tokio::spawn(Arc::clone(&queue).run(WORKERS, now, worker));
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
