//! Creations that store no object: calls of aggregated APIs, and tokens of ServiceAccounts.

use http::{Method, Request, header};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};

use super::reader::Reader;
use crate::{pki::hidden::Hidden, plan::seen::ObjectKey};

/// Why nothing was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The status of the API server's answer; `None` if there is no answer.
    pub code: Option<u16>,
    /// Its message, or why there is none.
    pub message: String,
}

impl From<kube::Error> for Refused {
    fn from(error: kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            return Self {
                code: Some(status.code),
                message: status.message,
            };
        }
        Self {
            code: None,
            message: error.to_string(),
        }
    }
}

impl Refused {
    /// What to do about a refused token of a ServiceAccount, and whether an administrator has to do it.
    pub(crate) fn token_advice(&self, account: &ObjectKey) -> (bool, String) {
        let (namespace, name) = (&account.namespace, &account.name);
        match self.code {
            Some(403) => (
                true,
                format!(
                    "certlet may not create a token of the ServiceAccount {account}: give it the verb create on serviceaccounts/token \
                     with the resource name {name} by a Role in {namespace}"
                ),
            ),
            Some(404) => (
                true,
                format!("the ServiceAccount {account} does not exist: create it, or correct serviceAccountRef"),
            ),
            Some(_) | None => (
                false,
                format!("the API server gives no token of the ServiceAccount {account}"),
            ),
        }
    }
}

impl Reader {
    /// Posts JSON to a path of the API server, and returns the answer. The caller limits the time.
    ///
    /// # Errors
    /// If the API server refuses the call, or cannot be reached.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<String, Refused> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let request = request.map_err(|error| Refused {
            code: None,
            message: error.to_string(),
        })?;
        Ok(self.client().request_text(request).await?)
    }

    /// A token of a ServiceAccount for these audiences, which is valid for `seconds`.
    ///
    /// # Errors
    /// If the API server refuses it, or cannot be reached.
    pub(crate) async fn token(
        &self,
        account: &ObjectKey,
        audiences: Vec<String>,
        seconds: i64,
    ) -> Result<Hidden<String>, Refused> {
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences,
                expiration_seconds: Some(seconds),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let api: Api<ServiceAccount> = Api::namespaced(self.client().clone(), &account.namespace);
        let answer = api
            .create_token_request(&account.name, &PostParams::default(), &request)
            .await?;
        Ok(Hidden::new(
            answer.status.map(|status| status.token).unwrap_or_default(),
        ))
    }
}
