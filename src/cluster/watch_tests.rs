//! A kind whose definition is absent, arrives later, and vanishes, as kube's watcher meets it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use super::*;
use crate::{
    cluster::index::{Change, Changed},
    plan::{
        kinds::{IngressKind, Presence, Watched},
        seen::{Kind as _, Lean},
    },
};

/// What a server answers to one request after the other; the last answer for ever.
fn server(answers: impl IntoIterator<Item = (u16, Vec<String>)>) -> Client {
    let answers: Mutex<VecDeque<_>> = Mutex::new(answers.into_iter().collect());
    let answers = Arc::new(answers);
    let service = tower::service_fn(move |_: Request<Body>| {
        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        let (status, lines) = next.expect("a server has an answer");
        let body = lines.iter().map(|line| line.clone() + "\n").collect::<String>();
        let response = Response::builder().status(status).body(Full::new(Bytes::from(body)));
        async move { Ok::<_, Infallible>(response.expect("a response")) }
    });
    Client::new(service, "default")
}

/// What the API server says of a path that it does not serve.
fn unknown() -> (u16, Vec<String>) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404,
        "message": "the server could not find the requested resource",
    });
    (404, vec![status.to_string()])
}

/// A streaming list of one object, which is complete, and then the connection ends.
fn listed(name: &str) -> (u16, Vec<String>) {
    let object = json!({
        "metadata": {"namespace": "shop", "name": name, "uid": "u", "resourceVersion": "5"}, "spec": {},
    });
    let end = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"resourceVersion": "7", "annotations": {"k8s.io/initial-events-end": "true"}},
    });
    // the type comes first, as from the API server
    let event = |type_: &str, object: &Value| format!(r#"{{"type":"{type_}","object":{object}}}"#);
    (200, vec![event("ADDED", &object), event("BOOKMARK", &end)])
}

/// Far more than a watch waits between two tries; the clock is the test's own.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// What a change of an Ingress was.
async fn next(changes: &mut UnboundedReceiver<Change>) -> Changed<Lean<IngressKind>> {
    let Ok(Some(Change::Ingress(ingress))) = timeout(LONG, changes.recv()).await else {
        panic!("no change of an Ingress");
    };
    ingress
}

/// The index, and the changes that the observer gets, while a kind is watched.
fn watched(client: Client, presence: Presence) -> (Arc<Index>, UnboundedReceiver<Change>) {
    let index = Arc::new(Index::default());
    let (tell, changes) = unbounded_channel();
    let observer: Observer = Arc::new(move |change| drop(tell.send(change)));
    let kind = Watched {
        presence,
        ..IngressKind::WATCHED
    };
    tokio::spawn(keep::<Lean<IngressKind>>(
        client,
        None,
        kind,
        Arc::clone(&index),
        observer,
    ));
    (index, changes)
}

#[tokio::test(start_paused = true)]
async fn an_optional_kind_that_is_absent_is_waited_for_by_nobody() {
    let (index, mut changes) = watched(server([unknown()]), Presence::Optional);
    timeout(LONG, index.ingresses.until_ready()).await.unwrap();
    assert!(index.ingresses.is_empty() && !index.not_listed().contains(&"ingresses"));
    assert!(changes.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_optional_kind_arrives_later_and_vanishes() {
    let (index, mut changes) = watched(
        server([unknown(), unknown(), listed("web"), unknown()]),
        Presence::Optional,
    );
    let came = next(&mut changes).await;
    assert!(came.old.is_none() && came.new.is_some_and(|new| new.meta.name() == "web"));
    let went = next(&mut changes).await;
    assert!(went.new.is_none() && went.old.is_some_and(|old| old.meta.name() == "web"));
    assert!(index.ingresses.is_empty() && index.ingresses.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_required_kind_is_waited_for_and_what_is_known_of_it_stays() {
    let (index, mut changes) = watched(
        server([unknown(), unknown(), listed("web"), unknown()]),
        Presence::Required,
    );
    assert!(!index.ingresses.is_ready() && index.not_listed().contains(&"ingresses"));
    let came = next(&mut changes).await;
    assert!(came.new.is_some());
    timeout(LONG, index.ingresses.until_ready()).await.unwrap();
    // the definition is unknown from here on, for many tries
    tokio::time::sleep(LONG).await;
    assert_eq!(index.ingresses.keys().len(), 1);
    assert!(changes.try_recv().is_err());
}
