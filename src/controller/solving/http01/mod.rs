//! HTTP-01: proofs are presented through Ingresses and HTTPRoutes, probed, and withdrawn (DESIGN: direct and pod mode).
//!
//! | module | what it is |
//! |---|---|
//! | [`proofs`] | the proofs of one Order, as a solver |
//! | [`answers`] | the responder's answers for an Order |
//! | [`validation`] | the CA's own request |
//! | [`advertised`] | the addresses at which the ingress controller reaches our replicas |
//! | [`shared`] | the Service and its slices, one for each namespace with challenges in flight |
//! | [`place`] | temporary Ingresses, and Ingresses that are edited in place |
//! | [`routes`] | temporary HTTPRoutes, and what their status says |
//! | [`placed`] | which Ingresses and HTTPRoutes present the challenges of an Order |
//! | [`pods`] | pod mode: Pod, Service, and Ingress or HTTPRoute for each challenge |
//! | [`waits`] | who waits for a change of an HTTPRoute |
//! | [`visibility`] | why a challenge is not visible yet |
//! | [`upkeep`] | updates of the slices when replicas start or end |
//!
//! Every created object has the Order's UID as a label, and is found by it after a restart.

mod advertised;
mod answers;
mod place;
mod placed;
mod pods;
mod proofs;
mod routes;
mod shared;
mod upkeep;
mod validation;
mod visibility;
mod waits;

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::networking::v1::IngressStatus;

use self::{
    advertised::Advertised,
    place::{Classes, Placing},
    placed::{Placed, PlacedKind, PlacedNames, PlacedObject},
    shared::Shared,
    visibility::{Hint, NotVisible},
    waits::RouteWaits,
};
pub(crate) use self::{answers::answers, proofs::Proofs, upkeep::follow_replicas, validation::Validation};

use crate::{
    api::http01::{GatewayHttpRoute, Http01Ingress, Routing},
    controller::{ControllerError, Ports},
    plan::{
        seen::{Meta, ObjectKey},
        settings::{Settings, SolverMode},
    },
    solver::{
        objects::{ChallengePath, Group, challenge_owner, group, service_kind},
        probe::{self, Evidence, Finding, Probe, ProbeError, Target, Verdict},
        token::KeyAuthorization,
    },
};

/// One challenge to present.
#[derive(Clone, Debug)]
struct Exposed {
    /// Name of its Challenge.
    name: String,
    /// UID of its Challenge.
    uid: String,
    /// Host and token.
    path: ChallengePath,
    /// The key authorization.
    key_authorization: KeyAuthorization,
    /// The solver's settings of the Ingress or HTTPRoute, with overrides (ANO-02, ANO-03).
    routing: Routing,
}

/// Presents HTTP-01 proofs, and probes them. There is one for each process.
#[derive(Debug)]
pub(crate) struct Http01 {
    probe: Probe,
    advertised: Advertised,
    shared: Shared,
    classes: Classes,
    image: pods::Image,
    placed: Placed,
    /// Those that wait for the status of an HTTPRoute.
    route_waits: RouteWaits,
}

