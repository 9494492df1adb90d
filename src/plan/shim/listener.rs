//! Listeners of Gateways and ListenerSets: which of them get a certificate, and their Secrets (GWS-03..05, ANN-21).

use std::collections::BTreeSet;

use super::{
    Block, RouteNames, Tls, aggregate, foreign,
    routes::{Given, MAX_ROUTES},
};
use crate::{
    api::{
        IssuerRef,
        gateway::{Listener, ListenerTls, SecretReference},
        names::annotation,
    },
    plan::seen::Meta,
};

const TERMINATE: &str = "Terminate";
const PASSTHROUGH: &str = "Passthrough";

/// The listeners of a Gateway or ListenerSet, and what is known around them.
#[derive(Clone, Copy)]
pub(super) struct Listeners<'a> {
    /// `spec.listeners`.
    pub(super) all: &'a [Listener],
    /// The object, with its effective annotations.
    pub(super) meta: &'a Meta,
    /// The kind of the object, for messages.
    pub(super) kind: &'static str,
    /// Protocols with TLS beside HTTPS and TLS.
    pub(super) extra_protocols: &'a [String],
    /// The issuer, if it can be determined; for messages.
    pub(super) issuer: Option<&'a IssuerRef>,
}

impl Listeners<'_> {
    /// The Secrets of all listeners, each once, with the hostnames of its listeners in their order (GWS-05).
    ///
    /// `routes` has the names that HTTPRoutes give to each listener, where the object asks for them; the hostname of such a listener
    /// is a bound, and a name only if it is none of a wildcard.
    pub(super) fn tls(&self, routes: Option<&Given>) -> Tls {
        let mut tls = Tls {
            named: self.named(),
            ..Tls::default()
        };
        for (index, listener) in self.all.iter().enumerate() {
            if !self.is_considered(listener) {
                continue;
            }
            match self.read(index, listener, routes.is_some()) {
                Err(why) => tls.complaints.push(format!("Skipped a listener block: {why}")),
                Ok(refs) => {
                    let names = routes.and_then(|routes| routes.names.get(index));
                    for secret in refs {
                        add(&mut tls.blocks, secret, listener, names);
                    }
                }
            }
        }
        tls.complaints.extend(routes.and_then(|routes| self.left_out(routes)));
        tls
    }

    fn left_out(&self, routes: &Given) -> Option<String> {
        let left_out = Some(routes.left_out).filter(|count| *count > 0)?;
        Some(format!(
            "{left_out} of the accepted HTTPRoutes give no hostnames, because {} {:?} takes them from at most {MAX_ROUTES}, from each \
             namespace the oldest; use more Gateways or ListenerSets",
            self.kind,
            self.meta.name()
        ))
    }

    /// Every Secret that a listener names, even if it is skipped: a Certificate is deleted only when none names its Secret (SHM-07).
    fn named(&self) -> Vec<String> {
        let secrets = self.all.iter().flat_map(Listener::certificate_refs);
        secrets.map(|secret| secret.name.clone()).collect()
    }

    /// Whether the listener terminates TLS, and no annotation excludes it (GWS-03, ANN-21).
    fn is_considered(&self, listener: &Listener) -> bool {
        let protocol = listener.protocol.as_str();
        let has_tls = matches!(protocol, "HTTPS" | "TLS") || self.extra_protocols.iter().any(|extra| extra == protocol);
        let mode = listener.tls.as_ref().and_then(|tls| tls.mode.as_deref());
        let ignored = self.meta.annotations.get(annotation::IGNORE_TLS_LISTENERS);
        has_tls
            && mode != Some(PASSTHROUGH)
            && !ignored.is_some_and(|names| names.split(',').any(|name| name.trim() == listener.name))
    }

    /// The Secrets of the listener, or everything that is wrong with it (GWS-04).
    fn read<'l>(&self, index: usize, listener: &'l Listener, by_routes: bool) -> Result<&'l [SecretReference], String> {
        let path = format!("spec.listeners[{index}]");
        let mut wrong = Vec::new();
        if !by_routes && listener.hostname().is_empty() {
            wrong.push(format!(
                "{path}.hostname: Required value: the hostname cannot be empty; set it to the name of the certificate, or take the names of the HTTPRoutes with the annotation {}: \"true\"",
                annotation::HOSTNAMES_FROM_ROUTES
            ));
        }
        match &listener.tls {
            None => wrong.push(format!("{path}.tls: Required value: the TLS block cannot be empty")),
            Some(tls) => wrong.extend(self.wrong_tls(&path, listener, tls)),
        }
        if wrong.is_empty() {
            Ok(listener.certificate_refs())
        } else {
            Err(aggregate(wrong))
        }
    }

    fn wrong_tls(&self, path: &str, listener: &Listener, tls: &ListenerTls) -> Vec<String> {
        let mut wrong = Vec::new();
        if tls.certificate_refs.is_empty() {
            wrong.push(format!(
                "{path}.tls.certificateRefs: Required value: listener has no certificateRefs; name the Secret for the certificate"
            ));
        }
        for (at, secret) in tls.certificate_refs.iter().enumerate() {
            let path = format!("{path}.tls.certificateRefs[{at}]");
            let group = secret.group.as_deref().unwrap_or_default();
            if !matches!(group, "" | "core") {
                wrong.push(format!(
                    "{path}.group: Unsupported value: {group:?}: supported values: \"core\", \"\""
                ));
            }
            let kind = secret.kind.as_deref().unwrap_or_default();
            if !matches!(kind, "" | "Secret") {
                wrong.push(format!(
                    "{path}.kind: Unsupported value: {kind:?}: supported values: \"Secret\", \"\""
                ));
            }
            if let Some(namespace) = secret
                .namespace
                .as_deref()
                .filter(|other| *other != self.meta.namespace())
            {
                wrong.push(format!(
                    "{path}.namespace: Invalid value: {namespace:?}: cross-namespace secret references are not allowed in listeners. {}",
                    foreign::cure(self, namespace, &secret.name, listener.hostname())
                ));
            }
        }
        match tls.mode.as_deref() {
            Some(TERMINATE) => {}
            None => wrong.push(format!(
                "{path}.tls.mode: Required value: the mode field is required; set it to {TERMINATE:?}"
            )),
            Some(mode) => wrong.push(format!(
                "{path}.tls.mode: Unsupported value: {mode:?}: supported values: {TERMINATE:?}"
            )),
        }
        wrong
    }
}

fn add(blocks: &mut Vec<Block>, secret: &SecretReference, listener: &Listener, from_routes: Option<&BTreeSet<String>>) {
    let hostname = listener.hostname();
    let at = blocks.iter().position(|block| block.secret_name == secret.name);
    let at = at.unwrap_or_else(|| {
        blocks.push(Block {
            secret_name: secret.name.clone(),
            names: Vec::new(),
            routes: from_routes.map(|_| RouteNames::default()),
        });
        blocks.len() - 1
    });
    let Some(block) = blocks.get_mut(at) else { return };
    if let (Some(routes), Some(names)) = (&mut block.routes, from_routes) {
        routes.within.push(hostname.to_ascii_lowercase());
        routes.names.extend(names.iter().cloned());
        if hostname.is_empty() || hostname.starts_with("*.") {
            return;
        }
    }
    block.names.push(hostname.to_owned());
}
