//! Labels, annotations, finalizers and other fixed names (ANN, ANO, ANW rows).

/// Names of annotations.
pub mod annotation {
    /// Name of the issuer (on Ingresses, ANN-01).
    pub const ISSUER: &str = "cert-manager.io/issuer";
    /// Name of the ClusterIssuer (on Ingresses, ANN-02).
    pub const CLUSTER_ISSUER: &str = "cert-manager.io/cluster-issuer";
    /// Kind of the issuer (on Ingresses ANN-03, on Secrets ANW-01).
    pub const ISSUER_KIND: &str = "cert-manager.io/issuer-kind";
    /// Group of the issuer (on Ingresses ANN-03, on Secrets ANW-01).
    pub const ISSUER_GROUP: &str = "cert-manager.io/issuer-group";
    /// Asks for a certificate from the default issuer (on Ingresses, ANN-04).
    pub const TLS_ACME: &str = "kubernetes.io/tls-acme";
    /// Common name (on Ingresses ANN-05, on Secrets ANW-01).
    pub const COMMON_NAME: &str = "cert-manager.io/common-name";
    /// DNS names (on Ingresses ANN-06, on Secrets ANW-01).
    pub const ALT_NAMES: &str = "cert-manager.io/alt-names";
    /// IP addresses (on Ingresses ANN-07, on Secrets ANW-01).
    pub const IP_SANS: &str = "cert-manager.io/ip-sans";
    /// E-mail addresses (on Ingresses ANN-08, on Secrets ANW-02).
    pub const EMAIL_SANS: &str = "cert-manager.io/email-sans";
    /// URIs (on Secrets, ANW-01; not read from Ingresses, ANN-09).
    pub const URI_SANS: &str = "cert-manager.io/uri-sans";
    /// Organizations of the subject (ANN-10, ANW-02).
    pub const SUBJECT_ORGANIZATIONS: &str = "cert-manager.io/subject-organizations";
    /// Organizational units of the subject (ANN-10, ANW-02).
    pub const SUBJECT_ORGANIZATIONAL_UNITS: &str = "cert-manager.io/subject-organizationalunits";
    /// Countries of the subject (ANN-10, ANW-02).
    pub const SUBJECT_COUNTRIES: &str = "cert-manager.io/subject-countries";
    /// Provinces of the subject (ANN-10, ANW-02).
    pub const SUBJECT_PROVINCES: &str = "cert-manager.io/subject-provinces";
    /// Localities of the subject (ANN-10, ANW-02).
    pub const SUBJECT_LOCALITIES: &str = "cert-manager.io/subject-localities";
    /// Postal codes of the subject (ANN-10, ANW-02).
    pub const SUBJECT_POSTAL_CODES: &str = "cert-manager.io/subject-postalcodes";
    /// Street addresses of the subject (ANN-10, ANW-02).
    pub const SUBJECT_STREET_ADDRESSES: &str = "cert-manager.io/subject-streetaddresses";
    /// Serial number of the subject (ANN-11, ANW-02).
    pub const SUBJECT_SERIAL_NUMBER: &str = "cert-manager.io/subject-serialnumber";
    /// `spec.duration` (ANN-12).
    pub const DURATION: &str = "cert-manager.io/duration";
    /// `spec.renewBefore` (ANN-12).
    pub const RENEW_BEFORE: &str = "cert-manager.io/renew-before";
    /// `spec.renewBeforePercentage` (ANN-12).
    pub const RENEW_BEFORE_PERCENTAGE: &str = "cert-manager.io/renew-before-percentage";
    /// `spec.usages` (ANN-13).
    pub const USAGES: &str = "cert-manager.io/usages";
    /// `spec.revisionHistoryLimit` (ANN-14).
    pub const REVISION_HISTORY_LIMIT: &str = "cert-manager.io/revision-history-limit";
    /// `spec.privateKey.algorithm` (ANN-15).
    pub const PRIVATE_KEY_ALGORITHM: &str = "cert-manager.io/private-key-algorithm";
    /// `spec.privateKey.encoding` (ANN-15).
    pub const PRIVATE_KEY_ENCODING: &str = "cert-manager.io/private-key-encoding";
    /// `spec.privateKey.size` (ANN-15).
    pub const PRIVATE_KEY_SIZE: &str = "cert-manager.io/private-key-size";
    /// `spec.privateKey.rotationPolicy` (ANN-15).
    pub const PRIVATE_KEY_ROTATION_POLICY: &str = "cert-manager.io/private-key-rotation-policy";
    /// `spec.secretTemplate` in JSON (ANN-16).
    pub const SECRET_TEMPLATE: &str = "cert-manager.io/secret-template";
    /// Names of listeners that are skipped (ANN-21).
    pub const IGNORE_TLS_LISTENERS: &str = "cert-manager.io/ignore-tls-listeners";
    /// Challenge paths are added to this very Ingress (ANN-17).
    pub const HTTP01_EDIT_IN_PLACE: &str = "acme.cert-manager.io/http01-edit-in-place";
    /// Class annotation of the temporary Ingress (ANN-18).
    pub const HTTP01_INGRESS_CLASS: &str = "acme.cert-manager.io/http01-ingress-class";
    /// `ingressClassName` of the temporary Ingress (ANN-19).
    pub const HTTP01_INGRESS_CLASS_NAME: &str = "acme.cert-manager.io/http01-ingress-ingressclassname";
    /// On a CA issuer, `true`: a certificate that would outlive its CA ends with it instead.
    pub const CLAMP_TO_CA: &str = "certlet.io/clamp-to-ca";
    /// On a CA issuer, `true` or a duration: when the CA's key pair changes, its certificates are issued again in waves.
    pub const ROTATE_LEAVES: &str = "certlet.io/rotate-leaves";
    /// On a Vault issuer, `true`: a root that Vault does not return with a certificate is read from the mount and put into `ca.crt`.
    pub const VAULT_ROOT: &str = "certlet.io/vault-root";
    /// On a Certificate: issuers that are asked while the one of the spec has an outage (ANO-16).
    pub const FALLBACK_ISSUERS: &str = "certlet.io/fallback-issuers";
    /// On a Certificate: how long an outage lasts before a fallback issuer is asked (ANO-16).
    pub const FALLBACK_AFTER: &str = "certlet.io/fallback-after";
    /// On requests and Secrets: the issuer in place of which a fallback issuer was asked, `<kind>/<name>` (ANO-17).
    pub const FALLBACK_FOR: &str = "certlet.io/fallback-for";
    /// On a Certificate: namespaces into which its Secret is copied, if they accept it (ANO-18).
    pub const SYNC_TO: &str = "certlet.io/sync-to";
    /// On a Namespace, or on its Secret [`super::ACCEPTING_SECRET`]: Certificates whose Secrets it accepts (ANO-19).
    pub const ACCEPT_SECRETS_FROM: &str = "certlet.io/accept-secrets-from";
    /// On a copy: the Certificate whose Secret it is a copy of, `<namespace>/<name>` (ANO-20).
    pub const COPY_OF: &str = "certlet.io/copy-of";
    /// On a copy: the uid of that Certificate (ANO-20).
    pub const COPY_OF_UID: &str = "certlet.io/copy-of-uid";
    /// On an ACME issuer, `true`: its DNS-01 webhooks may be called for several records at once.
    pub const DNS01_PARALLEL: &str = "certlet.io/dns01-parallel";
    /// On a Gateway or a ListenerSet, `true`: certificates get the hostnames of attached HTTPRoutes.
    pub const HOSTNAMES_FROM_ROUTES: &str = "certlet.io/hostnames-from-routes";
    /// On a Challenge: what is written outside the cluster for it, such as the name of a TXT record. Set before that is written.
    pub const RECORD: &str = "certlet.io/dns01-record";
    /// Attach the route to the parent Gateway (ANN-20).
    pub const HTTP01_PARENT_REF_FALLBACK: &str = "acme.cert-manager.io/http01-parentreffallback";
    /// Ingress that is edited in place, on Certificates, requests and Orders (ANO-02).
    pub const HTTP01_OVERRIDE_INGRESS_NAME: &str = "acme.cert-manager.io/http01-override-ingress-name";
    /// Class annotation for the temporary Ingress, on Certificates, requests and Orders (ANO-02).
    pub const HTTP01_OVERRIDE_INGRESS_CLASS: &str = "acme.cert-manager.io/http01-override-ingress-class";
    /// `ingressClassName` for the temporary Ingress, on Certificates, requests and Orders (ANO-02).
    pub const HTTP01_OVERRIDE_INGRESS_CLASS_NAME: &str =
        "acme.cert-manager.io/http01-override-ingress-ingressclassname";
    /// Kind of the route's parent (ANO-03).
    pub const HTTP01_PARENT_REF_KIND: &str = "acme.cert-manager.io/http01-parentrefkind";
    /// Name of the route's parent (ANO-03).
    pub const HTTP01_PARENT_REF_NAME: &str = "acme.cert-manager.io/http01-parentrefname";
    /// Namespace of the route's parent (ANO-03).
    pub const HTTP01_PARENT_REF_NAMESPACE: &str = "acme.cert-manager.io/http01-parentrefnamespace";
    /// A self-signed certificate is stored while the real one is pending (ANO-01).
    pub const ISSUE_TEMPORARY_CERTIFICATE: &str = "cert-manager.io/issue-temporary-certificate";
    /// Secret with the key that belongs to a request (ANO-04).
    pub const PRIVATE_KEY_SECRET_NAME: &str = "cert-manager.io/private-key-secret-name";
    /// Revision that a request is for (ANO-05).
    pub const CERTIFICATE_REVISION: &str = "cert-manager.io/certificate-revision";
    /// Certificate that a request or Secret belongs to (ANO-05, ANO-14).
    pub const CERTIFICATE_NAME: &str = "cert-manager.io/certificate-name";
    /// Name of the issuer, on Secrets (ANO-14).
    pub const ISSUER_NAME: &str = "cert-manager.io/issuer-name";
    /// Custom fields of a Venafi request (ANO-06).
    pub const VENAFI_CUSTOM_FIELDS: &str = "venafi.cert-manager.io/custom-fields";
    /// Identifier of a Venafi request (ANO-07).
    pub const VENAFI_PICKUP_ID: &str = "venafi.cert-manager.io/pickup-id";
    /// Custom fields of a Kubernetes CSR for Venafi (ANO-09).
    pub const CSR_VENAFI_CUSTOM_FIELDS: &str = "venafi.experimental.cert-manager.io/custom-fields";
    /// Identifier of a Venafi request, on a Kubernetes CSR (ANO-09).
    pub const CSR_VENAFI_PICKUP_ID: &str = "venafi.experimental.cert-manager.io/pickup-id";
    /// Duration of a Kubernetes CSR (ANO-08).
    pub const CSR_REQUEST_DURATION: &str = "experimental.cert-manager.io/request-duration";
    /// Whether a Kubernetes CSR is for a CA (ANO-08).
    pub const CSR_REQUEST_IS_CA: &str = "experimental.cert-manager.io/request-is-ca";
    /// Secret with the key of a Kubernetes CSR (ANO-08).
    pub const CSR_PRIVATE_KEY_SECRET_NAME: &str = "experimental.cert-manager.io/private-key-secret-name";
    /// Certificate whose CA is injected, `<namespace>/<name>` (ANO-10).
    pub const INJECT_CA_FROM: &str = "cert-manager.io/inject-ca-from";
    /// Secret whose CA is injected, `<namespace>/<name>` (ANO-11).
    pub const INJECT_CA_FROM_SECRET: &str = "cert-manager.io/inject-ca-from-secret";
    /// The API server's CA is injected (ANO-12).
    pub const INJECT_APISERVER_CA: &str = "cert-manager.io/inject-apiserver-ca";
    /// The Secret may be injected from (ANO-11, CRT-13).
    pub const ALLOW_DIRECT_INJECTION: &str = "cert-manager.io/allow-direct-injection";
    /// Class of an Ingress, as it was written before the field `ingressClassName` (ANW-10).
    pub const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
    /// Lets everybody through nginx to a temporary Ingress (ANW-10).
    pub const NGINX_WHITELIST_SOURCE_RANGE: &str = "nginx.ingress.kubernetes.io/whitelist-source-range";
    /// No service mesh sidecar for solver pods (ANW-08).
    pub const ISTIO_INJECT: &str = "sidecar.istio.io/inject";
    /// Solver pods do not hold up a node's removal (ANW-08).
    pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    /// Digest of what was written into a target of a Bundle (BUN-02).
    pub const BUNDLE_HASH: &str = "trust.cert-manager.io/hash";
    /// No mesh authentication for solver services (ANW-09).
    pub const ISTIO_AUTH_8089: &str = "auth.istio.io/8089";
}

