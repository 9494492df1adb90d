//! The identity of this process at the API server.

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, PostParams},
    core::GroupVersionKind,
};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
};
use crate::api::names;

/// The API group version of MutatingAdmissionPolicies, which record the requester. Available from Kubernetes 1.36 on.
const ADMISSION: &str = "admissionregistration.k8s.io/v1";
const POLICY: &str = "MutatingAdmissionPolicy";
const BINDING: &str = "MutatingAdmissionPolicyBinding";

impl Reader {
    /// Whether the API server can record the requester of a CertificateRequest (VAL-34).
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn can_write_requesters(&self) -> Result<bool, Error> {
        let call = Call {
            verb: "list",
            kind: "APIResource".into(),
            object: ADMISSION.into(),
        };
        let found = within(call, self.client().list_api_group_resources(ADMISSION)).await?;
        let mut kinds = found.resources.iter().map(|resource| resource.kind.as_str());
        Ok(kinds.any(|kind| kind == POLICY))
    }

    /// Whether the policy by which the API server records the requester is in force, on a server that can (VAL-34): its binding puts it in force.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn writes_requesters(&self) -> Result<bool, Error> {
        let call = Call {
            verb: "get",
            kind: BINDING.into(),
            object: names::REQUESTER_POLICY.into(),
        };
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", BINDING);
        let resource = ApiResource::from_gvk_with_plural(&kind, "mutatingadmissionpolicybindings");
        let bindings: Api<DynamicObject> = Api::all_with(self.client().clone(), &resource);
        let found = within(call, bindings.get_metadata_opt(names::REQUESTER_POLICY)).await?;
        Ok(found.is_some())
    }

    /// User name, uid and groups of this process.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn whoami(&self) -> Result<UserInfo, Error> {
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
