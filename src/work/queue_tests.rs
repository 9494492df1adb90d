use super::*;

/// Why the work of these tests fails.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("it changed")]
    Stale,
    #[error("it panicked")]
    Panicked,
}

impl Failure for Failed {
    fn panicked() -> Self {
        Self::Panicked
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Stale => Retry::AtOnce,
            Self::Panicked => Retry::BackOff,
        }
    }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

async fn start(queue: &Arc<Queue<String>>, seen: tokio::sync::mpsc::UnboundedSender<String>) {
    let worker = move |key: String| {
        let seen = seen.clone();
        async move {
            seen.send(key).unwrap();
            Ok::<Again, Failed>(None)
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
                Ok::<Again, Failed>(None)
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
            Err::<Again, _>(Failed::Stale)
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
