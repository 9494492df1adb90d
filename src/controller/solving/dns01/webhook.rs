//! Providers behind a webhook in the cluster, by cert-manager's protocol (DNS-10): a `ChallengePayload` is created at the aggregated API
//! `/apis/GROUP/v1alpha1/SOLVER`.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::join_all;
use http::StatusCode;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use serde::{Deserialize, Serialize};

use super::access::Allows;
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
/// How long a call may be unanswered before certlet reads whether the webhook runs.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many records are written or removed at once, where the issuer allows that.
const AT_ONCE: usize = 16;
/// What `apiVersion` and `kind` of a payload are, whatever the group of the solver is.
const API_VERSION: &str = "webhook.acme.cert-manager.io/v1alpha1";

/// A solver of a webhook.
#[derive(Clone)]
pub(crate) struct Solver(Arc<Inner>);

struct Inner {
    reader: Reader,
    settings: Webhook,
    namespace: String,
    allows: Allows,
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
    pub(crate) fn new(reader: Reader, settings: &Webhook, namespace: &str, allows: Allows) -> Self {
        let config = serde_json::to_vec(&settings.config).unwrap_or_default();
        let Webhook {
            group_name,
            solver_name,
            config: _,
        } = settings;
        let Allows { ambient, parallel } = allows;
        Self(Arc::new(Inner {
            reader,
            credential: format!(
                "webhook {group_name} {solver_name} {namespace} {ambient} {parallel} {}",
                fingerprint(&config)
            ),
            settings: settings.clone(),
            namespace: namespace.to_owned(),
            allows,
        }))
    }

    async fn call(&self, zone: &str, txt: &Txt, action: Action) -> Result<(), Fault> {
        let (path, body) = self.request(zone, txt, action)?;
        let call = self.0.reader.post(&path, body);
        tokio::pin!(call);
        let answered = match tokio::time::timeout(PATIENCE, &mut call).await {
            Ok(answered) => answered,
            // the client repeats what is answered with 503, and a webhook that runs may be slow
            Err(_) => match self.api_service().await {
                ApiService::Unavailable(reason) => return Err(self.down(&reason)),
                ApiService::Missing | ApiService::Available | ApiService::Unreadable => call.await,
            },
        };
        match answered {
            Ok(answer) => self.judge(&answer, txt, action),
            Err(refused) => {
                let service = match refused.code {
                    // the API server answers so if the webhook is unknown, if it is down, and if it has no such solver
                    Some(404 | 503) => self.api_service().await,
                    Some(_) | None => ApiService::Unreadable,
                };
                Err(self.fault(&refused, &service))
            }
        }
    }

    /// What the API server knows of the webhook.
    async fn api_service(&self) -> ApiService {
        let name = format!("v1alpha1.{}", self.0.settings.group_name);
        match self.0.reader.cluster_object::<APIService>(&name).await {
            Ok(Some(service)) => ApiService::of(&service),
            Ok(None) => ApiService::Missing,
            Err(_) => ApiService::Unreadable,
        }
    }

    fn request(&self, zone: &str, txt: &Txt, action: Action) -> Result<(String, Vec<u8>), Fault> {
        let Inner {
            settings,
            namespace,
            allows,
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
                allow_ambient_credentials: allows.ambient,
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

    fn fault(&self, refused: &Refused, service: &ApiService) -> Fault {
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
        let name = format!("APIService v1alpha1.{group_name}");
        let (kind, what) = match (StatusCode::from_u16(*code), service) {
            (Ok(StatusCode::NOT_FOUND), ApiService::Missing) => (
                FaultKind::Other,
                format!("is not served: there is no {name}; install the webhook, or correct groupName"),
            ),
            (Ok(StatusCode::NOT_FOUND), ApiService::Available) => (
                FaultKind::Other,
                format!("is not served: the webhook behind {name} has no solver {solver_name:?}; correct solverName"),
            ),
            (Ok(StatusCode::NOT_FOUND), ApiService::Unreadable) => (
                FaultKind::Other,
                format!(
                    "is not served: there is no {name}, or it is not available, or it has no solver {solver_name:?}; install the webhook, \
                     see that it runs (kubectl get apiservice v1alpha1.{group_name}), or correct groupName and solverName"
                ),
            ),
            (Ok(StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE), ApiService::Unavailable(reason)) => {
                return self.down(reason);
            }
            (Ok(StatusCode::SERVICE_UNAVAILABLE), _) => (
                FaultKind::Unreachable,
                format!("does not run: the {name} is not available (kubectl get apiservice v1alpha1.{group_name})"),
            ),
            // the API server is asked, not a provider: soon again
            (Ok(StatusCode::FORBIDDEN), _) => (
                FaultKind::Other,
                format!(
                    "may not be called by certlet: give its ServiceAccount the verb create on the resource {solver_name} of the API group \
                     {group_name}"
                ),
            ),
            (Ok(_) | Err(_), _) => (
                FaultKind::Other,
                format!("failed: the API server answered {code} {}", excerpt(message)),
            ),
        };
        Fault::new(kind, format!("{self} {what}"))
    }
}

impl Solver {
    /// The APIService is not available, for this reason.
    fn down(&self, reason: &str) -> Fault {
        let group = &self.0.settings.group_name;
        let sentence = format!(
            "{self} does not run: the APIService v1alpha1.{group} is not available ({reason}); kubectl get apiservice v1alpha1.{group} \
             says more"
        );
        Fault::new(FaultKind::Unreachable, sentence)
    }
}

/// What the API server knows of a webhook.
enum ApiService {
    /// It has no APIService.
    Missing,
    /// Its APIService is not available; the reason in one word. The message is not for tenants: it may name what they cannot see.
    Unavailable(String),
    /// Its APIService is available.
    Available,
    /// That cannot be read, for example because certlet may not.
    Unreadable,
}

impl ApiService {
    fn of(service: &APIService) -> Self {
        let mut conditions = service
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        let available = conditions.find(|condition| condition.type_ == "Available");
        match available {
            Some(condition) if condition.status == "True" => Self::Available,
            Some(condition) => Self::Unavailable(excerpt(condition.reason.as_deref().unwrap_or("no reason"))),
            None => Self::Unavailable("the API server has not tried it yet".to_owned()),
        }
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
        // one record if the webhook is not known to take several at once
        for (txts, action) in [(&change.remove, Action::CleanUp), (&change.add, Action::Present)] {
            let calls = txts.iter().map(|txt| self.call(zone, txt, action));
            join_all(calls).await.into_iter().collect::<Result<(), Fault>>()?;
        }
        Ok(None)
    }

    /// cert-manager never calls a webhook for two records of a name at a time, and most webhooks were tried with it alone.
    fn most_records(&self) -> usize {
        if self.0.allows.parallel { AT_ONCE } else { 1 }
    }

    fn limit(&self) -> Duration {
        LIMIT
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
