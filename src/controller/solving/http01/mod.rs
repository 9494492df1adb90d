//! HTTP-01: proofs are presented through Ingresses, probed, and withdrawn (DESIGN: direct and pod mode).
//!
//! | module | what it is |
//! |---|---|
//! | [`proofs`] | the proofs of one Order, as a solver |
//! | [`answers`] | the responder's answers for an Order |
//! | [`validation`] | the CA's own request |
//! | [`advertised`] | the addresses at which the ingress controller reaches our replicas |
//! | [`shared`] | the Service and its slices, one for each namespace with challenges in flight |
//! | [`place`] | temporary Ingresses, and Ingresses that are edited in place |
//! | [`pods`] | pod mode: Pod, Service and Ingress for each challenge |
//! | [`upkeep`] | updates of the slices when replicas start or end |
//!
//! Every created object has the Order's UID as a label, and is found by it after a restart.

mod advertised;
mod answers;
mod place;
mod pods;
mod proofs;
mod shared;
mod upkeep;
mod validation;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::networking::v1::{Ingress, IngressStatus};

use self::{
    advertised::Advertised,
    place::{Classes, Placing},
    shared::Shared,
};
pub(crate) use self::{answers::answers, proofs::Proofs, upkeep::follow_replicas, validation::Validation};

use crate::{
    api::{http01::Http01Ingress, names::label},
    controller::{ControllerError, Ports},
    plan::{
        seen::{Meta, ObjectKey},
        settings::{Settings, SolverMode},
    },
    solver::{
        classes::Class,
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
    /// The solver's Ingress settings, with overrides (ANO-02).
    ingress: Http01Ingress,
}

/// Why the challenge cannot be accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NotVisible {
    /// The finding; [`probe::retry_after`] says when to probe again.
    finding: Finding,
    /// A hint for the user about the ingress controller.
    hint: Option<&'static str>,
}

impl fmt::Display for NotVisible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding.fmt(f)?;
        match (self.hint, &self.finding) {
            // the ingress controller's kind can be the cause only if something answers in its place
            (
                Some(hint),
                Finding::Status { .. } | Finding::Body { .. } | Finding::Elsewhere { .. } | Finding::Redirect { .. },
            ) => {
                write!(f, " ({hint})")
            }
            _ => Ok(()),
        }
    }
}

/// Presents HTTP-01 proofs, and probes them. There is one for each process.
#[derive(Debug)]
pub(crate) struct Http01 {
    probe: Probe,
    advertised: Advertised,
    shared: Shared,
    classes: Classes,
    image: pods::Image,
    placed: Mutex<HashMap<Box<str>, Placed>>,
}

/// The objects of one Order. May be lost at any time: they are found by their label.
#[derive(Clone, Debug, Default)]
struct Placed {
    /// Ingresses, temporary or edited, with their challenge paths and the class of their controller.
    ingresses: Vec<PlacedIngress>,
}

