//! What an installation consists of: definitions, policies, Leases, and who owns its objects. For commands that report on it.

use http::{HeaderMap, Request};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        coordination::v1::{Lease, LeaseSpec},
        core::v1::ServiceAccount,
        rbac::v1::{ClusterRole, ClusterRoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, version::Info},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams},
    client::Body,
    core::GroupVersionKind,
};

use super::{
    controllers::INSTALLED,
    error::{Call, Error},
    reader::{Reader, list_readable, within},
    scope::ClusterScoped,
};
use crate::{api::names, plan::seen::ObjectKey};

/// The version of the API.
const VERSION: &str = "v1";

/// A custom resource definition, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Definition {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Whether `v1` is served, and the API server has accepted the names.
    pub is_served: bool,
    /// The versions in which objects may be stored.
    pub stored_versions: Vec<String>,
    /// Whether the schema of `v1` has validation rules.
    pub has_rules: bool,
    /// The Service or URL that converts between versions, if one does.
    pub converter: Option<String>,
}

/// The names of admission policies and of what puts them in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policies {
    /// Names of policies.
    pub policies: Vec<String>,
    /// Names of the policies that a binding names.
    pub bound: Vec<String>,
}

/// A Lease of a controller.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LeaseRecord {
    /// Its namespace.
    pub namespace: String,
    /// Its spec.
    pub spec: LeaseSpec,
}

/// Duration of a Lease without `leaseDurationSeconds`.
const DEFAULT_DURATION: SignedDuration = SignedDuration::from_secs(60);

/// How long ago a Lease was renewed; `None` if it never was.
pub(crate) fn age(now: Timestamp, lease: &LeaseSpec) -> Option<SignedDuration> {
    lease.renew_time.as_ref().map(|renewed| now.duration_since(renewed.0))
}

/// Whether a Lease was not renewed within its duration: its holder has ended.
pub(crate) fn is_stale(now: Timestamp, lease: &LeaseSpec) -> bool {
    let seconds = lease.lease_duration_seconds.map(i64::from);
    let duration = seconds.map_or(DEFAULT_DURATION, SignedDuration::from_secs);
    age(now, lease).is_none_or(|age| age > duration)
}