/// Names of labels.
pub mod label {
    /// Secrets that are watched completely, value `true` (ANO-15).
    pub const FOR_ATTENTION_OF: &str = "controller.cert-manager.io/fao";
    /// Secrets with the key of a certificate that is being made, value `true` (ANW-04).
    pub const NEXT_PRIVATE_KEY: &str = "cert-manager.io/next-private-key";
    /// Copies of Secrets of Certificates of other namespaces, value `true` (ANO-20).
    pub const COPY: &str = "certlet.io/copy";
    /// Namespaces whose objects are not validated, value `true` (ANO-13).
    pub const DISABLE_VALIDATION: &str = "cert-manager.io/disable-validation";
    /// Adler-32 of the name, on solver objects (ANW-07).
    pub const HTTP_DOMAIN: &str = "acme.cert-manager.io/http-domain";
    /// Adler-32 of the token, on solver objects (ANW-07).
    pub const HTTP_TOKEN: &str = "acme.cert-manager.io/http-token";
    /// Solver objects, value `true` (ANW-07).
    pub const HTTP01_SOLVER: &str = "acme.cert-manager.io/http01-solver";
    /// UID of the Order that a solver object is for.
    pub const ORDER_UID: &str = "certlet/order-uid";
    /// Who made an object (ANW-11); see [`super::MANAGED_BY`].
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// The Bundle that an object is a target of (BUN-02).
    pub const BUNDLE: &str = "trust.cert-manager.io/bundle";
    /// An apply set's label, which is not copied to Certificates (ANN-23).
    pub const APPLYSET_PART_OF: &str = "applyset.kubernetes.io/part-of";
}

