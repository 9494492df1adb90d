//! Providers behind a webhook in the cluster, by cert-manager's protocol (DNS-10): a `ChallengePayload` is created at the aggregated API
//! `/apis/GROUP/v1alpha1/SOLVER`.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    api::dns01::Webhook,
    cloud::{
        fault::{Fault, FaultKind},
        fingerprint,
    },
    cluster::{create::Refused, reader::Reader},
    solver::dns01::{
        change::{Change, Receipt, Txt},
        zones::TxtRecords,
    },
    text::excerpt,
};

/// How long the webhook may take for one record. The API server itself ends a call after a minute.
const LIMIT: Duration = Duration::from_secs(60);
/// What `apiVersion` and `kind` of a payload are, whatever the group of the solver is.
const API_VERSION: &str = "webhook.acme.cert-manager.io/v1alpha1";

/// A solver of a webhook.
#[derive(Clone)]
pub struct Solver(Arc<Inner>);

struct Inner {
    reader: Reader,
    settings: Webhook,
    namespace: String,
    ambient: bool,
    credential: String,
}

impl fmt::Debug for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solver")
            .field("group", &self.0.settings.group_name)
            .field("solver", &self.0.settings.solver_name)
            .finish_non_exhaustive()
    }
}

/// What is asked, and what is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(default)]
    api_version: &'a str,
    #[serde(default)]
    kind: &'a str,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    request: Option<Ask<'a>>,
    #[serde(skip_serializing)]
    response: Option<Answer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ask<'a> {
    /// Always empty, as cert-manager sends it.
    uid: &'a str,
    action: Action,
    r#type: &'a str,
    dns_name: &'a str,
    key: &'a str,
    resource_namespace: &'a str,
    #[serde(rename = "resolvedFQDN")]
    resolved_fqdn: String,
    resolved_zone: String,
    allow_ambient_credentials: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a serde_json::Value>,
}

#[derive(Clone, Copy, Debug, Serialize)]
enum Action {
    Present,
    CleanUp,
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

impl Solver {
    /// The solver of these settings, called through `reader`. Secrets that its configuration names are in `namespace`.
    pub fn new(reader: Reader, settings: &Webhook, namespace: &str, ambient: bool) -> Self {
        let config = serde_json::to_vec(&settings.config).unwrap_or_default();
        let Webhook {
            group_name,
            solver_name,
            config: _,
        } = settings;
        Self(Arc::new(Inner {
            reader,
            credential: format!(
                "webhook {group_name} {solver_name} {namespace} {ambient} {}",
                fingerprint(&config)
            ),
            settings: settings.clone(),
            namespace: namespace.to_owned(),
            ambient,
        }))
    }

    async fn call(&self, zone: &str, txt: &Txt, action: Action) -> Result<(), Fault> {
        let (path, body) = self.request(zone, txt, action)?;
        let answer = self
            .0
            .reader
            .post(&path, body)
            .await
            .map_err(|refused| self.fault(&refused))?;
        self.judge(&answer, txt, action)
    }

    fn request(&self, zone: &str, txt: &Txt, action: Action) -> Result<(String, Vec<u8>), Fault> {
        let Inner {
            settings,
            namespace,
            ambient,
            ..
        } = &*self.0;
        let payload = Payload {
            api_version: API_VERSION,
            kind: "ChallengePayload",
            request: Some(Ask {
                uid: "",
                action,
                r#type: "dns-01",
                dns_name: &txt.identifier,
                key: &txt.value,
                resource_namespace: namespace,
                resolved_fqdn: format!("{}.", txt.name),
                resolved_zone: format!("{zone}."),
                allow_ambient_credentials: *ambient,
                config: settings.config.as_ref(),
            }),
            response: None,
        };
        let wrong = || {
            let sentence = format!(
                "{self} cannot be called: groupName and solverName are names with small letters, digits, hyphens and dots, such as \
                 acme.example.com"
            );
            Fault::new(FaultKind::Other, sentence)
        };
        // tenants write them, and certlet's rights are not theirs: they must not lead to another path of the API server
        if ![&settings.group_name, &settings.solver_name]
            .into_iter()
            .all(|name| is_name(name))
        {
            return Err(wrong());
        }
        let path = format!("/apis/{}/v1alpha1/{}", settings.group_name, settings.solver_name);
        let body = serde_json::to_vec(&payload).map_err(|_| wrong())?;
        Ok((path, body))
    }

