//! What Events tell, as `kubectl describe` shows it.

use super::{Bed, IN_TIME, eventually};

/// The messages of the Events about an object with this reason, once there is one.
pub(crate) async fn told(bed: &Bed, namespace: &str, name: &str, reason: &str) -> String {
    let selector = format!("involvedObject.name={name},reason={reason}");
    let path = "jsonpath={.items[*].message}";
    let args = [
        "get",
        "events",
        "-n",
        namespace,
        "--field-selector",
        &selector,
        "-o",
        path,
    ];
    eventually(&format!("an event {reason} about {name}"), IN_TIME, async || {
        Some(bed.kubectl(&args).await).filter(|text| !text.is_empty())
    })
    .await
}
