//! What the API server serves, and the ConfigMap in which the policy about approvals looks it up (VAL-35).

use http::{
    Request, StatusCode,
    header::{ACCEPT, ETAG, HeaderValue, IF_NONE_MATCH},
};
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
    client::Body,
};
use serde_json::json;

use super::{
    error::{Call, Error},
    reader::{Reader, within},
    writer::{FIELD_MANAGER, Writer, where_nothing_is},
};
use crate::{
    api::names,
    plan::issuer_kinds::{Data, Served},
};

/// All groups with all resources in one answer (Kubernetes 1.30).
const AGGREGATED: HeaderValue =
    HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
/// Largest answer that is read: some 100 times that of a server without others' kinds.
const MAX_ANSWER: usize = 16 << 20;

/// What the API server serves, and by which tag it knows that answer again.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// The answer.
    pub served: Served,
    tag: Option<HeaderValue>,
}

/// The ConfigMap as it is.
#[derive(Debug)]
pub struct KindsFound {
    /// What it holds.
    pub data: Data,
    version: Option<String>,
}

impl Reader {
    /// What the API server serves, if that is not what it served before.
    ///
    /// # Errors
    /// When it does not answer, or not in the form that Kubernetes has had since 1.30.
    pub async fn discover(&self, before: &Discovery) -> Result<Option<Discovery>, Error> {
        let call = Call {
            verb: "list",
            kind: "APIGroup".into(),
            object: "of the cluster".into(),
        };
        let unreadable = |message: String| Error::Answer {
            call: call.clone(),
            message,
        };
        let mut request = Request::get("/apis").header(ACCEPT, AGGREGATED);
        if let Some(tag) = &before.tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let request = request
            .body(Body::empty())
            .map_err(|error| unreadable(error.to_string()))?;
        let asked = async {
            let answer = self.client().send(request).await?;
            let (head, body) = answer.into_parts();
            let text = Limited::new(body, MAX_ANSWER).collect().await;
            Ok((head, text.map(http_body_util::Collected::to_bytes)))
        };
        let (head, body) = within(call.clone(), asked).await?;
        if head.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        if head.status != StatusCode::OK {
            return Err(unreadable(format!("its status is {}", head.status)));
        }
        let body = body.map_err(|error| unreadable(error.to_string()))?;
        let text = std::str::from_utf8(&body).map_err(|error| unreadable(error.to_string()))?;
        let served = Served::read(text).map_err(|error| unreadable(error.to_string()))?;
        let tag = head.headers.get(ETAG).cloned();
        Ok(Some(Discovery { served, tag }))
    }

    /// The ConfigMap of issuer kinds in this namespace.
    ///
    /// # Errors
    /// When it may not be read.
    pub async fn issuer_kinds(&self, namespace: &str) -> Result<KindsFound, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client().clone(), namespace);
        let found = within(call("get", namespace), api.get_opt(names::ISSUER_KINDS)).await?;
        let (data, version) = found.map_or((None, None), |found| (found.data, found.metadata.resource_version));
        Ok(KindsFound {
            data: data.unwrap_or_default(),
            version,
        })
    }
}

impl Writer {
    /// Writes the ConfigMap of issuer kinds over the one that was found, or where there was none.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when it was changed meanwhile.
    pub async fn write_issuer_kinds(&self, namespace: &str, found: &KindsFound, data: &Data) -> Result<(), Error> {
        let call = self.allowed(call("apply", namespace))?;
        let mut body = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": names::ISSUER_KINDS, "namespace": namespace,
                "labels": { "app.kubernetes.io/name": "certlet", "app.kubernetes.io/instance": "certlet" } },
            "data": data,
        });
        let precondition = found.version.as_ref().map_or_else(
            where_nothing_is,
            |version| json!({ "metadata": { "resourceVersion": version } }),
        );
        super::writer::merge(&mut body, precondition);
        let api: Api<ConfigMap> = Api::namespaced(self.client().clone(), namespace);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        within(call, api.patch(names::ISSUER_KINDS, &parameters, &Patch::Apply(body)))
            .await
            .map(drop)
    }
}

fn call(verb: &'static str, namespace: &str) -> Call {
    Call {
        verb,
        kind: "ConfigMap".into(),
        object: format!("{namespace}/{}", names::ISSUER_KINDS),
    }
}