#[derive(Clone, Debug)]
struct PlacedIngress {
    name: String,
    edited: bool,
    paths: Vec<ChallengePath>,
    class: &'static Class,
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
            placed: Mutex::default(),
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
        let addresses = self.advertised.addresses(context).await?;
        let grouped = challenges.iter().map(|one| {
            let owner = challenge_owner(&one.name, &one.uid);
            (one.ingress.clone(), one.path.clone(), owner)
        });
        for group in group(grouped.collect()) {
            let class = self.classes.class(context, order, &group.ingress).await;
            let kind = service_kind(&group.ingress, class);
            self.shared.ensure(context, order, kind, &addresses).await?;
            let placing = Placing { context, order, class };
            self.place(&placing, &group, &kind.service_name()).await?;
        }
        Ok(())
    }

    async fn place(&self, placing: &Placing<'_>, group: &Group, service: &str) -> Result<(), ControllerError> {
        let name = match &group.ingress.name {
            Some(name) => name.clone(),
            None => placing.name(group),
        };
        // Remembered before the creation, so that a failure half-way leaves nothing behind.
        self.remember(
            placing.order,
            PlacedIngress {
                name: name.clone(),
                edited: group.ingress.name.is_some(),
                paths: group.paths.clone(),
                class: placing.class,
            },
        );
        match &group.ingress.name {
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
        let placed = self.placed_for(order, &challenge.path);
        let ingress = match &placed {
            Some(placed) if public.is_unreachable() => {
                let addresses = ingress_addresses(context, &order.key.sibling(placed.name.as_str()));
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
                hint: placed.and_then(|placed| placed.class.hint),
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
        let placed = self.lock().get(order_uid).cloned();
        let (temporary, edited) = match placed {
            Some(Placed { ingresses }) => {
                let (edited, temporary): (Vec<_>, Vec<_>) = ingresses.into_iter().partition(|one| one.edited);
                (
                    temporary.into_iter().map(|one| one.name).collect(),
                    edited.into_iter().map(|one| (one.name, one.paths)).collect(),
                )
            }
            None => found(context, order, order_uid, paths),
        };
        let deletions = temporary
            .iter()
            .map(|name| place::delete(context, order.sibling(name.as_str()), order_uid));
        futures::future::try_join_all(deletions).await?;
        for (name, paths) in &edited {
            place::clean(context, &order.sibling(name.as_str()), paths).await?;
        }
        if context.settings.http01.mode == SolverMode::Pod {
            pods::delete(context, order, order_uid).await?;
        } else {
            self.shared.release(context, order, order_uid).await?;
        }
        self.lock().remove(order_uid);
        Ok(())
    }

    /// Forgets all objects, at the beginning or end of a term. They are found again by their label.
    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.shared.clear();
    }

    fn remember(&self, order: &Meta, ingress: PlacedIngress) {
        let mut placed = self.lock();
        let placed = placed.entry(order.uid.clone()).or_default();
        match placed.ingresses.iter_mut().find(|known| known.name == ingress.name) {
            Some(known) => {
                // earlier paths may still be in it
                let before = known.paths.iter().filter(|path| !ingress.paths.contains(path)).cloned();
                let paths = before.chain(ingress.paths.iter().cloned()).collect();
                *known = PlacedIngress { paths, ..ingress };
            }
            None => placed.ingresses.push(ingress),
        }
    }

    fn placed_for(&self, order: &Meta, path: &ChallengePath) -> Option<PlacedIngress> {
        let placed = self.lock();
        let ingresses = &placed.get(&order.uid)?.ingresses;
        ingresses.iter().find(|ingress| ingress.paths.contains(path)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Placed>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names of temporary Ingresses, and names of edited ones with their paths.
type Shows = (BTreeSet<String>, Vec<(String, Vec<ChallengePath>)>);

/// The Ingresses of an Order after a restart, by label and by path.
fn found(context: &Ports, order: &ObjectKey, order_uid: &str, paths: &[ChallengePath]) -> Shows {
    let in_namespace = context.index.ingresses.in_namespace(&order.namespace);
    let mut temporary = BTreeSet::new();
    let mut edited = Vec::new();
    for ingress in in_namespace {
        if ingress.meta.labels.get(label::ORDER_UID) == Some(order_uid) {
            temporary.insert(ingress.meta.name().to_owned());
        } else if !ingress.meta.labels.contains(label::HTTP01_SOLVER) {
            let inside = |path: &&ChallengePath| ingress.spec.get().contains(path.token.as_str());
            let inside: Vec<ChallengePath> = paths.iter().filter(inside).cloned().collect();
            if !inside.is_empty() {
                edited.push((ingress.meta.name().to_owned(), inside));
            }
        }
    }
    (temporary, edited)
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

/// A temporary Ingress of this name, for its deletion.
fn named(key: &ObjectKey) -> Ingress {
    let mut ingress = Ingress::default();
    ingress.metadata.name = Some(key.name.to_string());
    ingress.metadata.namespace = Some(key.namespace.to_string());
    ingress
}
