//! Validation rules of Certificates (VAL-01..20). The controller validates names, annotations, cron expressions and RFC
//! 4514 texts.

use super::rule::Rule;

/// A CEL literal: the durations of Go. An invalid one passes here, and the controller reports it in a condition.
macro_rules! go_duration {
    () => {
        "'^[-+]?(0|(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$'"
    };
}
pub(super) use go_duration;

/// The lifetime of a Certificate with a valid duration.
macro_rules! lifetime {
    () => {
        "duration(has(self.duration) ? self.duration : '2160h')"
    };
}

/// Whether both durations of a Certificate are valid or missing.
macro_rules! durations_readable {
    () => {
        concat!(
            "(!has(self.duration) || self.duration.matches(",
            go_duration!(),
            ")) && (!has(self.renewBefore) || self.renewBefore.matches(",
            go_duration!(),
            "))"
        )
    };
}

/// The rules of the kind Certificate.
pub(super) const RULES: &[Rule] = &[
    spec("VAL-01", "must be specified, with secretName and issuerRef.name"),
    Rule::new("VAL-01", "spec.secretName", "self != ''", "must be specified").missing(),
    Rule::new(
        "VAL-01",
        "spec.secretName",
        "self == '' || !format.dns1123Subdomain().validate(self).hasValue()",
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
         and end with an alphanumeric character (e.g. 'example.com')",
    ),
    Rule::new("VAL-02", "spec.issuerRef.name", "self != ''", "must be specified").missing(),
    ISSUER_KIND,
    Rule::new(
        "VAL-03",
        "spec",
        "!has(self.literalSubject) || self.literalSubject == '' || !has(self.commonName) || self.commonName == ''",
        "When providing a `LiteralSubject` no `commonName` may be provided.",
    )
    .naming(".commonName"),
    Rule::new(
        "VAL-03",
        "spec",
        "!has(self.literalSubject) || self.literalSubject == '' || !has(self.subject) ||
         ((!has(self.subject.organizations) || self.subject.organizations.size() == 0)
          && (!has(self.subject.countries) || self.subject.countries.size() == 0)
          && (!has(self.subject.organizationalUnits) || self.subject.organizationalUnits.size() == 0)
          && (!has(self.subject.localities) || self.subject.localities.size() == 0)
          && (!has(self.subject.provinces) || self.subject.provinces.size() == 0)
          && (!has(self.subject.streetAddresses) || self.subject.streetAddresses.size() == 0)
          && (!has(self.subject.postalCodes) || self.subject.postalCodes.size() == 0)
          && (!has(self.subject.serialNumber) || self.subject.serialNumber == ''))",
        "When providing a `LiteralSubject` no `Subject` properties may be provided.",
    )
    .naming(".subject"),
    Rule::new(
        "VAL-04",
        "spec",
        "(has(self.commonName) && self.commonName != '') || (has(self.literalSubject) && self.literalSubject != '')
         || (has(self.dnsNames) && self.dnsNames.size() > 0) || (has(self.uris) && self.uris.size() > 0)
         || (has(self.emailAddresses) && self.emailAddresses.size() > 0)
         || (has(self.ipAddresses) && self.ipAddresses.size() > 0)
         || (has(self.otherNames) && self.otherNames.size() > 0)",
        "at least one of commonName (from the commonName field or from a literalSubject), dnsNames, emailSANs, \
         ipAddresses, otherNames, or uriSANs must be set",
    ),
    Rule::new("VAL-05", "spec.commonName", "bytes(self).size() <= 64", "may not be more than 64 bytes"),
    // isIP rejects IPv4-mapped IPv6 addresses, which cert-manager accepts: the controller validates those.
    Rule::new(
        "VAL-06",
        "spec.ipAddresses[]",
        "isIP(self) || self.matches('^[0-9a-fA-F:.]*:[fF]{4}:[0-9a-fA-F:.]+$')",
        "invalid IP address",
    ),
    // What Go's mail.ParseAddress returns unchanged: dot-atoms (RFC 5322, 3.2.3) and, as a domain, an address in
    // brackets.
    Rule::new(
        "VAL-07",
        "spec.emailAddresses[]",
        r#"self.matches(r'^[^\x00- ()<>\[\]:;@\\,"\x7f]+@([^\x00- ()<>\[\]:;@\\,"\x7f]+|\[[0-9a-fA-F.:]+])$')"#,
        "invalid email address",
    )
    .saying(
        "self.contains('<') || self.contains(' ') || self.contains('\"')
         ? 'invalid email address: make sure the supplied value only contains the email address itself'
         : 'invalid email address: it has to look like name@example.com'",
    ),
    Rule::new(
        "VAL-07",
        "spec.emailAddresses[]",
        r"!self.matches(r'(^|@|[.])[.]|[.](@|$)')",
        "invalid email address: a dot is neither first nor last, nor beside another one",
    ),
    Rule::new("VAL-08", "spec.otherNames[]", "has(self.oid) && self.oid != ''", "must be specified").naming(".oid").missing(),
    Rule::new(
        "VAL-08",
        "spec.otherNames[]",
        "!has(self.oid) || self.oid == '' || self.oid.matches('^[0-9]+([.][0-9]+)*$')",
        "invalid oid syntax",
    )
    .naming(".oid"),
    Rule::new(
        "VAL-08",
        "spec.otherNames[]",
        "has(self.utf8Value) && self.utf8Value != ''",
        "must be set to a valid non-empty UTF8 string",
    )
    .naming(".utf8Value")
    .missing(),
    Rule::new(
        "VAL-09",
        "spec.privateKey",
        "(has(self.algorithm) && self.algorithm != 'RSA') || !has(self.size) || self.size <= 0
         || (self.size >= 2048 && self.size <= 8192)",
        "must be between 2048 and 8192 for rsa keyAlgorithm",
    )
    .naming(".size"),
    Rule::new(
        "VAL-09",
        "spec.privateKey",
        "!has(self.algorithm) || self.algorithm != 'ECDSA' || !has(self.size) || self.size <= 0
         || self.size in [256, 384, 521]",
        "supported values: \"256\", \"384\", \"521\"",
    )
    .naming(".size"),
    Rule::new(
        "VAL-10",
        "spec",
        "!has(self.signatureAlgorithm) || self.signatureAlgorithm in
         (!has(self.privateKey) || !has(self.privateKey.algorithm) || self.privateKey.algorithm == 'RSA'
          ? ['SHA256WithRSA', 'SHA384WithRSA', 'SHA512WithRSA']
          : self.privateKey.algorithm == 'ECDSA' ? ['ECDSAWithSHA256', 'ECDSAWithSHA384', 'ECDSAWithSHA512']
          : ['PureEd25519'])",
        "does not fit the key algorithm",
    )
    .naming(".signatureAlgorithm")
    .saying(
        "'for key algorithm ' + (has(self.privateKey) && has(self.privateKey.algorithm) ? self.privateKey.algorithm : 'RSA')
         + ' the allowed signature algorithms are '
         + (!has(self.privateKey) || !has(self.privateKey.algorithm) || self.privateKey.algorithm == 'RSA'
            ? '[SHA256WithRSA SHA384WithRSA SHA512WithRSA]'
            : self.privateKey.algorithm == 'ECDSA' ? '[ECDSAWithSHA256 ECDSAWithSHA384 ECDSAWithSHA512]'
            : '[PureEd25519]')",
    ),
    Rule::new(
        "VAL-11",
        "spec.duration",
        concat!("!self.matches(", go_duration!(), ") || duration(self) >= duration('1h')"),
        "certificate duration must be greater than 1h0m0s",
    ),
    Rule::new(
        "VAL-12",
        "spec.renewBefore",
        concat!("!self.matches(", go_duration!(), ") || duration(self) >= duration('5m')"),
        "certificate renewBefore must be greater than 5m0s",
    ),
    Rule::new(
        "VAL-12",
        "spec",
        concat!("!has(self.renewBefore) || !(", durations_readable!(), ") || duration(self.renewBefore) < ", lifetime!()),
        "certificate duration must be greater than renewBefore",
    )
    .naming(".renewBefore")
    .saying(
        "'certificate duration ' + (has(self.duration) ? self.duration : '2160h0m0s')
         + ' must be greater than renewBefore ' + self.renewBefore",
    ),
    Rule::new(
        "VAL-13",
        "spec",
        "!has(self.renewBefore) || !has(self.renewBeforePercentage)",
        "renewBefore and renewBeforePercentage are mutually exclusive and cannot both be set",
    )
    .naming(".renewBefore"),
    // A percentage alone is not validated, and otherwise its difference to 100 is: so does cert-manager (NB-29).
    Rule::new(
        "VAL-13",
        "spec",
        concat!(
            "!has(self.renewBeforePercentage) || !(has(self.duration) || has(self.renewBefore)) || !(",
            durations_readable!(),
            ") || ",
            lifetime!(),
            ".getMilliseconds() * (100 - self.renewBeforePercentage) / 100 >= 300000"
        ),
        "certificate renewBeforePercentage must result in a renewBefore greater than 5m0s",
    )
    .naming(".renewBeforePercentage"),
    Rule::new(
        "VAL-13",
        "spec",
        "!has(self.renewBeforePercentage) || !(has(self.duration) || has(self.renewBefore)) || self.renewBeforePercentage > 0",
        "certificate renewBeforePercentage must result in a renewBefore less than duration",
    )
    .naming(".renewBeforePercentage"),
    Rule::new("VAL-15", "spec.revisionHistoryLimit", "self >= 1", "must not be less than 1"),
    Rule::new(
        "VAL-16",
        "spec.secretTemplate.annotations",
        "self.all(key, !key.startsWith('cert-manager.io/') || key == 'cert-manager.io/allow-direct-injection')",
        "cert-manager.io/* annotations are not allowed",
    ),
    Rule::new(
        "VAL-17",
        "spec",
        "!has(self.nameConstraints) || (has(self.isCA) && self.isCA)",
        "isCa should be true when nameConstraints is set",
    )
    .naming(".nameConstraints"),
    Rule::new(
        "VAL-17",
        "spec.nameConstraints",
        "has(self.permitted) || has(self.excluded)",
        "either permitted or excluded must be set",
    ),
    // The controller parses IP ranges: cert-manager 1.21 does so when it issues.
    Rule::new(
        "VAL-18",
        "spec.additionalOutputFormats",
        "['DER', 'CombinedPEM'].all(type, self.filter(format, format.type == type).size() <= 1)",
        "each type may be listed once",
    )
    .duplicate(),
    both_passwords("spec.keystores.jks", "exactly one of passwordSecretRef and password must be provided for JKS keystores; cannot set both"),
    no_password("spec.keystores.jks", "must set exactly one of passwordSecretRef and password must for JKS keystores"),
    empty_password("spec.keystores.jks", "literal password cannot be empty if set on JKS keystores"),
    both_passwords(
        "spec.keystores.pkcs12",
        "exactly one of passwordSecretRef and password must be provided for PKCS#12 keystores; cannot set both",
    ),
    no_password("spec.keystores.pkcs12", "must set exactly one of passwordSecretRef and password must for PKCS#12 keystores"),
    empty_password("spec.keystores.pkcs12", "literal password cannot be empty if set on PKCS#12 keystores"),
    Rule::new("VAL-20", "spec.renewal", "has(self.policy)", "supported values: \"Disabled\", \"RenewBefore\"")
        .naming(".policy")
        .missing(),
    Rule::new(
        "VAL-20",
        "spec.renewal",
        "!has(self.policy) || self.policy != 'Disabled' || !has(self.windows) || self.windows.size() == 0",
        "windows cannot be set when `renewal.policy` is set to Disabled",
    )
    .naming(".windows")
    .forbidden(),
];