    fn judge(&self, answer: &str, txt: &Txt, action: Action) -> Result<(), Fault> {
        let other = |what: String| Err(Fault::new(FaultKind::Other, format!("{self} {what}")));
        let Ok(Payload {
            response: Some(answer), ..
        }) = serde_json::from_str(answer)
        else {
            return other("answered with something that is not a ChallengePayload with a response".to_owned());
        };
        if answer.success {
            return Ok(());
        }
        let did_not = match action {
            Action::Present => "did not write",
            Action::CleanUp => "did not remove",
        };
        let why = match answer.status.map(|status| status.message) {
            Some(message) if !message.is_empty() => excerpt(&message),
            Some(_) | None => "it gives no reason; see its log".to_owned(),
        };
        other(format!("{did_not} the record {}: {why}", txt.name))
    }

    fn fault(&self, refused: &Refused) -> Fault {
        let Webhook {
            group_name,
            solver_name,
            config: _,
        } = &self.0.settings;
        let Refused {
            code: Some(code),
            message,
        } = refused
        else {
            let sentence = format!("{self} cannot be called: {}", excerpt(&refused.message));
            return Fault::new(FaultKind::Unreachable, sentence);
        };
        let (kind, what) = match StatusCode::from_u16(*code) {
            Ok(StatusCode::NOT_FOUND) => (
                FaultKind::Other,
                format!(
                    "is not served: there is no APIService v1alpha1.{group_name}, or it has no solver {solver_name:?}; install the \
                     webhook, or correct groupName and solverName"
                ),
            ),
            // the API server is asked, not a provider: soon again
            Ok(StatusCode::FORBIDDEN) => (
                FaultKind::Other,
                format!(
                    "may not be called by certlet: give its ServiceAccount the verb create on the resource {solver_name} of the API group \
                     {group_name}"
                ),
            ),
            Ok(StatusCode::SERVICE_UNAVAILABLE) => (
                FaultKind::Unreachable,
                format!(
                    "does not run: the APIService v1alpha1.{group_name} is not available (kubectl get apiservice v1alpha1.{group_name})"
                ),
            ),
            Ok(_) | Err(_) => (
                FaultKind::Other,
                format!("failed: the API server answered {code} {}", excerpt(message)),
            ),
        };
        Fault::new(kind, format!("{self} {what}"))
    }
}

/// Whether a name is one of an API group or a resource: a DNS-1123 subdomain.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let inside = label
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        !label.is_empty() && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// For sentences.
impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Webhook {
            group_name,
            solver_name,
            config: _,
        } = &self.0.settings;
        write!(f, "the webhook solver {}/{}", excerpt(group_name), excerpt(solver_name))
    }
}

