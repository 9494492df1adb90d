//! Types that are read from the API server, by their scope.

use k8s_openapi::serde::de::DeserializeOwned;
use kube::{
    Resource,
    core::{ClusterResourceScope, NamespaceResourceScope},
};

/// A type whose objects are in namespaces.
pub(crate) trait Namespaced:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
}

impl<K> Namespaced for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
}

/// A type whose objects are in no namespace.
pub(crate) trait ClusterScoped:
    Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
}

impl<K> ClusterScoped for K where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
}
