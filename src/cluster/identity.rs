//! The identity of this process at the API server.

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use kube::{Api, api::PostParams};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
};

/// The API group version of MutatingAdmissionPolicies, which record the requester. Available from Kubernetes 1.36 on.
const ADMISSION: &str = "admissionregistration.k8s.io/v1";

impl Reader {
    /// Whether the API server can record the requester of a CertificateRequest (VAL-34).
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub async fn can_write_requesters(&self) -> Result<bool, Error> {
        let call = Call {
            verb: "list",
            kind: "APIResource".into(),
            object: ADMISSION.into(),
        };
        let found = within(call, self.client().list_api_group_resources(ADMISSION)).await?;
        let mut kinds = found.resources.iter().map(|resource| resource.kind.as_str());
        Ok(kinds.any(|kind| kind == "MutatingAdmissionPolicy"))
    }

    /// User name, uid and groups of this process.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub async fn whoami(&self) -> Result<UserInfo, Error> {
        let call = Call {
            verb: "create",
            kind: "SelfSubjectReview".into(),
            object: "for this process".into(),
        };
        let reviews: Api<SelfSubjectReview> = Api::all(self.client().clone());
        let review = within(
            call,
            reviews.create(&PostParams::default(), &SelfSubjectReview::default()),
        )
        .await?;
        Ok(review.status.and_then(|status| status.user_info).unwrap_or_default())
    }
}