impl Http01 {
    /// A solver without remembered objects.
    ///
    /// # Errors
    /// If a nameserver for the probe is invalid, or the system has none.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ProbeError> {
        let nameservers = probe::parse_nameservers(&settings.http01.nameservers)?;
        let probe = Probe::new(&probe::Settings {
            nameservers,
            addresses: settings.outgoing.clone(),
            ..probe::Settings::default()
        })?;
        Ok(Self {
            probe,
            advertised: Advertised::default(),
            shared: Shared::default(),
            classes: Classes::default(),
            image: pods::Image::default(),
            placed: Placed::default(),
            route_waits: RouteWaits::default(),
        })
    }

    /// Presents these challenges of an Order, and repairs objects that exist already. The responder must know the
    /// answers before.
    ///
    /// # Errors
    /// The obstacle, as a sentence for conditions. Objects that were created before the error are deleted by
    /// [`Http01::withdraw`].
    async fn present(&self, context: &Ports, order: &Meta, challenges: &[Exposed]) -> Result<(), ControllerError> {
        match context.settings.http01.mode {
            SolverMode::Direct => self.present_directly(context, order, challenges).await,
            SolverMode::Pod => pods::present(self, context, order, challenges).await,
        }
    }

    async fn present_directly(
        &self,
        context: &Ports,
        order: &Meta,
        challenges: &[Exposed],
    ) -> Result<(), ControllerError> {
        let mut ingresses: Vec<(&Exposed, &Http01Ingress)> = Vec::new();
        let mut routes: Vec<(&Exposed, &GatewayHttpRoute)> = Vec::new();
        for one in challenges {
            match &one.routing {
                Routing::Ingress(config) => ingresses.push((one, config)),
                Routing::HttpRoute(config) => routes.push((one, config)),
            }
        }
        self.present_by_ingress(context, order, &ingresses).await?;
        routes::present(self, context, order, &routes).await
    }

    async fn present_by_ingress(
        &self,
        context: &Ports,
        order: &Meta,
        challenges: &[(&Exposed, &Http01Ingress)],
    ) -> Result<(), ControllerError> {
        if challenges.is_empty() {
            return Ok(());
        }
        let addresses = self.advertised.addresses(context).await?;
        let grouped = challenges.iter().map(|(one, config)| {
            let owner = challenge_owner(&one.name, &one.uid);
            ((*config).clone(), one.path.clone(), owner)
        });
        for group in group(grouped.collect()) {
            let class = self.classes.class(context, order, &group.config).await;
            let kind = service_kind(group.config.service_type.as_deref(), Some(class));
            self.shared.ensure(context, order, kind, &addresses).await?;
            let placing = Placing { context, order, class };
            self.place(&placing, &group, &kind.service_name()).await?;
        }
        Ok(())
    }

    async fn place(
        &self,
        placing: &Placing<'_>,
        group: &Group<Http01Ingress>,
        service: &str,
    ) -> Result<(), ControllerError> {
        let (name, kind) = match &group.config.name {
            Some(name) => (name.clone(), PlacedKind::Edited(placing.class)),
            None => (placing.name(group), PlacedKind::Ingress(placing.class)),
        };
        let paths = group.paths.clone();
        self.placed.remember(placing.order, PlacedObject { name, kind, paths });
        match &group.config.name {
            Some(name) => placing.edit(name, &group.paths, service).await,
            None => placing.make(group, service).await,
        }
    }

    /// Probes the challenge: whether the CA would see the proof now.
    ///
    /// # Errors
    /// The finding.
    async fn probe(&self, context: &Ports, order: &Meta, challenge: &Exposed) -> Result<(), NotVisible> {
        let target = Target {
            host: challenge.path.host.clone(),
            key_authorization: challenge.key_authorization.clone(),
        };
        let responders = self.responders(context, order).await;
        let (public, responders) = tokio::join!(
            self.probe.attempt(&target),
            self.probe.probe_addresses(&target, &responders)
        );
        let placed = self.placed.with_path(order, &challenge.path);
        let ingress = match &placed {
            Some(placed) if public.is_unreachable() => {
                let addresses = addresses_of(context, &order.key, placed);
                self.probe.ask_ingress(&target, &addresses).await
            }
            _ => Vec::new(),
        };
        let verdict = probe::decide(&Evidence {
            responders,
            public,
            ingress,
        });
        let kind = match &verdict {
            Verdict::Accept => Finding::Visible.category(),
            Verdict::NotYet(finding) => finding.category(),
        };
        context.metrics.findings.count("http-01", kind);
        match verdict {
            Verdict::Accept => Ok(()),
            Verdict::NotYet(finding) => Err(NotVisible {
                finding,
                hint: placed.and_then(|placed| match placed.kind {
                    PlacedKind::Ingress(class) | PlacedKind::Edited(class) => class.hint.map(Hint::Class),
                    PlacedKind::Route => None,
                }),
            }),
        }
    }

    /// Updates the slices of every namespace in use after replicas started or ended.
    ///
    /// # Errors
    /// The API server's error.
    async fn follow_replicas(&self, context: &Ports) -> Result<(), ControllerError> {
        let namespaces = self.shared.in_use();
        if namespaces.is_empty() {
            return Ok(());
        }
        let addresses = self.advertised.addresses(context).await?;
        for namespace in namespaces {
            self.shared.follow(context, &namespace, &addresses).await?;
        }
        Ok(())
    }

    /// The responders that must answer before a challenge is accepted: every one to which an ingress controller may
    /// connect, so also a replica that was in the slices until a moment ago. Updates the slices.
    async fn responders(&self, context: &Ports, order: &Meta) -> Vec<SocketAddr> {
        if context.settings.http01.mode == SolverMode::Pod {
            return Vec::new();
        }
        let found = match self.advertised.addresses(context).await {
            Ok(addresses) => match self.shared.follow(context, order.namespace(), &addresses).await {
                Ok(former) => Ok((addresses, former)),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match found {
            Ok((addresses, former)) => {
                let port = context.settings.http01.port;
                addresses
                    .into_iter()
                    .chain(former)
                    .map(|address| SocketAddr::new(address, port))
                    .collect()
            }
            Err(error) => {
                // the public name alone decides then
                tracing::warn!(order = %order.key, "the addresses behind the solver Service are not up to date: {error}");
                Vec::new()
            }
        }
    }

    /// Deletes everything that presents challenges of this Order. `paths` are the known ones in Ingresses that are
    /// edited in place.
    ///
    /// # Errors
    /// The API server's error. A retry deletes the rest.
    async fn withdraw(
        &self,
        context: &Ports,
        order: &ObjectKey,
        order_uid: &str,
        paths: &[ChallengePath],
    ) -> Result<(), ControllerError> {
        let PlacedNames {
            ingresses,
            routes,
            edited,
        } = self.placed.names(context, order, order_uid, paths);
        let sibling = |name: &String| order.sibling(name.as_str());
        let deletions = ingresses
            .iter()
            .map(|name| place::delete(context, sibling(name), order_uid));
        let route_deletions = routes
            .iter()
            .map(|name| routes::delete(context, sibling(name), order_uid));
        futures::future::try_join(
            futures::future::try_join_all(deletions),
            futures::future::try_join_all(route_deletions),
        )
        .await?;
        for (name, paths) in &edited {
            place::clean(context, &sibling(name), paths).await?;
        }
        if context.settings.http01.mode == SolverMode::Pod {
            pods::delete(context, order, order_uid).await?;
        } else {
            self.shared.release(context, order, order_uid).await?;
        }
        self.placed.forget(order_uid);
        Ok(())
    }

    /// Forgets all objects, at the beginning or end of a term. They are found again by their label.
    pub(crate) fn clear(&self) {
        self.placed.clear();
        self.shared.clear();
    }

    /// Wakes those that wait for the status of the HTTPRoute of one of these Orders, after it, or a possible parent, has changed.
    pub(crate) fn routes_changed(&self, orders: &[ObjectKey]) {
        self.route_waits.wake(orders);
    }
}

/// The addresses at which the controller of an object with challenge paths serves.
fn addresses_of(context: &Ports, order: &ObjectKey, placed: &PlacedObject) -> Vec<IpAddr> {
    let key = order.sibling(placed.name.as_str());
    match placed.kind {
        PlacedKind::Ingress(_) | PlacedKind::Edited(_) => ingress_addresses(context, &key),
        PlacedKind::Route => routes::addresses(context, &key),
    }
}

/// The addresses of this Ingress, as the ingress controller wrote them into its status.
fn ingress_addresses(context: &Ports, key: &ObjectKey) -> Vec<IpAddr> {
    let Some(ingress) = context.index.ingresses.get(key) else {
        return Vec::new();
    };
    let IngressStatus { load_balancer } = ingress.status();
    let points = load_balancer.and_then(|balancer| balancer.ingress).unwrap_or_default();
    points
        .iter()
        .filter_map(|point| point.ip.as_ref()?.parse().ok())
        .collect()
}
