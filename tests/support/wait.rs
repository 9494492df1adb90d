//! Waiting for what the cluster does: by watching where there is an object to watch.

use std::fmt::Debug;
use std::time::Duration;

use kube::runtime::wait::{Condition, await_condition};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

/// Long enough for anything that happens at all, on a machine that is busy with other things.
pub(crate) const IN_TIME: Duration = Duration::from_secs(60);

/// Watches an object until a condition holds and returns it as it was then (`None`: it was not there).
///
/// # Panics
/// If it does not hold in time, with the object as it is then.
pub(crate) async fn until<K>(api: &Api<K>, name: &str, within: Duration, condition: impl Condition<K>) -> Option<K>
where
    K: Resource + Clone + Debug + Send + Serialize + DeserializeOwned + 'static,
{
    match timeout(within, await_condition(api.clone(), name, condition)).await {
        Ok(found) => found.unwrap_or_else(|error| panic!("cannot watch {name}: {error}")),
        Err(elapsed) => panic!(
            "{name} is not as wanted after {within:?} ({elapsed}); it is now:\n{}",
            describe(api, name).await
        ),
    }
}

/// Holds when the object has a status condition of that type with that status (`True`, `False`, `Unknown`).
pub(crate) fn condition_is<K: Serialize>(kind: &'static str, status: &'static str) -> impl Condition<K> {
    move |object: Option<&K>| condition_field(object, kind, "status").as_deref() == Some(status)
}

/// Holds when the object has a status condition of that type with that reason.
pub(crate) fn condition_reason_is<K: Serialize>(kind: &'static str, reason: &'static str) -> impl Condition<K> {
    move |object: Option<&K>| condition_field(object, kind, "reason").as_deref() == Some(reason)
}

/// Holds when there is no such object.
pub(crate) fn gone<K>() -> impl Condition<K> {
    |object: Option<&K>| object.is_none()
}

/// Asks again and again until there is an answer: for what cannot be watched, such as a page behind an ingress.
///
/// # Panics
/// If there is none in time; `what` says in a few words what was waited for.
pub(crate) async fn eventually<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not seen within {within:?}: {what}");
        sleep(Duration::from_millis(25)).await;
    }
}

fn condition_field<K: Serialize>(object: Option<&K>, kind: &str, field: &str) -> Option<String> {
    let object = serde_json::to_value(object?).ok()?;
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))?;
    found.get(field)?.as_str().map(str::to_owned)
}

async fn describe<K>(api: &Api<K>, name: &str) -> String
where
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    match api.get_opt(name).await {
        Ok(Some(object)) => serde_json::to_string_pretty(&object).unwrap_or_default(),
        Ok(None) => "not there".to_owned(),
        Err(error) => format!("unknown: {error}"),
    }
}
