//! A Secret that was read live, compared with the index.

use std::sync::Arc;

use crate::{cluster::store::is_newer, plan::seen::SecretSeen};

/// A live read of a Secret, and the resourceVersion that the index had before it.
#[derive(Debug)]
pub(super) struct SecretRead {
    found: Option<Arc<SecretSeen>>,
    indexed: Option<Box<str>>,
}

impl SecretRead {
    pub(super) fn new(indexed: Option<&SecretSeen>, found: Option<Arc<SecretSeen>>) -> Self {
        Self {
            found,
            indexed: indexed.map(|secret| secret.meta.resource_version.clone()),
        }
    }

    /// The newer of the live read and the index. Secrets without our label are not in the index, and the index may be behind.
    /// What it had before the live read is older than the live read.
    pub(super) fn or_newer(&self, indexed: Option<Arc<SecretSeen>>) -> Option<Arc<SecretSeen>> {
        let Some(indexed) = indexed else {
            return self.found.clone();
        };
        let version = &indexed.meta.resource_version;
        let newer = match &self.found {
            Some(found) => is_newer(version, &found.meta.resource_version),
            None => self.indexed.as_ref() != Some(version),
        };
        if newer { Some(indexed) } else { self.found.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pki::{chain::SizeLimits, summary::PairSummary},
        plan::request::fixture::meta,
    };

    fn secret(version: &str) -> Arc<SecretSeen> {
        let mut meta = meta("web-tls", "secret-uid");
        meta.resource_version = version.into();
        Arc::new(SecretSeen {
            meta,
            type_: "kubernetes.io/tls".into(),
            data_keys: Box::default(),
            pair: Box::new(PairSummary::new(None, None, None, &SizeLimits::default())),
            wrong_formats: Box::default(),
            managed: Arc::default(),
            digest: [0; 32],
        })
    }

    /// NB-07: a watch that lags must not have a certificate issued again that the Secret holds already.
    #[test]
    fn of_an_answer_and_an_index_the_newer_one_counts() {
        let version = |live: &SecretRead, indexed: Option<&str>| {
            let believed = live.or_newer(indexed.map(secret));
            believed.map(|secret| secret.meta.resource_version.to_string())
        };
        let found = SecretRead::new(Some(&secret("10")), Some(secret("20")));
        assert_eq!(
            version(&found, Some("10")).as_deref(),
            Some("20"),
            "the index is behind"
        );
        assert_eq!(
            version(&found, Some("30")).as_deref(),
            Some("30"),
            "we have written since"
        );
        assert_eq!(version(&found, None).as_deref(), Some("20"), "it has no label");
        let gone = SecretRead::new(Some(&secret("10")), None);
        assert_eq!(
            version(&gone, Some("10")),
            None,
            "the index has not heard of the deletion"
        );
        assert_eq!(version(&gone, Some("30")).as_deref(), Some("30"), "it was made anew");
        assert_eq!(version(&gone, None), None);
    }
}