impl Reader {
    /// The definition of this name; `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn definition(&self, name: &str) -> Result<Option<Definition>, Error> {
        let found = self.cluster_object::<CustomResourceDefinition>(name).await?;
        Ok(found.map(definition))
    }

    /// The plural names of the kinds that the API server serves in `v1` of a group; empty if it does not know the group.
    ///
    /// # Errors
    /// If the API server cannot be reached.
    pub(crate) async fn served(&self, group: &str) -> Result<Vec<String>, Error> {
        let version = format!("{group}/{VERSION}");
        let call = call("list", "APIResource", &version);
        match within(call, self.client().list_api_group_resources(&version)).await {
            Ok(found) => Ok(found.resources.into_iter().map(|resource| resource.name).collect()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The validating admission policies, and their bindings.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn validating_policies(&self) -> Result<Policies, Error> {
        let policies = self.named_like::<ValidatingAdmissionPolicy>("").await?;
        let bindings = self.listed_all::<ValidatingAdmissionPolicyBinding>("").await?;
        let bound = bindings.into_iter().filter_map(|binding| binding.spec?.policy_name);
        Ok(Policies {
            policies: policies.into_iter().filter_map(|meta| meta.name).collect(),
            bound: bound.collect(),
        })
    }

    /// The mutating admission policies, and their bindings, on a server that has them ([`Reader::can_write_requesters`]).
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn mutating_policies(&self) -> Result<Policies, Error> {
        let list = async |kind: &str, plural: &str| {
            let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
            let api: Api<DynamicObject> = Api::all_with(self.client().clone(), &resource);
            within(call("list", kind, "*"), api.list(&ListParams::default())).await
        };
        let policies = list("MutatingAdmissionPolicy", "mutatingadmissionpolicies").await?;
        let bindings = list("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings").await?;
        let bound = bindings.items.iter().filter_map(|binding| {
            let name = binding.data.pointer("/spec/policyName")?;
            name.as_str().map(str::to_owned)
        });
        Ok(Policies {
            policies: policies
                .items
                .into_iter()
                .filter_map(|policy| policy.metadata.name)
                .collect(),
            bound: bound.collect(),
        })
    }

    /// The Lease for leader election in a namespace; `None` if there is none.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn lease(&self, namespace: &str) -> Result<Option<LeaseRecord>, Error> {
        self.lease_of_name(namespace, names::LEASE_NAME).await
    }

    /// The Lease for the injection of CAs in a namespace; `None` if there is none.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn injection_lease(&self, namespace: &str) -> Result<Option<LeaseRecord>, Error> {
        self.lease_of_name(namespace, names::INJECTION_LEASE_NAME).await
    }

    async fn lease_of_name(&self, namespace: &str, name: &str) -> Result<Option<LeaseRecord>, Error> {
        let key = ObjectKey::new(namespace, name);
        let found = self.object::<Lease>(&key).await?;
        Ok(found.map(|lease| LeaseRecord {
            namespace: namespace.to_owned(),
            spec: lease.spec.unwrap_or_default(),
        }))
    }

    /// The metadata of a ServiceAccount; `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn service_account(&self, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, Error> {
        let found = self.object::<ServiceAccount>(&ObjectKey::new(namespace, name)).await?;
        Ok(found.map(|account| account.metadata))
    }

    /// The metadata of the cluster roles and their bindings that certlet and cert-manager install.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn role_metadata(&self) -> Result<Vec<ObjectMeta>, Error> {
        let mut found = self.named_like::<ClusterRole>(INSTALLED).await?;
        found.extend(self.named_like::<ClusterRoleBinding>(INSTALLED).await?);
        Ok(found)
    }

    /// The version of the API server, and the headers of its answer.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn server_version(&self) -> Result<(String, HeaderMap), Error> {
        let call = call("get", "version", "of the API server");
        let request = Request::get("/version")
            .body(Body::empty())
            .map_err(|error| Error::Answer {
                call: call.clone(),
                message: error.to_string(),
            })?;
        let answer = within(call.clone(), self.client().send(request)).await?;
        let headers = answer.headers().clone();
        let body = within(call.clone(), answer.into_body().collect_bytes()).await?;
        let Info { git_version, .. } = serde_json::from_slice(&body).map_err(|error| Error::Answer {
            call,
            message: error.to_string(),
        })?;
        Ok((git_version, headers))
    }

    async fn named_like<K: ClusterScoped>(&self, labels: &str) -> Result<Vec<ObjectMeta>, Error> {
        let api: Api<K> = Api::all(self.client().clone());
        let selected = ListParams::default().labels(labels);
        let found = within(call("list", &K::kind(&()), "*"), api.list_metadata(&selected)).await?;
        Ok(found.items.into_iter().map(|found| found.metadata).collect())
    }

    async fn listed_all<K: ClusterScoped>(&self, labels: &str) -> Result<Vec<K>, Error> {
        let selected = ListParams::default().labels(labels);
        let listed = list_readable(self.client(), None, &selected);
        within(call("list", &K::kind(&()), "*"), listed).await
    }
}

fn call(verb: &'static str, kind: &str, object: &str) -> Call {
    Call {
        verb,
        kind: kind.to_owned(),
        object: object.to_owned(),
    }
}

fn definition(found: CustomResourceDefinition) -> Definition {
    let CustomResourceDefinition { metadata, spec, status } = found;
    let status = status.unwrap_or_default();
    let holds = |type_: &str| {
        let mut conditions = status.conditions.iter().flatten();
        conditions.any(|condition| condition.type_ == type_ && condition.status == "True")
    };
    let version = spec.versions.iter().find(|version| version.name == VERSION);
    let schema = version.and_then(|version| version.schema.as_ref());
    let schema = schema.and_then(|schema| serde_json::to_string(schema).ok());
    let webhook = spec
        .conversion
        .as_ref()
        .and_then(|conversion| conversion.webhook.as_ref());
    let client = webhook.and_then(|webhook| webhook.client_config.as_ref());
    let converter = client.map(|client| match (&client.service, &client.url) {
        (Some(service), _) => format!("Service {}/{}", service.namespace, service.name),
        (None, url) => url.clone().unwrap_or_default(),
    });
    Definition {
        is_served: version.is_some_and(|version| version.served) && holds("Established") && holds("NamesAccepted"),
        stored_versions: status.stored_versions.clone().unwrap_or_default(),
        has_rules: schema.is_some_and(|schema| schema.contains("\"x-kubernetes-validations\"")),
        converter,
        meta: metadata,
    }
}