impl TxtRecords for Solver {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        for txt in &change.remove {
            self.call(zone, txt, Action::CleanUp).await?;
        }
        for txt in &change.add {
            self.call(zone, txt, Action::Present).await?;
        }
        Ok(None)
    }

    /// Third-party webhooks were never called by cert-manager for two records at a time.
    fn most_records(&self) -> usize {
        1
    }

    fn limit(&self) -> Duration {
        LIMIT
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http::{Method, Request};
    use serde_json::{Value, json};

    use super::*;

    /// What was sent to the API server: method, path and body.
    type Sent = Arc<Mutex<Vec<(Method, String, Value)>>>;

    /// A solver whose API server always answers this.
    fn solver(status: u16, answer: &Value) -> (Solver, Sent) {
        let (sent, answer) = (Sent::default(), answer.to_string());
        let noted = Arc::clone(&sent);
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let (noted, answer) = (Arc::clone(&noted), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&body).unwrap();
                noted
                    .lock()
                    .unwrap()
                    .push((parts.method, parts.uri.path().to_owned(), body));
                let response = http::Response::builder().status(status);
                Ok::<_, std::io::Error>(response.body(kube::client::Body::from(answer.into_bytes())).unwrap())
            }
        });
        let settings = Webhook {
            group_name: "acme.example.com".to_owned(),
            solver_name: "hoster".to_owned(),
            config: Some(json!({"zone": "example"})),
        };
        let reader = Reader::new(kube::Client::new(service, "default"));
        (Solver::new(reader, &settings, "shop", false), sent)
    }

    fn present() -> Change {
        let txt = Txt {
            name: "_acme-challenge.www.example".to_owned(),
            value: "value".to_owned(),
            identifier: "www.example".to_owned(),
        };
        Change::of(txt, crate::solver::dns01::change::Wanted::Present)
    }

    /// As cert-manager's client sends it: fields and their order of `ChallengeRequest`.
    #[tokio::test]
    async fn a_webhook_gets_the_payload_that_cert_manager_sends() {
        let (solver, sent) = solver(201, &json!({"response": {"uid": "", "success": true}}));
        assert_eq!(solver.change("example", &present()).await, Ok(None));
        let sent = sent.lock().unwrap();
        let [(method, path, body)] = sent.as_slice() else {
            panic!("{sent:?}");
        };
        assert_eq!(
            (method, path.as_str()),
            (&Method::POST, "/apis/acme.example.com/v1alpha1/hoster")
        );
        let expected = json!({
            "apiVersion": "webhook.acme.cert-manager.io/v1alpha1",
            "kind": "ChallengePayload",
            "request": {
                "uid": "",
                "action": "Present",
                "type": "dns-01",
                "dnsName": "www.example",
                "key": "value",
                "resourceNamespace": "shop",
                "resolvedFQDN": "_acme-challenge.www.example.",
                "resolvedZone": "example.",
                "allowAmbientCredentials": false,
                "config": {"zone": "example"},
            },
        });
        assert_eq!(*body, expected);
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_webhook_is_one_sentence_with_what_to_do() {
        let status = |code: u16| json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "text", "reason": "R", "code": code});
        let failed = json!({"response": {"uid": "", "success": false, "status": {"message": "zone is locked"}}});
        for (code, answer, kind, words) in [
            (
                404,
                status(404),
                FaultKind::Other,
                "there is no APIService v1alpha1.acme.example.com",
            ),
            (
                403,
                status(403),
                FaultKind::Other,
                "the verb create on the resource hoster",
            ),
            (503, status(503), FaultKind::Unreachable, "is not available"),
            (500, status(500), FaultKind::Other, "answered 500"),
            (
                201,
                failed,
                FaultKind::Other,
                "did not write the record _acme-challenge.www.example: zone is locked",
            ),
            (
                201,
                json!({"response": {"success": false}}),
                FaultKind::Other,
                "gives no reason",
            ),
            (201, json!({"a": 1}), FaultKind::Other, "not a ChallengePayload"),
        ] {
            let (solver, _) = solver(code, &answer);
            let fault = solver.change("example", &present()).await.unwrap_err();
            assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn names_that_lead_to_another_path_of_the_api_server_are_not_called() {
        for (group, name) in [
            ("../api/v1/namespaces/kube-system", "secrets"),
            ("apps/v1/namespaces/kube-system", "deployments"),
            ("acme.example.com", "hoster?x=1"),
            ("acme.example.com", ".."),
            ("acme.example.com", ""),
            ("%2e%2e", "hoster"),
            ("acme.example.com", "hoster/status"),
        ] {
            let (good, sent) = solver(201, &json!({"response": {"success": true}}));
            let settings = Webhook {
                group_name: group.to_owned(),
                solver_name: name.to_owned(),
                config: None,
            };
            let bad = Solver::new(good.0.reader.clone(), &settings, "shop", false);
            let fault = bad.change("example", &present()).await.unwrap_err();
            assert!(fault.sentence.contains("cannot be called"), "{fault:?}");
            assert!(sent.lock().unwrap().is_empty(), "{group} {name}");
        }
    }

    #[tokio::test]
    async fn another_configuration_is_another_credential_and_is_in_no_text() {
        let (solver, _) = solver(201, &json!({}));
        let text = format!("{solver:?} {}", solver.credential());
        assert!(!text.contains("zone"), "{text}");
        assert!(text.contains("hoster"), "{text}");
    }
}
