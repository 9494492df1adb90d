//! Kubernetes Events of reconciled objects, for `kubectl describe`. They are written in the background, and never delay
//! a reconcile.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::mpsc;

use crate::plan::{
    notice::{Notice, Severity},
    seen::{Kind, Meta},
};

/// The most Events that wait to be written. Further ones are dropped and counted.
const WAITING: usize = 4096;
/// The most Events of one recorder. A recorder keeps its Events for six minutes, about 1.5 KB each, and searches all of
/// them for each new one. A new recorder after so many bounds memory, and close repetitions are still counted in one
/// object.
const REMEMBERED: usize = 256;
/// The API server's limit for an Event's note, in bytes.
const NOTE_LIMIT: usize = 1024;

/// Writes Events in the background.
#[derive(Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<(ObjectReference, Event)>,
    dropped: Arc<AtomicU64>,
}

impl Events {
    /// Starts the task that writes Events, and returns their sender. `reporter` is the name of the reporting
    /// controller.
    pub(crate) fn start(client: Client, reporter: &str, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: reporter.to_owned(),
            instance,
        };
        let (queue, mut waiting) = mpsc::channel::<(ObjectReference, Event)>(WAITING);
        tokio::spawn(async move {
            let mut recorder = Recorder::new(client.clone(), reporter.clone());
            let mut written_by_it = 0;
            while let Some((reference, event)) = waiting.recv().await {
                if written_by_it == REMEMBERED {
                    recorder = Recorder::new(client.clone(), reporter.clone());
                    written_by_it = 0;
                }
                written_by_it += 1;
                let written =
                    tokio::time::timeout(super::reader::CALL_TIMEOUT, recorder.publish(&event, &reference)).await;
                if let Ok(Err(error)) = written {
                    // An Event is refused while the namespace of its object is deleted. It would have no reader.
                    tracing::debug!(%error, object = reference.name, "failed to write an event");
                }
            }
        });
        Self {
            queue,
            dropped: Arc::default(),
        }
    }

    /// Publishes `notice` as an Event of the object of kind `K` with this metadata. Returns at once.
    pub(crate) fn publish<K: Kind>(&self, meta: &Meta, notice: &Notice) {
        let Notice {
            severity,
            reason,
            message,
            is_by_message,
        } = notice;
        let reference = ObjectReference {
            api_version: Some(format!("{}/{}", K::GROUP, K::VERSION)),
            kind: Some(K::KIND.to_owned()),
            name: Some(meta.name().to_owned()),
            namespace: Some(meta.namespace().to_owned()).filter(|namespace| !namespace.is_empty()),
            uid: Some(meta.uid.to_string()),
            resource_version: Some(meta.resource_version.to_string()),
            field_path: None,
        };
        let type_ = match severity {
            Severity::Normal => EventType::Normal,
            Severity::Warning => EventType::Warning,
        };
        let note = Some(truncated(&crate::text::lines(message)));
        let event = Event {
            type_,
            reason: reason.to_string(),
            note,
            action: if *is_by_message {
                action(reason, message)
            } else {
                reason.to_string()
            },
            secondary: None,
        };
        tracing::debug!(
            kind = K::KIND,
            object = %meta.key,
            reason = event.reason,
            note = event.note,
            "Event"
        );
        if self.queue.try_send((reference, event)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The number of Events that were dropped because too many waited.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// An action that differs with the message: kube's recorder counts Events of one object in one Event if action and reason are equal, whatever
/// the message.
fn action(reason: &str, message: &str) -> String {
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    format!("{reason}-{:016x}", hasher.finish())
}

fn truncated(message: &str) -> String {
    let mut end = message.len().min(NOTE_LIMIT);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = truncated(&"ä".repeat(1000));
        assert!(note.len() <= NOTE_LIMIT && note.chars().all(|c| c == 'ä'));
    }
}