/// There is a spec. The definitions of cert-manager do not require one, its webhook does. A stored object without one
/// can still be labelled, reported on and deleted.
pub(super) const fn spec(row: &'static str, message: &'static str) -> Rule {
    Rule::new(
        row,
        "",
        "has(self.spec) || (oldSelf.hasValue() && !has(oldSelf.value().spec))",
        message,
    )
    .naming(".spec")
    .missing()
    .comparing()
}

/// Only kinds of this API are validated; other groups' are accepted.
pub(super) const ISSUER_KIND: Rule = Rule::new(
    "VAL-02",
    "spec.issuerRef",
    "(has(self.group) && self.group != '' && self.group != 'cert-manager.io') || !has(self.kind)
     || self.kind in ['', 'Issuer', 'ClusterIssuer']",
    "must be one of Issuer or ClusterIssuer",
)
.naming(".kind")
.saying(
    "'must be one of Issuer or ClusterIssuer'
     + (has(self.group) && self.group != '' ? '' : ' (did you forget to set spec.issuerRef.group?)')",
);

const fn both_passwords(at: &'static str, message: &'static str) -> Rule {
    Rule::new(
        "VAL-19",
        at,
        "!has(self.password) || !has(self.passwordSecretRef) || self.passwordSecretRef.name == ''",
        message,
    )
    .forbidden()
}

const fn no_password(at: &'static str, message: &'static str) -> Rule {
    Rule::new(
        "VAL-19",
        at,
        "has(self.password) || (has(self.passwordSecretRef) && self.passwordSecretRef.name != '')",
        message,
    )
    .forbidden()
}

const fn empty_password(at: &'static str, message: &'static str) -> Rule {
    Rule::new("VAL-19", at, "!has(self.password) || self.password != ''", message)
        .naming(".password")
        .forbidden()
}
