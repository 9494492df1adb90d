//! Counts requests to the API server, by the labels of the API server's own counter.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{HeaderMap, Method, Uri, header::CONTENT_TYPE};
use kube::client::Body;
use tower::{BoxError, Service};

use crate::process::metrics::{ApiCall, Metrics};

/// A layer that counts requests when their answer begins; without metrics it does nothing.
#[derive(Clone)]
pub(super) struct Counted<S> {
    /// The counters.
    pub metrics: Option<Arc<Metrics>>,
    /// What sends the requests.
    pub service: S,
}

impl<S, B> Service<http::Request<Body>> for Counted<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let counted = self.metrics.clone().and_then(|metrics| {
            let call = call_of(request.method(), request.uri(), request.headers())?;
            Some((metrics, call))
        });
        let answer = self.service.call(request);
        Box::pin(async move {
            let began = tokio::time::Instant::now();
            let answer = answer.await;
            if let Some((metrics, mut call)) = counted {
                call.code = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
                let took = began.elapsed();
                tracing::trace!(
                    resource = call.resource,
                    subresource = call.subresource,
                    verb = call.verb,
                    code = call.code,
                    ?took,
                    "request to the API server"
                );
                metrics.api_calls.count(call);
            }
            answer
        })
    }
}

/// The labels of a request; `None` for a path outside of the API groups, such as `/version`.
fn call_of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<ApiCall> {
    let mut parts = uri.path().split('/').filter(|part| !part.is_empty());
    let versions = match parts.next()? {
        "api" => 1,
        "apis" => 2,
        _ => return None,
    };
    let mut parts = parts.skip(versions).collect::<Vec<_>>().into_iter();
    if parts.len() >= 3 && parts.as_slice().first() == Some(&"namespaces") {
        parts.nth(1);
    }
    let (resource, name, subresource) = (parts.next()?, parts.next(), parts.next().unwrap_or_default());
    let is_apply = || {
        let type_ = headers.get(CONTENT_TYPE).and_then(|type_| type_.to_str().ok());
        type_.is_some_and(|type_| type_.contains("apply-patch"))
    };
    let verb = match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH if is_apply() => "apply",
        Method::PATCH => "patch",
        Method::DELETE if name.is_none() => "deletecollection",
        Method::DELETE => "delete",
        _ if uri.query().is_some_and(|query| query.contains("watch=true")) => "watch",
        _ if name.is_none() => "list",
        _ => "get",
    };
    Some(ApiCall {
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        verb,
        code: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_labels_that_the_api_server_gives_them() {
        let apply = HeaderMap::from_iter([(CONTENT_TYPE, "application/apply-patch+yaml".parse().unwrap())]);
        let merge = HeaderMap::from_iter([(CONTENT_TYPE, "application/merge-patch+json".parse().unwrap())]);
        let none = HeaderMap::new();
        for (method, uri, headers, expected) in [
            (
                Method::GET,
                "/api/v1/namespaces/shop/secrets/web",
                &none,
                ("secrets", "", "get"),
            ),
            (Method::GET, "/api/v1/namespaces/shop", &none, ("namespaces", "", "get")),
            (
                Method::GET,
                "/api/v1/secrets?watch=true&limit=1",
                &none,
                ("secrets", "", "watch"),
            ),
            (
                Method::GET,
                "/apis/cert-manager.io/v1/certificates?",
                &none,
                ("certificates", "", "list"),
            ),
            (
                Method::PATCH,
                "/api/v1/namespaces/shop/secrets/web?force=true",
                &apply,
                ("secrets", "", "apply"),
            ),
            (
                Method::PATCH,
                "/apis/cert-manager.io/v1/namespaces/shop/certificates/web/status",
                &merge,
                ("certificates", "status", "patch"),
            ),
            (
                Method::PATCH,
                "/apis/cert-manager.io/v1/clusterissuers/ca/status",
                &merge,
                ("clusterissuers", "status", "patch"),
            ),
            (
                Method::POST,
                "/api/v1/namespaces/a/serviceaccounts/b/token",
                &none,
                ("serviceaccounts", "token", "create"),
            ),
            (
                Method::PUT,
                "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/l",
                &none,
                ("leases", "", "update"),
            ),
            (
                Method::DELETE,
                "/api/v1/namespaces/shop/secrets/web",
                &none,
                ("secrets", "", "delete"),
            ),
        ] {
            let call = call_of(&method, &uri.parse().unwrap(), headers).unwrap();
            assert_eq!(
                (&*call.resource, &*call.subresource, call.verb),
                expected,
                "{method} {uri}"
            );
        }
        assert_eq!(call_of(&Method::GET, &"/version".parse().unwrap(), &none), None);
    }
}