/// Finalizer of Challenges (ORD-11).
pub const CHALLENGE_FINALIZER: &str = "acme.cert-manager.io/finalizer";
/// Former finalizer of Challenges (ORD-11, NB-35).
pub const LEGACY_CHALLENGE_FINALIZER: &str = "finalizer.acme.cert-manager.io";

/// Field manager of Secrets (NB-04).
pub const SECRETS_FIELD_MANAGER: &str = "cert-manager-certificates-issuing";
/// Field manager of copies of Secrets (ANO-20). It differs from that of Secrets, so that a copy that a Certificate takes over is not
/// taken for a copy any more.
pub const COPIES_FIELD_MANAGER: &str = "certlet-secret-sync";
/// The Secret by which a namespace accepts copies (ANO-19). Who may write Secrets in a namespace may let a Secret be written there.
pub const ACCEPTING_SECRET: &str = "certlet-accept-secrets";
/// Field manager of everything else that is applied.
pub const FIELD_MANAGER: &str = "certlet";
/// Who reports Events.
pub const EVENT_REPORTER: &str = "certlet";
/// Lease of the leader, the same as cert-manager's (NB-33).
pub const LEASE_NAME: &str = "cert-manager-controller";
/// Field manager of injected CAs, the same as that of cert-manager's cainjector (CAI-05).
pub const INJECTION_FIELD_MANAGER: &str = "cert-manager-cainjector";
/// Lease of the process that injects CAs, the same as that of cert-manager's cainjector.
pub const INJECTION_LEASE_NAME: &str = "cert-manager-cainjector-leader-election";
/// The configurations of cert-manager's admission webhook, as its manifests name them (WHK-01, WHK-02).
pub const WEBHOOK_CONFIGURATION: &str = "cert-manager-webhook";
/// The admission policy by which the API server records who creates a CertificateRequest, and its binding, as deploy/requester-identity names them (VAL-34).
pub const REQUESTER_POLICY: &str = "certlet-requester-identity";
/// Value of the label [`label::MANAGED_BY`] on account Secrets (ANW-11).
pub const MANAGED_BY: &str = "cert-manager";
/// Prefix of the names of solver objects (HTT-03).
pub const SOLVER_NAME_PREFIX: &str = "cm-acme-http-solver-";
/// Port on which challenges are answered (HTT-03).
pub const SOLVER_PORT: u16 = 8089;
/// certlet's own Service, whose endpoints answer challenges.
pub const ACME_SERVICE: &str = "certlet-acme";

