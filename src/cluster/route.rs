//! Decoding of HTTPRoutes into their records.

use serde::{Deserialize, Deserializer};

use super::wire::ObjectIn;
use crate::{
    api::{gateway::HttpRouteStatus, http01::ParentRef},
    plan::route::RouteSeen,
};

/// `spec` without the rules, which may be large and are never read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecIn {
    parent_refs: Vec<ParentRef>,
    hostnames: Vec<Box<str>>,
}

impl<'de> Deserialize<'de> for RouteSeen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = ObjectIn::deserialize(deserializer)?;
        // the API server validates the types of these fields
        let (spec, _) = object.readable_spec::<SpecIn>();
        let status: HttpRouteStatus = object.readable_status();
        let seen = Self {
            meta: object.metadata.into(),
            parent_refs: spec.parent_refs.into(),
            hostnames: spec.hostnames.into(),
            parents: status.parents.into(),
        };
        Ok(seen.lean())
    }
}
