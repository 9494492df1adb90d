//! The watched kinds, with the types of their spec and status.

use crate::{
    api::{
        CertificateRequestSpec, CertificateRequestStatus, CertificateSpec, CertificateStatus, ChallengeSpec,
        ChallengeStatus, IssuerSpec, IssuerStatus, OrderSpec, OrderStatus,
    },
    plan::seen::Kind,
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $marker:ident = $kind:literal, $plural:literal, $group:literal, $namespaced:literal, $spec:ty, $status:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $marker;

        impl Kind for $marker {
            type Spec = $spec;
            type Status = $status;
            const GROUP: &'static str = $group;
            const VERSION: &'static str = "v1";
            const KIND: &'static str = $kind;
            const PLURAL: &'static str = $plural;
            const NAMESPACED: bool = $namespaced;
        }
    )*};
}

kinds! {
    /// Certificates.
    CertificateKind = "Certificate", "certificates", "cert-manager.io", true, CertificateSpec, CertificateStatus;
    /// CertificateRequests.
    RequestKind = "CertificateRequest", "certificaterequests", "cert-manager.io", true,
        CertificateRequestSpec, CertificateRequestStatus;
    /// Issuers.
    IssuerKind = "Issuer", "issuers", "cert-manager.io", true, IssuerSpec, IssuerStatus;
    /// ClusterIssuers.
    ClusterIssuerKind = "ClusterIssuer", "clusterissuers", "cert-manager.io", false, IssuerSpec, IssuerStatus;
    /// Orders.
    OrderKind = "Order", "orders", "acme.cert-manager.io", true, OrderSpec, OrderStatus;
    /// Challenges.
    ChallengeKind = "Challenge", "challenges", "acme.cert-manager.io", true, ChallengeSpec, ChallengeStatus;
    /// Ingresses (`networking.k8s.io/v1`).
    IngressKind = "Ingress", "ingresses", "networking.k8s.io", true,
        k8s_openapi::api::networking::v1::IngressSpec, k8s_openapi::api::networking::v1::IngressStatus;
}
