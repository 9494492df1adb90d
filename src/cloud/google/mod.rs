//! Access tokens of Google Cloud: with the key of a service account, with a token of another identity provider, or from the
//! metadata service of the machine (workload identity of GKE).

mod external;
mod file;
mod key;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Url;

use self::{external::ExternalAccount, file::CredentialFile, key::ServiceAccountKey};
use super::{
    Api, Call, Cloud, Fault, FaultKind, Reply,
    oauth::{self, Token},
};
use crate::pki::hidden::Hidden;

/// Its name, for sentences.
const NAME: &str = "Google Cloud";
/// Read and write access to the records of all zones, and nothing else.
const SCOPE: &str = "https://www.googleapis.com/auth/ndev.clouddns.readwrite";
/// The variable with the path of a file with credentials.
const FILE_VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// The variable with host and port of the metadata service.
const METADATA_VARIABLE: &str = "GCE_METADATA_HOST";
/// The address of the metadata service.
const METADATA_HOST: &str = "169.254.169.254";

/// A login at Google Cloud. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    source: Arc<Source>,
    credential: String,
}

#[derive(Debug)]
enum Source {
    Key(ServiceAccountKey),
    External(ExternalAccount),
    Metadata(Url),
}

impl Login {
    /// With the JSON key of a service account. `place` is where it is, for sentences.
    ///
    /// # Errors
    /// If it is something else.
    pub(crate) fn with_key(json: &[u8], place: &str) -> Result<Self, Fault> {
        match CredentialFile::parse(json, place)? {
            CredentialFile::Key(key) => Ok(Self::new(Source::Key(key), &super::fingerprint(json))),
            // it names a file to read, and servers to ask: only the administrator may do that
            CredentialFile::External(_) => Err(wrong(format!(
                "{place} is of type external_account, which is accepted from the file that {FILE_VARIABLE} names, and not from a \
                 Secret: use the key of a service account, or workload identity"
            ))),
        }
    }

    /// With what the environment provides: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, or the metadata service.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub(crate) async fn ambient(cloud: &Cloud) -> Result<Self, Fault> {
        let Some(path) = cloud.environment.get(FILE_VARIABLE) else {
            let host = cloud.environment.get(METADATA_VARIABLE).unwrap_or(METADATA_HOST);
            let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
            let mut url: Url = url
                .parse()
                .map_err(|_| wrong(format!("{METADATA_VARIABLE} is not a host with a port")))?;
            url.query_pairs_mut().append_pair("scopes", SCOPE);
            return Ok(Self::new(Source::Metadata(url), host));
        };
        let place = format!("the file {path} ({FILE_VARIABLE})");
        let json = tokio::fs::read(path)
            .await
            .map(Hidden::new)
            .map_err(|error| wrong(format!("{place} cannot be read: {}", error.kind())))?;
        let fingerprint = super::fingerprint(json.expose());
        let source = match CredentialFile::parse(json.expose(), &place)? {
            CredentialFile::Key(key) => Source::Key(key),
            CredentialFile::External(account) => Source::External(account),
        };
        Ok(Self::new(source, &fingerprint))
    }

    fn new(source: Source, identity: &str) -> Self {
        let kind = match source {
            Source::Key(_) => "key",
            Source::External(_) => "external",
            Source::Metadata(_) => "metadata",
        };
        Self {
            source: Arc::new(source),
            credential: format!("google {kind} {identity}"),
        }
    }

    /// Identifies it without revealing a secret.
    pub(crate) fn credential(&self) -> &str {
        &self.credential
    }

    /// Who it is, for sentences.
    pub(crate) fn who(&self) -> String {
        match &*self.source {
            Source::Key(key) => format!("the service account {}", key.email),
            Source::External(_) => format!("the external account of {FILE_VARIABLE}"),
            Source::Metadata(_) => "the service account of this pod or node".to_owned(),
        }
    }

    async fn ask(&self, cloud: &Cloud) -> Result<Token, Fault> {
        match &*self.source {
            Source::Key(key) => key.token(&cloud.api(NAME), (cloud.now)()).await,
            Source::External(account) => account.token(&cloud.api(NAME), (cloud.now)()).await,
            Source::Metadata(url) => from_metadata(&cloud.platform("the metadata service of Google Cloud"), url).await,
        }
    }
}

impl oauth::Tokens for Login {
    /// A token for the scope of Cloud DNS.
    async fn token(&self, cloud: &Cloud) -> Result<Hidden<String>, Fault> {
        oauth::remembered(cloud, &self.credential, self.ask(cloud)).await
    }

    fn forget(&self, cloud: &Cloud) {
        oauth::forget(cloud, &self.credential);
    }
}

async fn from_metadata(api: &Api, url: &Url) -> Result<Token, Fault> {
    let flavour = (
        HeaderName::from_static("metadata-flavor"),
        HeaderValue::from_static("Google"),
    );
    let call = Call {
        purpose: "token",
        method: Method::GET,
        url,
        headers: HeaderMap::from_iter([flavour]),
        body: None,
    };
    let reply = api.send(call).await.map_err(|Fault { kind, sentence }| {
        let sentence = format!(
            "{sentence}; without cloudDNS.serviceAccountSecretRef the identity of the place that certlet runs in is used, which exists \
             in Google Cloud only: name a Secret there, or set {FILE_VARIABLE}"
        );
        Fault { kind, sentence }
    })?;
    match reply.status {
        StatusCode::OK => oauth::granted(&reply),
        StatusCode::NOT_FOUND => Err(wrong(format!(
            "{} has no service account for this pod or node: annotate certlet's ServiceAccount with iam.gke.io/gcp-service-account, or \
             give the node pool a service account",
            reply.server
        ))),
        StatusCode::FORBIDDEN => Err(wrong(format!(
            "{} gives no token (403): grant roles/iam.workloadIdentityUser on the service account to certlet's ServiceAccount",
            reply.server
        ))),
        _ => Err(reply.unexpected("issue a token")),
    }
}

/// Sends the form that asks a token server for a token.
async fn post_form(api: &Api, url: &Url, fields: &[(&str, &str)]) -> Result<Reply, Fault> {
    let call = Call {
        purpose: "token",
        method: Method::POST,
        url,
        headers: oauth::form_headers(),
        body: Some(oauth::form(fields)),
    };
    api.send(call).await
}

fn wrong(sentence: String) -> Fault {
    Fault::new(FaultKind::Credential, sentence)
}
