//! What Events tell, as `kubectl describe` shows it.

use serde_json::Value;

use super::{Bed, IN_TIME, eventually};

/// The messages of the Events with these fields (`involvedObject.name=web,reason=Failed`).
pub(crate) async fn messages(bed: &Bed, namespace: &str, fields: &str) -> Vec<String> {
    let args = [
        "get",
        "events",
        "-n",
        namespace,
        "--field-selector",
        fields,
        "-o",
        "json",
    ];
    let events: Value = serde_json::from_str(&bed.kubectl(&args).await).unwrap();
    let message = |event: &Value| event["message"].as_str().unwrap().to_owned();
    events["items"].as_array().unwrap().iter().map(message).collect()
}

/// The messages of the Events about an object with this reason, once there is one.
pub(crate) async fn told(bed: &Bed, namespace: &str, name: &str, reason: &str) -> String {
    let fields = format!("involvedObject.name={name},reason={reason}");
    eventually(&format!("an event {reason} about {name}"), IN_TIME, async || {
        let told = messages(bed, namespace, &fields).await;
        (!told.is_empty()).then(|| told.join(" "))
    })
    .await
}
