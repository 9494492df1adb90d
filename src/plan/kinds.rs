//! The watched kinds: one table, and everything that iterates over it.

use k8s_openapi::api::{
    certificates::v1::{CertificateSigningRequestSpec, CertificateSigningRequestStatus},
    networking::v1::{IngressSpec, IngressStatus},
};

use super::{
    injection::TargetKind,
    link::{self, Link},
    namespace::NamespaceSeen,
    route::{self, RouteSeen},
    seen::{Annotated, Kind, Lean, Meta, RequestSeen, SecretSeen},
    settings::Settings,
    signing_request::SigningRequestSeen,
};
use crate::api::{
    CertificateRequestSpec, CertificateRequestStatus, CertificateSpec, CertificateStatus, ChallengeSpec,
    ChallengeStatus, IssuerSpec, IssuerStatus, OrderSpec, OrderStatus,
    bundle::{BundleSpec, BundleStatus},
    gateway::{GatewaySpec, GatewayStatus, HttpRouteSpec, HttpRouteStatus, ListenerSetSpec, ListenerSetStatus},
};

/// How a kind is watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Label selector that the API server applies.
    pub labels: Option<&'static str>,
    /// Whether the API server must know the kind.
    pub presence: Presence,
    /// Whether this installation watches the kind.
    pub when: fn(&Settings) -> bool,
    /// Whether only the metadata of the objects is requested.
    pub is_metadata: bool,
    /// Whether CAs are injected into the objects.
    pub is_target: bool,
    /// Whether the right to watch it is checked first: an installation may lack it, and goes on without these objects.
    pub by_right: bool,
}

/// Whether the API server must know a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Built-in, or installed with certlet. Until the API server knows it, nothing starts, and the log explains what to do.
    Required,
    /// Its definition may be absent, appear later, or vanish; or certlet may not read it. Absent is equivalent to no objects: nothing
    /// waits for it.
    Optional,
}

impl Watched {
    /// All objects of the kind are watched, in every installation that has the controller.
    const ALL: Self = Self {
        labels: None,
        presence: Presence::Required,
        when: |settings| !settings.injection.alone,
        is_metadata: false,
        is_target: false,
        by_right: false,
    };

    /// The metadata of the targets of CAs, where CAs are injected.
    const fn target(when: fn(&Settings) -> bool) -> Self {
        Self {
            labels: None,
            presence: Presence::Optional,
            when,
            is_metadata: true,
            is_target: true,
            by_right: true,
        }
    }

    /// Kinds of the Gateway API, if the flag is set (CTL-04).
    const GATEWAY_API: Self = Self {
        labels: None,
        presence: Presence::Optional,
        when: |settings| settings.gateway.enabled && !settings.injection.alone,
        is_metadata: false,
        is_target: false,
        by_right: false,
    };

    /// Bundles and what they need, if the flag is set (BUN-01).
    const BUNDLES: Self = Self {
        labels: None,
        presence: Presence::Optional,
        when: Settings::has_bundles,
        is_metadata: false,
        is_target: false,
        by_right: true,
    };
}

/// Selector for the Secrets that are watched with their content: those that cert-manager and certlet write.
const LABELLED: &str = "controller.cert-manager.io/fao=true";

