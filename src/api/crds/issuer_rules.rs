//! Validation rules of Issuers and ClusterIssuers without their solvers (VAL-21..26). An admission policy validates
//! bundles of certificates, because a rule of a definition cannot read bytes that are not UTF-8.

use super::rule::Rule;

/// The rules of the kinds Issuer and ClusterIssuer.
pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "VAL-21",
        "spec",
        "[has(self.acme), has(self.ca), has(self.selfSigned), has(self.vault), has(self.venafi)].filter(set, set).size() <= 1",
        "may not specify more than one issuer type",
    )
    .forbidden(),
    Rule::new(
        "VAL-21",
        "spec",
        "has(self.acme) || has(self.ca) || has(self.selfSigned) || has(self.vault) || has(self.venafi)",
        "at least one issuer must be configured",
    )
    .missing(),
    required("VAL-22", "spec.ca.secretName"),
    Rule::new(
        "VAL-22",
        "spec.ca.ocspServers",
        "!('' in self)",
        "must be a valid URL, e.g., http://ocsp.int-x3.letsencrypt.org",
    ),
    Rule::new("VAL-22", "spec.ca.issuingCertificateURLs", "!('' in self)", "must be a valid URL"),
    required("VAL-24", "spec.vault.server"),
    required("VAL-24", "spec.vault.path"),
    inside("spec.vault.path"),
    inside("spec.vault.auth.appRole.path"),
    inside("spec.vault.auth.clientCertificate.mountPath"),
    inside("spec.vault.auth.kubernetes.mountPath"),
    inside("spec.vault.auth.aws.mountPath"),
    Rule::new(
        "VAL-24",
        "spec.vault",
        "!has(self.caBundle) || self.caBundle.size() == 0 || !has(self.caBundleSecretRef)",
        "specified caBundle and caBundleSecretRef cannot be used together",
    )
    .naming(".caBundle"),
    Rule::new(
        "VAL-24",
        "spec.vault",
        "!has(self.clientCertSecretRef) || has(self.clientKeySecretRef)",
        "clientKeySecretRef must be provided when defining the clientCertSecretRef",
    )
    .naming(".clientKeySecretRef"),
    Rule::new(
        "VAL-24",
        "spec.vault",
        "has(self.clientCertSecretRef) || !has(self.clientKeySecretRef)",
        "clientCertSecretRef must be provided when defining the clientKeySecretRef",
    )
    .naming(".clientCertSecretRef"),
    // Several may be set: the controller reports that (NB-29).
    Rule::new(
        "VAL-24",
        "spec.vault.auth",
        "has(self.tokenSecretRef) || has(self.appRole) || has(self.clientCertificate) || has(self.kubernetes) || has(self.aws)",
        "please supply one of: appRole, kubernetes, tokenSecretRef, clientCertificate, aws",
    )
    .missing(),
    required("VAL-24", "spec.vault.auth.appRole.roleId"),
    required("VAL-24", "spec.vault.auth.appRole.secretRef.name"),
    required("VAL-24", "spec.vault.auth.kubernetes.role"),
    required("VAL-24", "spec.vault.auth.kubernetes.serviceAccountRef.name"),
    Rule::new(
        "VAL-24",
        "spec.vault.auth.kubernetes",
        "(has(self.secretRef) && self.secretRef.name != '') != has(self.serviceAccountRef)",
        "please supply one of: secretRef, serviceAccountRef",
    )
    .forbidden(),
    required("VAL-24", "spec.vault.auth.aws.serviceAccountRef.name"),
    Rule::new(
        "VAL-24",
        "spec.vault.auth.aws",
        "!has(self.serviceAccountRef) || (has(self.iamRoleArn) && self.iamRoleArn != '')",
        "iamRoleArn is required when using serviceAccountRef for IRSA",
    )
    .naming(".iamRoleArn")
    .missing(),
    required("VAL-25", "spec.venafi.zone"),
    Rule::new(
        "VAL-25",
        "spec.venafi",
        "(has(self.tpp) ? 1 : 0) + (has(self.cloud) ? 1 : 0) + (has(self.ngts) ? 1 : 0) == 1",
        "please supply one of: tpp, cloud, ngts: exactly one of tpp, cloud, or ngts must be configured",
    ),
    required("VAL-25", "spec.venafi.tpp.url"),
    Rule::new(
        "VAL-25",
        "spec.venafi.tpp",
        "!has(self.caBundle) || self.caBundle.size() == 0 || !has(self.caBundleSecretRef)",
        "may not specify more than one of caBundle/caBundleSecretRef as TPP CA Bundle",
    )
    .forbidden(),
    required("VAL-25", "spec.venafi.ngts.tsgID"),
    required("VAL-25", "spec.venafi.ngts.credentialsRef.name"),
    Rule::new("VAL-26", "spec.acme.server", "self != ''", "acme server URL is a required field").missing(),
    Rule::new(
        "VAL-26",
        "spec.acme.privateKeySecretRef.name",
        "self != ''",
        "private key secret name is a required field",
    )
    .missing(),
    Rule::new(
        "VAL-26",
        "spec.acme",
        "!has(self.caBundle) || self.caBundle.size() == 0 || !has(self.skipTLSVerify) || !self.skipTLSVerify",
        "caBundle and skipTLSVerify are mutually exclusive and cannot both be set",
    )
    .naming(".caBundle"),
    Rule::new(
        "VAL-26",
        "spec.acme.externalAccountBinding.keyID",
        "self != ''",
        "the keyID field is required when using externalAccountBinding",
    )
    .missing(),
    secret_name("VAL-26", "spec.acme.externalAccountBinding.keySecretRef"),
    secret_key("VAL-26", "spec.acme.externalAccountBinding.keySecretRef"),
];

const fn required(row: &'static str, at: &'static str) -> Rule {
    Rule::new(row, at, "self != ''", "must be specified").missing()
}

/// A path that stays below its mount point.
const fn inside(at: &'static str) -> Rule {
    Rule::new(
        "VAL-24",
        at,
        "!self.matches('(^|/)[.][.](/|$)')",
        "must not contain '..' path segments",
    )
}

/// A reference to a key of a Secret has the Secret's name.
pub(super) const fn secret_name(row: &'static str, at: &'static str) -> Rule {
    Rule::new(row, at, "self.name != ''", "secret name is required")
        .naming(".name")
        .missing()
}

/// A reference to a key of a Secret has the key, if there is no default.
pub(super) const fn secret_key(row: &'static str, at: &'static str) -> Rule {
    Rule::new(row, at, "has(self.key) && self.key != ''", "secret key is required")
        .naming(".key")
        .missing()
}