/// Reason of the condition Approved when it is set automatically.
pub const APPROVED_REASON: &str = "cert-manager.io";
/// Message of the condition Approved when it is set automatically (NB-26).
pub const APPROVED_MESSAGE: &str = "Certificate request has been approved by cert-manager.io";

/// Prefixes of signer names of Kubernetes CSRs (CSR-01).
pub mod signer_name {
    /// Of namespaced issuers: `issuers.cert-manager.io/<namespace>.<name>`.
    pub const ISSUERS: &str = "issuers.cert-manager.io";
    /// Of cluster issuers: `clusterissuers.cert-manager.io/<name>`.
    pub const CLUSTER_ISSUERS: &str = "clusterissuers.cert-manager.io";
}

/// Keys in the data of Secrets (ANW-03).
pub mod data_key {
    /// The certificate chain in PEM.
    pub const TLS_CRT: &str = "tls.crt";
    /// The private key in PEM.
    pub const TLS_KEY: &str = "tls.key";
    /// The CA's certificate in PEM.
    pub const CA_CRT: &str = "ca.crt";
    /// The Java keystore.
    pub const KEYSTORE_JKS: &str = "keystore.jks";
    /// The Java truststore.
    pub const TRUSTSTORE_JKS: &str = "truststore.jks";
    /// The PKCS#12 keystore.
    pub const KEYSTORE_P12: &str = "keystore.p12";
    /// The PKCS#12 truststore.
    pub const TRUSTSTORE_P12: &str = "truststore.p12";
    /// The private key in DER.
    pub const KEY_DER: &str = "key.der";
    /// Key and chain in one PEM file.
    pub const TLS_COMBINED_PEM: &str = "tls-combined.pem";
}
