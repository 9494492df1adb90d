//! HTTPRoutes of HTTP-01: the listener that they attach to, and what the controllers of their parents report (HTT-12, GWS-06,
//! GWS-07).

mod listener;
mod report;
#[cfg(test)]
mod tests;
mod verdict;

use jiff::SignedDuration;

pub use self::{
    listener::attached,
    verdict::{RouteVerdict, verdict},
};
use crate::{
    api::{
        Condition,
        gateway::{Listener, ListenerStatus},
        http01::ParentRef,
    },
    plan::seen::ObjectKey,
};

/// How long a refusal may last before it is reported: a controller may see the HTTPRoute before its Gateway.
pub const REFUSED_FOR: SignedDuration = SignedDuration::from_secs(1);
/// How long no controller may answer before that is reported. With a check that follows within a second, all is reported within
/// four seconds.
pub const SILENT_FOR: SignedDuration = SignedDuration::from_secs(3);

/// A parent of an HTTPRoute.
#[derive(Clone, Debug, PartialEq)]
pub struct ParentSeen {
    /// The reference to it.
    pub reference: ParentRef,
    /// Its namespace and name.
    pub key: ObjectKey,
    /// What is known of it.
    pub found: ParentFound,
}

/// What is known of a parent.
#[derive(Clone, Debug, PartialEq)]
pub enum ParentFound {
    /// It is of a kind that is not watched.
    NotWatched,
    /// It does not exist.
    Missing,
    /// It exists.
    Found(Box<Offered>),
}

/// The parts of a Gateway or `ListenerSet` that decide about an HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offered {
    /// Name of the `GatewayClass`; `None` for a `ListenerSet`.
    pub class: Option<String>,
    /// Listeners.
    pub listeners: Vec<Listener>,
    /// The status of each listener.
    pub statuses: Vec<ListenerStatus>,
    /// Conditions of the whole.
    pub conditions: Vec<Condition>,
}
