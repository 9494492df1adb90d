//! Who we are to the API server.

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use kube::{Api, api::PostParams};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
};

impl Reader {
    /// Name, uid and groups under which the API server knows this process.
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
