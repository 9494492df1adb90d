//! Kubernetes CertificateSigningRequests, which are watched if the feature gate is on (GAT-01). They are few and short-lived.

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    certificates::v1::CertificateSigningRequestSpec,
};
use kube::{Api, api::PostParams};
use serde::{Deserialize, Deserializer};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
    wire::ObjectIn,
};
use crate::{
    pki::{self, csr},
    plan::signing_request::{SignerName, SigningRequestSeen},
};

impl<'de> Deserialize<'de> for SigningRequestSeen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = ObjectIn::deserialize(deserializer)?;
        let (mut spec, mut unreadable) = object.readable_spec::<CertificateSigningRequestSpec>();
        // only the PEM block is stored; the planner reports what is wrong with the text, except that it is too large
        match csr::only_request_within(&spec.request.0, super::secret::size_limits().request()) {
            Ok(der) => spec.request.0 = csr::to_pem(&der),
            Err(error @ pki::Error::TooLarge { .. }) => {
                unreadable.get_or_insert_with(|| format!("spec.request: {error}").into());
                spec.request.0 = Vec::new();
            }
            Err(_) => {}
        }
        Ok(Self {
            unreadable,
            spec,
            status: object.readable_status(),
            meta: object.metadata.into(),
        })
    }
}

impl Reader {
    /// Whether the requester of `request` may refer to the namespaced issuer, by its name or for the whole namespace (CSR-03).
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn may_refer(&self, request: &SigningRequestSeen, issuer: &SignerName) -> Result<bool, Error> {
        for name in [issuer.name.as_str(), "*"] {
            let spec = &request.spec;
            let review = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    user: spec.username.clone(),
                    uid: spec.uid.clone(),
                    groups: spec.groups.clone(),
                    extra: spec.extra.clone(),
                    resource_attributes: Some(ResourceAttributes {
                        group: Some(crate::api::GROUP.to_owned()),
                        resource: Some("signers".to_owned()),
                        verb: Some("reference".to_owned()),
                        namespace: Some(issuer.namespace.clone()),
                        name: Some(name.to_owned()),
                        version: Some("*".to_owned()),
                        ..ResourceAttributes::default()
                    }),
                    ..SubjectAccessReviewSpec::default()
                },
                ..SubjectAccessReview::default()
            };
            let call = Call {
                verb: "create",
                kind: "SubjectAccessReview".into(),
                object: format!("for the requester of {}", request.meta.name()),
            };
            let reviews: Api<SubjectAccessReview> = Api::all(self.client().clone());
            let answer = within(call, reviews.create(&PostParams::default(), &review)).await?;
            if answer.status.is_some_and(|status| status.allowed) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
