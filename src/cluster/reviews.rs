//! Who holds a token, and what they may do, in the words of the API server.

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, api::PostParams};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
};

impl Reader {
    /// The user that a token belongs to; `None` if the API server does not accept it.
    ///
    /// # Errors
    /// If this process may not create `TokenReviews`, or the API server cannot be reached.
    pub(crate) async fn user_of_token(&self, token: &str) -> Result<Option<UserInfo>, Error> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: None,
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client().clone());
        let answer = within(call("TokenReview"), api.create(&PostParams::default(), &review)).await?;
        let status = answer.status.unwrap_or_default();
        Ok(status.user.filter(|_| status.authenticated == Some(true)))
    }

    /// Whether a user may `get` a path that is no resource.
    ///
    /// # Errors
    /// If this process may not create `SubjectAccessReviews`, or the API server cannot be reached.
    pub(crate) async fn may_get_path(&self, user: UserInfo, path: &str) -> Result<bool, Error> {
        let UserInfo {
            username,
            uid,
            groups,
            extra,
        } = user;
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: username,
                uid,
                groups,
                extra,
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some(path.to_owned()),
                    verb: Some("get".to_owned()),
                }),
                resource_attributes: None,
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client().clone());
        let answer = within(call("SubjectAccessReview"), api.create(&PostParams::default(), &review)).await?;
        Ok(answer
            .status
            .is_some_and(|status| status.allowed && status.denied != Some(true)))
    }
}

fn call(kind: &str) -> Call {
    Call {
        verb: "create",
        kind: kind.to_owned(),
        object: "of a bearer token".to_owned(),
    }
}
