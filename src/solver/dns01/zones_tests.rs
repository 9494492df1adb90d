use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicI64, Ordering},
};

use super::*;

/// A provider that notes its calls and refuses the records of some names.
#[derive(Clone, Default)]
struct Noting {
    calls: Arc<Mutex<Vec<Change>>>,
    refused: BTreeSet<String>,
    kind: Option<FaultKind>,
}

impl TxtRecords for Noting {
    fn credential(&self) -> &'static str {
        "noting"
    }

    async fn change(&self, _: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        lock(&self.calls).push(change.clone());
        let mut names = change.add.iter().chain(&change.remove).map(|txt| &txt.name);
        match self.kind {
            Some(kind) if names.any(|name| self.refused.contains(name)) => Err(Fault::new(kind, "refused")),
            Some(_) | None => Ok(None),
        }
    }
}

static SECONDS: AtomicI64 = AtomicI64::new(0);

fn now() -> Timestamp {
    Timestamp::from_second(SECONDS.load(Ordering::Relaxed)).unwrap()
}

fn txt(at: usize) -> Txt {
    Txt {
        name: format!("_acme-challenge.a{at}.example"),
        value: "value".to_owned(),
        identifier: format!("a{at}.example"),
    }
}

fn in_no_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(test)
}

async fn ask_for(
    zones: &Arc<Zones>,
    provider: &Noting,
    records: std::ops::Range<usize>,
) -> Vec<Result<Option<Receipt>, (Fault, Timestamp)>> {
    let asked = records.map(|at| zones.change(provider, "example", txt(at), Wanted::Present));
    futures::future::join_all(asked).await
}

#[test]
fn what_is_wanted_at_the_same_time_is_one_change() {
    in_no_time(async {
        let (zones, provider) = (Arc::new(Zones::new(now)), Noting::default());
        let answers = ask_for(&zones, &provider, 0..60).await;
        assert!(answers.iter().all(Result::is_ok));
        let calls: Vec<usize> = lock(&provider.calls).iter().map(|change| change.add.len()).collect();
        assert_eq!(calls, [60]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(lock(&zones.queues).is_empty(), "a queue goes when it is empty");
    });
}

#[test]
fn a_record_that_may_not_be_changed_holds_up_no_other() {
    in_no_time(async {
        let zones = Arc::new(Zones::new(now));
        let provider = Noting {
            refused: [txt(1).name].into(),
            kind: Some(FaultKind::Right),
            ..Noting::default()
        };
        let answers = ask_for(&zones, &provider, 0..3).await;
        assert_eq!(
            answers.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert_eq!(lock(&provider.calls).len(), 4, "all together, then each alone");
        // the record is asked for a handful of times in an hour, whatever asks how often
        for _ in 0..720 {
            SECONDS.fetch_add(5, Ordering::Relaxed);
            assert!(
                zones
                    .change(&provider, "example", txt(1), Wanted::Present)
                    .await
                    .is_err()
            );
        }
        let calls = lock(&provider.calls).len() - 4;
        assert!((2..=6).contains(&calls), "{calls}");
        assert!(zones.change(&provider, "example", txt(0), Wanted::Absent).await.is_ok());
    });
}

#[test]
fn a_wrong_credential_is_asked_once_for_all_of_its_records() {
    in_no_time(async {
        let zones = Arc::new(Zones::new(now));
        let provider = Noting {
            refused: (0..20).map(|at| txt(at).name).collect(),
            kind: Some(FaultKind::Credential),
            ..Noting::default()
        };
        assert!(ask_for(&zones, &provider, 0..10).await.iter().all(Result::is_err));
        assert!(ask_for(&zones, &provider, 10..20).await.iter().all(Result::is_err));
        assert_eq!(lock(&provider.calls).len(), 1);
    });
}

#[test]
fn a_change_that_is_interrupted_is_an_error_and_not_a_wait_for_ever() {
    in_no_time(async {
        let (zones, provider) = (Arc::new(Zones::new(now)), Noting::default());
        let asked = {
            let (zones, provider) = (Arc::clone(&zones), provider.clone());
            tokio::spawn(async move { zones.change(&provider, "example", txt(0), Wanted::Present).await })
        };
        tokio::task::yield_now().await;
        zones.clear();
        let (fault, _) = asked.await.unwrap().unwrap_err();
        assert!(fault.sentence.contains("interrupted"), "{fault:?}");
        assert!(lock(&provider.calls).is_empty());
    });
}
