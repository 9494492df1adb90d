//! The sentences about an HTTPRoute. Each names the object and the field to edit.

use super::{
    ParentFound, ParentSeen,
    listener::{HTTP, HTTP_PORT},
};
use crate::{
    api::{
        Condition, ConditionStatus, condition,
        gateway::{ACCEPTED, Listener},
        http01::ParentRef,
    },
    plan::{
        listener::{Admission, admission, admits_kind, is_meant},
        seen::ObjectKey,
    },
    text::{excerpt, first_few},
};

/// The field of the solver that names the parents.
const PARENT_REFS: &str = "http01.gatewayHTTPRoute.parentRefs of the solver";
/// The most listeners that a sentence names.
const MOST_NAMED: usize = 5;

/// What a sentence is about: an HTTPRoute at one of its parents, for one host.
pub(super) struct Report<'a> {
    pub(super) route: &'a ObjectKey,
    pub(super) parent: &'a ParentSeen,
    pub(super) host: Option<&'a str>,
}

impl Report<'_> {
    /// The parent, as in "Gateway infra/web".
    fn name(&self) -> String {
        format!("{} {}", self.parent.reference.kind_or_default(), self.parent.key)
    }

    fn listeners(&self) -> &[Listener] {
        match &self.parent.found {
            ParentFound::Found(offered) => &offered.listeners,
            ParentFound::NotWatched | ParentFound::Missing => &[],
        }
    }

    /// The listeners that the reference means, and of those that it does not name, only the ones for HTTP.
    fn meant(&self) -> Vec<&Listener> {
        let ParentRef { section_name, port, .. } = &self.parent.reference;
        let is_named = section_name.is_some() || port.is_some();
        let meant = self.listeners().iter();
        let meant = meant.filter(|listener| is_meant(&self.parent.reference, listener));
        meant.filter(|listener| is_named || listener.protocol == HTTP).collect()
    }

    /// `Accepted` is False.
    pub(super) fn not_accepted(&self, accepted: &Condition) -> String {
        let message = said(accepted);
        match accepted.reason() {
            "NotAllowedByListeners" => self.not_allowed(&message),
            "NoMatchingListenerHostname" => self.no_hostname(&message),
            "NoMatchingParent" => self.no_listener(&message),
            _ => format!(
                "{} does not accept HTTPRoute {} ({message}){}",
                self.name(),
                self.route,
                self.faults()
            ),
        }
    }

    fn not_allowed(&self, message: &str) -> String {
        let refused = format!("{} does not accept HTTPRoute {} ({message})", self.name(), self.route);
        let namespace = &self.route.namespace;
        let own = &self.parent.key.namespace;
        let why = |listener: &&Listener| {
            let name = excerpt(&listener.name);
            match admission(listener, own, namespace) {
                Admission::No if !admits_kind(listener) => Some(format!(
                    "listener {name:?} does not admit HTTPRoutes: add the kind to its allowedRoutes.kinds"
                )),
                Admission::No => Some(format!(
                    "listener {name:?} admits routes of {} only: set its allowedRoutes.namespaces.from to All, or to \
                     Selector with a label of namespace {namespace}",
                    if from(listener) == Some("None") {
                        "no namespace".to_owned()
                    } else {
                        format!("namespace {own}")
                    },
                )),
                Admission::ByLabels => Some(format!(
                    "listener {name:?} admits routes of namespaces with certain labels only: label namespace {namespace} \
                     as its allowedRoutes.namespaces.selector requires"
                )),
                Admission::Yes => None,
            }
        };
        let meant = self.meant();
        let reasons: Vec<String> = meant.iter().filter_map(why).take(MOST_NAMED).collect();
        match (reasons.is_empty(), self.faults()) {
            (false, _) => format!("{refused}: {}", reasons.join(", and ")),
            (true, faults) if faults.is_empty() => {
                format!("{refused}: edit allowedRoutes of its listeners, or {PARENT_REFS}")
            }
            (true, faults) => format!("{refused}{faults}"),
        }
    }

    /// No listener has a hostname that matches.
    pub(super) fn no_hostname(&self, message: &str) -> String {
        let host = match self.host {
            Some(host) => format!("a hostname that matches {}", excerpt(host)),
            None => "no hostname, which an IP address needs".to_owned(),
        };
        let has = |listener: &&Listener| {
            let hostname = listener.hostname();
            format!("{:?} has {:?}", excerpt(&listener.name), excerpt(hostname))
        };
        let has = list(self.meant().iter().map(has));
        let has = if has.is_empty() {
            has
        } else {
            format!("; listener {has}")
        };
        format!(
            "no listener of {} has {host} ({message}{has}): change the hostname of a listener, add a listener for HTTP on \
             port 80, or edit {PARENT_REFS}",
            self.name()
        )
    }

    /// No listener is meant.
    fn no_listener(&self, message: &str) -> String {
        let ParentRef { section_name, port, .. } = &self.parent.reference;
        let name = self.name();
        let its = || {
            let its = self.listeners().iter();
            let its = list(its.map(|one| format!("{:?} ({}, port {})", excerpt(&one.name), one.protocol, one.port)));
            if its.is_empty() { "none".to_owned() } else { its }
        };
        if !self.listeners().is_empty() {
            let has = |is_meant: &dyn Fn(&Listener) -> bool| self.listeners().iter().any(is_meant);
            if let Some(section) = section_name
                .as_ref()
                .filter(|section| !has(&|one| one.name == **section))
            {
                return format!(
                    "{name} has no listener {:?} ({message}; its listeners: {}): change sectionName in {PARENT_REFS}",
                    excerpt(section),
                    its()
                );
            }
            if let Some(port) = port.filter(|port| !has(&|one| one.port == *port)) {
                return format!(
                    "{name} has no listener on port {port} ({message}; its listeners: {}): change port in {PARENT_REFS}",
                    its()
                );
            }
        }
        let named: Vec<&Listener> = self.meant();
        if let Some(other) = named.iter().find(|listener| listener.protocol != HTTP) {
            return format!(
                "{name} does not accept HTTPRoute {} ({message}): listener {:?} has protocol {}, and CAs ask with HTTP on \
                 port {HTTP_PORT}; choose a listener for HTTP in {PARENT_REFS}{}",
                self.route,
                excerpt(&other.name),
                excerpt(&other.protocol),
                self.faults()
            );
        }
        format!(
            "{name} does not accept HTTPRoute {} ({message}): edit {PARENT_REFS}{}",
            self.route,
            self.faults()
        )
    }

    /// `ResolvedRefs` is False.
    pub(super) fn unresolved(&self, condition: &Condition) -> String {
        let what = match condition.reason() {
            "RefNotPermitted" => {
                "is not permitted to refer to its Service: create a ReferenceGrant in the namespace of the Service"
            }
            "BackendNotFound" => {
                "is accepted, but its controller does not find the solver's Service or EndpointSlice: check whether \
                 something deletes them"
            }
            _ => "is accepted, but its controller cannot use the solver's Service",
        };
        format!(
            "HTTPRoute {} at {} {what} ({})",
            self.route,
            self.name(),
            said(condition)
        )
    }

    /// `PartiallyInvalid` is True.
    pub(super) fn partially_invalid(&self, condition: &Condition) -> String {
        format!(
            "{} serves only a part of HTTPRoute {} ({})",
            self.name(),
            self.route,
            said(condition)
        )
    }

    /// The parent does not exist.
    pub(super) fn missing(&self) -> String {
        format!("{} does not exist: create it, or edit {PARENT_REFS}", self.name())
    }

    /// No controller has taken the Gateway.
    pub(super) fn no_controller(&self, class: &str) -> String {
        format!(
            "no controller has reported on {}, whose GatewayClass is {:?}: check whether that class exists and its \
             controller runs, or change gatewayClassName",
            self.name(),
            excerpt(class)
        )
    }

    /// The Gateway of a ListenerSet refuses it.
    pub(super) fn set_refused(&self, accepted: &Condition) -> String {
        format!(
            "{} is not accepted by its Gateway ({}): edit allowedListeners of the Gateway, or {PARENT_REFS}",
            self.name(),
            said(accepted)
        )
    }

    /// No controller has answered about the HTTPRoute.
    pub(super) fn silent(&self) -> String {
        format!(
            "the controller of {} has not reported on HTTPRoute {}{}",
            self.name(),
            self.route,
            self.faults()
        )
    }

    /// No listener for HTTP on port 80.
    pub(super) fn no_port_80(&self) -> String {
        format!(
            "{} has no listener for HTTP on port {HTTP_PORT} that HTTPRoute {} is attached to, and CAs ask there",
            self.name(),
            self.route
        )
    }

    /// What the controller reports about the listeners that are meant; empty if nothing is wrong with them.
    fn faults(&self) -> String {
        let ParentFound::Found(offered) = &self.parent.found else {
            return String::new();
        };
        let meant = self.meant();
        let of_meant = offered
            .statuses
            .iter()
            .filter(|status| meant.iter().any(|one| one.name == status.name));
        let faults = of_meant.filter_map(|status| {
            let fault = fault(&status.conditions)?;
            Some(format!(
                "listener {:?} is not served ({})",
                excerpt(&status.name),
                said(fault)
            ))
        });
        let faults: Vec<String> = faults.take(MOST_NAMED).collect();
        if faults.is_empty() {
            return String::new();
        }
        format!("; {}", faults.join(", "))
    }
}

/// The condition of a listener that tells why it is not served.
fn fault(conditions: &[Condition]) -> Option<&Condition> {
    let is = |type_, status| condition::get(conditions, type_).filter(|found| found.status == status);
    is(ACCEPTED, ConditionStatus::False)
        .or_else(|| is("Conflicted", ConditionStatus::True))
        .or_else(|| is("ResolvedRefs", ConditionStatus::False))
        .or_else(|| is("Programmed", ConditionStatus::False))
}

/// Reason and message of a controller's condition.
fn said(condition: &Condition) -> String {
    let reason = excerpt(condition.reason());
    match condition.message() {
        "" => reason,
        message => format!("{reason}: {}", excerpt(message)),
    }
}

fn from(listener: &Listener) -> Option<&str> {
    listener.allowed_routes.as_ref()?.namespaces.as_ref()?.from.as_deref()
}

fn list(items: impl Iterator<Item = String>) -> String {
    first_few(&items.collect::<Vec<_>>(), MOST_NAMED)
}
