//! Questions to the API server about rights: whether this process, or another user, may do something. They write nothing.

use std::fmt;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::{Api, Client, api::PostParams};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
};

/// One verb for one resource, as in a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    /// The namespace; empty for all, and for cluster-scoped resources.
    pub namespace: String,
    /// API group; empty for the core.
    pub group: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Subresource, for example `status`; may be empty.
    pub subresource: String,
    /// The only object; empty for all.
    pub name: String,
    /// The verb.
    pub verb: String,
}

/// As `kubectl auth can-i` shows it, without the namespace: `patch issuers.cert-manager.io/status`.
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource())
    }
}

impl Right {
    /// The resource with its group, subresource and name.
    pub(crate) fn resource(&self) -> String {
        let Self {
            namespace: _,
            group,
            resource,
            subresource,
            name,
            verb: _,
        } = self;
        let mut text = resource.clone();
        for (mark, part) in [(".", group), ("/", subresource), (" ", name)] {
            if !part.is_empty() {
                text = text + mark + part;
            }
        }
        text
    }

    fn attributes(&self) -> ResourceAttributes {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        ResourceAttributes {
            namespace: given(&self.namespace),
            group: given(&self.group),
            resource: given(&self.resource),
            subresource: given(&self.subresource),
            name: given(&self.name),
            verb: given(&self.verb),
            ..ResourceAttributes::default()
        }
    }
}

/// Whether the user of `client` has a right.
///
/// # Errors
/// If the API server rejects the question, or cannot be reached.
pub(crate) async fn caller_may(client: &Client, right: &Right) -> Result<bool, kube::Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(right.attributes()),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(is_allowed(answer.status))
}

fn is_allowed(status: Option<SubjectAccessReviewStatus>) -> bool {
    status.is_some_and(|status| status.allowed)
}

impl Reader {
    /// Whether this process has a right.
    ///
    /// # Errors
    /// If the API server rejects the question, or cannot be reached.
    pub(crate) async fn caller_may(&self, right: &Right) -> Result<bool, Error> {
        within(call("SelfSubjectAccessReview", right), caller_may(self.client(), right)).await
    }

    /// Whether a ServiceAccount has a right.
    ///
    /// # Errors
    /// If this process may not ask, or the API server cannot be reached.
    pub(crate) async fn service_account_may(
        &self,
        (namespace, name): (&str, &str),
        right: &Right,
    ) -> Result<bool, Error> {
        let groups = [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ];
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user_name(namespace, name)),
                groups: Some(groups.into()),
                resource_attributes: Some(right.attributes()),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client().clone());
        let parameters = PostParams::default();
        let answer = reviews.create(&parameters, &review);
        let answer = within(call("SubjectAccessReview", right), answer).await?;
        Ok(is_allowed(answer.status))
    }
}

/// The user name of a ServiceAccount.
pub(crate) fn user_name(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

fn call(kind: &str, right: &Right) -> Call {
    Call {
        verb: "create",
        kind: kind.to_owned(),
        object: format!("for {right}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_shown_with_its_group_subresource_and_name() {
        let mut right = Right {
            group: "cert-manager.io".into(),
            resource: "issuers".into(),
            subresource: "status".into(),
            verb: "patch".into(),
            ..Right::default()
        };
        assert_eq!(right.to_string(), "patch issuers.cert-manager.io/status");
        right.subresource.clear();
        right.group.clear();
        right.name = "web".into();
        assert_eq!(right.to_string(), "patch issuers web");
    }
}