/// The table. Hands its entries to the macro `$to`.
///
/// An entry: `Marker = store in the index, change { names, types, what is kept of an object, links, how it is watched }`.
macro_rules! watched_kinds {
    ($to:ident) => {
        $to! {
            /// Certificates.
            CertificateKind = certificates, Certificate {
                names: "cert-manager.io", "v1", "Certificate", "certificates",
                namespaced: true,
                types: CertificateSpec, CertificateStatus,
                record: Lean<Self>,
                links: link::of_certificate,
                watched: Watched {
                    when: |settings| !settings.injection.alone || settings.injection.certificates,
                    ..Watched::ALL
                },
            }
            /// CertificateRequests.
            RequestKind = requests, Request {
                names: "cert-manager.io", "v1", "CertificateRequest", "certificaterequests",
                namespaced: true,
                types: CertificateRequestSpec, CertificateRequestStatus,
                record: RequestSeen,
                links: link::of_request,
                watched: Watched::ALL,
            }
            /// Orders.
            OrderKind = orders, Order {
                names: "acme.cert-manager.io", "v1", "Order", "orders",
                namespaced: true,
                types: OrderSpec, OrderStatus,
                record: Lean<Self>,
                links: link::of_child,
                watched: Watched::ALL,
            }
            /// Challenges.
            ChallengeKind = challenges, Challenge {
                names: "acme.cert-manager.io", "v1", "Challenge", "challenges",
                namespaced: true,
                types: ChallengeSpec, ChallengeStatus,
                record: Lean<Self>,
                links: link::of_challenge,
                watched: Watched::ALL,
            }
            /// Issuers.
            IssuerKind = issuers, Issuer {
                names: "cert-manager.io", "v1", "Issuer", "issuers",
                namespaced: true,
                types: IssuerSpec, IssuerStatus,
                record: Lean<Self>,
                links: link::of_issuer,
                watched: Watched::ALL,
            }
            /// ClusterIssuers. An installation for a single namespace watches none (CTL-01).
            ClusterIssuerKind = cluster_issuers, ClusterIssuer {
                names: "cert-manager.io", "v1", "ClusterIssuer", "clusterissuers",
                namespaced: false,
                types: IssuerSpec, IssuerStatus,
                record: Lean<Self>,
                links: link::of_issuer,
                watched: Watched {
                    when: |settings| settings.namespace.is_none() && !settings.injection.alone,
                    ..Watched::ALL
                },
            }
            /// Ingresses.
            IngressKind = ingresses, Ingress {
                names: "networking.k8s.io", "v1", "Ingress", "ingresses",
                namespaced: true,
                types: IngressSpec, IngressStatus,
                record: Lean<Self>,
                links: |record| link::owners(&record.meta).collect(),
                watched: Watched::ALL,
            }
            /// Gateways.
            GatewayKind = gateways, Gateway {
                names: "gateway.networking.k8s.io", "v1", "Gateway", "gateways",
                namespaced: true,
                types: GatewaySpec, GatewayStatus,
                record: Lean<Self>,
                links: |record| link::owners(&record.meta).collect(),
                watched: Watched::GATEWAY_API,
            }
            /// `ListenerSet`s (GWS-02).
            ListenerSetKind = listener_sets, ListenerSet {
                names: "gateway.networking.k8s.io", "v1", "ListenerSet", "listenersets",
                namespaced: true,
                types: ListenerSetSpec, ListenerSetStatus,
                record: Lean<Self>,
                links: link::of_listener_set,
                watched: Watched { when: |settings| settings.gateway.listener_sets, ..Watched::GATEWAY_API },
            }
            /// HTTPRoutes.
            HttpRouteKind = http_routes, HttpRoute {
                names: "gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes",
                namespaced: true,
                types: HttpRouteSpec, HttpRouteStatus,
                record: RouteSeen,
                links: route::links,
                watched: Watched::GATEWAY_API,
            }
            /// Secrets labelled `controller.cert-manager.io/fao=true`. A Secret that is missing here may still exist.
            SecretKind = secrets, Secret {
                names: "", "v1", "Secret", "secrets",
                namespaced: true,
                types: (), (),
                record: SecretSeen,
                links: link::of_secret,
                watched: Watched { labels: Some(LABELLED), ..Watched::ALL },
            }
            /// Kubernetes CertificateSigningRequests for our issuers, if the feature gate is on (GAT-01).
            SigningRequestKind = signing_requests, SigningRequest {
                names: "certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests",
                namespaced: false,
                types: CertificateSigningRequestSpec, CertificateSigningRequestStatus,
                record: SigningRequestSeen,
                relevant: |record| record.signer().is_some(),
                links: link::of_signing_request,
                watched: Watched {
                    when: |settings| {
                        let is_on = settings.gates.certificate_signing_requests && settings.namespace.is_none();
                        is_on && !settings.injection.alone
                    },
                    ..Watched::ALL
                },
            }
            /// `ValidatingWebhookConfigurations` that request a CA.
            ValidatingWebhookKind = validating_webhooks, ValidatingWebhook {
                names: "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations",
                namespaced: false,
                types: (), (),
                record: Annotated<Self>,
                relevant: Annotated::requests_a_ca,
                links: link::of_target,
                watched: Watched::target(|settings| settings.injects(TargetKind::ValidatingWebhook)),
            }
            /// `MutatingWebhookConfigurations` that request a CA.
            MutatingWebhookKind = mutating_webhooks, MutatingWebhook {
                names: "admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations",
                namespaced: false,
                types: (), (),
                record: Annotated<Self>,
                relevant: Annotated::requests_a_ca,
                links: link::of_target,
                watched: Watched::target(|settings| settings.injects(TargetKind::MutatingWebhook)),
            }
            /// APIServices that request a CA.
            ApiServiceKind = api_services, ApiService {
                names: "apiregistration.k8s.io", "v1", "APIService", "apiservices",
                namespaced: false,
                types: (), (),
                record: Annotated<Self>,
                relevant: Annotated::requests_a_ca,
                links: link::of_target,
                watched: Watched::target(|settings| settings.injects(TargetKind::ApiService)),
            }
            /// trust-manager's Bundles, if the flag is set (BUN-01).
            BundleKind = bundles, Bundle {
                names: "trust.cert-manager.io", "v1alpha1", "Bundle", "bundles",
                namespaced: false,
                types: BundleSpec, BundleStatus,
                record: Lean<Self>,
                links: link::of_bundle,
                watched: Watched::BUNDLES,
            }
            /// Namespaces: for the targets of Bundles, and whether they accept copies of Secrets.
            NamespaceKind = namespaces, Namespace {
                names: "", "v1", "Namespace", "namespaces",
                namespaced: false,
                types: (), (),
                record: NamespaceSeen,
                links: |_| Vec::new(),
                watched: Watched {
                    when: Settings::has_namespaces,
                    is_metadata: true,
                    ..Watched::BUNDLES
                },
            }
            /// CRDs that request a CA for their conversion webhook.
            DefinitionKind = definitions, Definition {
                names: "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions",
                namespaced: false,
                types: (), (),
                record: Annotated<Self>,
                relevant: Annotated::requests_a_ca,
                links: link::of_target,
                watched: Watched::target(|settings| settings.injects(TargetKind::Definition)),
            }
        }
    };
}

pub(crate) use watched_kinds;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $store:ident, $change:ident {
        names: $group:literal, $version:literal, $name:literal, $plural:literal,
        namespaced: $namespaced:literal,
        types: $spec:ty, $status:ty,
        record: $record:ty,
        $(relevant: $relevant:expr,)?
        links: $links:expr,
        watched: $watched:expr,
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $kind;

        impl Kind for $kind {
            type Spec = $spec;
            type Status = $status;
            type Record = $record;
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const KIND: &'static str = $name;
            const PLURAL: &'static str = $plural;
            const NAMESPACED: bool = $namespaced;
            const WATCHED: Watched = $watched;

            fn meta(record: &Self::Record) -> &Meta {
                &record.meta
            }

            $(fn is_relevant(record: &Self::Record) -> bool {
                let relevant: fn(&Self::Record) -> bool = $relevant;
                relevant(record)
            })?

            fn links(record: &Self::Record) -> Vec<Link> {
                let links: fn(&Self::Record) -> Vec<Link> = $links;
                links(record)
            }
        }
    )*};
}

watched_kinds!(kinds);
