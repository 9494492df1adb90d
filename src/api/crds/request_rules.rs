//! Validation rules of CertificateRequests, Orders and Challenges, and of their updates (VAL-31..33, 36..38).

use super::certificate_rules::{ISSUER_KIND, spec};
use super::rule::Rule;

const APPROVED_ONCE: &str = "'Approved' condition may not be modified once set";
const DENIED_ONCE: &str = "'Denied' condition may not be modified once set";

/// The list of conditions is not removed while it has one of this type.
macro_rules! conditions_kept {
    ($type:literal) => {
        concat!(
            "!has(oldSelf.status) || !has(oldSelf.status.conditions) || !oldSelf.status.conditions.exists(c, c.type == '",
            $type,
            "') || (has(self.status) && has(self.status.conditions))"
        )
    };
}

/// The rules of the kind CertificateRequest. Admission policies validate its annotations and approvers (VAL-33..35).
pub(super) const CERTIFICATE_REQUEST: &[Rule] = &[
    spec("VAL-31", "must be specified, with request and issuerRef.name"),
    Rule::new("VAL-02", "spec.issuerRef.name", "self != ''", "must be specified").missing(),
    ISSUER_KIND,
    Rule::new(
        "VAL-32",
        "status.conditions[]",
        "!(self.type in ['Approved', 'Denied']) || self.status == 'True'",
        "'Approved' and 'Denied' conditions may only be set to True",
    )
    .saying("'\"' + self.type + '\" condition may only be set to True'"),
    Rule::new(
        "VAL-32",
        "status.conditions",
        "!self.exists(c, c.type == 'Denied') || !self.exists(c, c.type == 'Approved')",
        "both 'Denied' and 'Approved' conditions cannot coexist",
    )
    .forbidden(),
    Rule::new("VAL-33", "spec", "self == oldSelf", "cannot change spec after creation").forbidden(),
    Rule::new(
        "VAL-33",
        "",
        "has(self.spec) == has(oldSelf.spec)",
        "cannot change spec after creation",
    )
    .naming(".spec")
    .forbidden(),
    Rule::new(
        "VAL-33",
        "status.conditions[]",
        "!(self.type in ['Approved', 'Denied']) || self == oldSelf",
        "'Approved' and 'Denied' conditions may not be modified once set",
    )
    .saying("\"'\" + self.type + \"' condition may not be modified once set\"")
    .forbidden(),
    kept(
        "!oldSelf.exists(c, c.type == 'Approved') || self.exists(c, c.type == 'Approved')",
        APPROVED_ONCE,
    ),
    kept(
        "!oldSelf.exists(c, c.type == 'Denied') || self.exists(c, c.type == 'Denied')",
        DENIED_ONCE,
    ),
    // A rule of the list is not evaluated when the list is removed.
    Rule::new("VAL-33", "", conditions_kept!("Approved"), APPROVED_ONCE)
        .naming(".status.conditions")
        .forbidden(),
    Rule::new("VAL-33", "", conditions_kept!("Denied"), DENIED_ONCE)
        .naming(".status.conditions")
        .forbidden(),
];

const fn kept(holds: &'static str, message: &'static str) -> Rule {
    Rule::new("VAL-33", "status.conditions", holds, message).forbidden()
}

const ONCE: &str = "field is immutable once set";

/// A field of the status that does not change once it is not `$empty`.
macro_rules! once {
    ($field:literal, $empty:literal) => {
        Rule::new(
            "VAL-36",
            "status",
            concat!(
                "!has(oldSelf.",
                $field,
                ") || oldSelf.",
                $field,
                " == ",
                $empty,
                " || (has(self.",
                $field,
                ") && self.",
                $field,
                " == oldSelf.",
                $field,
                ")"
            ),
            ONCE,
        )
        .naming(concat!(".", $field))
        .forbidden()
    };
}

/// A field of every authorization that does not change. Another rule validates their number.
macro_rules! each {
    ($holds:literal, $message:literal) => {
        Rule::new(
            "VAL-36",
            "status.authorizations",
            concat!("self.size() != oldSelf.size() || self.all(i, new, ", $holds, ")"),
            $message,
        )
        .forbidden()
    };
}

/// The rules of the kind Order (VAL-36). Its creation is not validated (VAL-37).
pub(super) const ORDER: &[Rule] = &[
    Rule::new("VAL-36", "spec", "self.request == oldSelf.request", ONCE)
        .naming(".request")
        .forbidden(),
    once!("url", "''"),
    once!("finalizeURL", "''"),
    once!("certificate", "b''"),
    Rule::new(
        "VAL-36",
        "status",
        "!has(oldSelf.authorizations) || oldSelf.authorizations.size() == 0
         || (has(self.authorizations) && self.authorizations.size() == oldSelf.authorizations.size())",
        ONCE,
    )
    .naming(".authorizations")
    .forbidden(),
    // A rule of the status is not evaluated when the status is removed.
    Rule::new(
        "VAL-36",
        "",
        "!has(oldSelf.status) || has(self.status) || !(has(oldSelf.status.url) || has(oldSelf.status.finalizeURL)
         || has(oldSelf.status.certificate) || has(oldSelf.status.authorizations))",
        ONCE,
    )
    .naming(".status")
    .forbidden(),
    each!("new.url == oldSelf[i].url", "url: field is immutable once set"),
    each!(
        "!has(oldSelf[i].identifier) || oldSelf[i].identifier == ''
         || (has(new.identifier) && new.identifier == oldSelf[i].identifier)",
        "identifier: field is immutable once set"
    ),
    each!(
        "!has(oldSelf[i].wildcard) || (has(new.wildcard) && new.wildcard == oldSelf[i].wildcard)",
        "wildcard: field is immutable once set"
    ),
    each!(
        "!has(oldSelf[i].initialState) || (has(new.initialState) && new.initialState == oldSelf[i].initialState)",
        "initialState: field is immutable once set"
    ),
    each!(
        "!has(oldSelf[i].challenges) || oldSelf[i].challenges.size() == 0
         || (has(new.challenges) && new.challenges == oldSelf[i].challenges)",
        "challenges: field is immutable once set"
    ),
];

/// The rules of the kind Challenge (VAL-38). Its creation is not validated (VAL-37).
pub(super) const CHALLENGE: &[Rule] = &[Rule::new(
    "VAL-38",
    "spec",
    "self == oldSelf",
    "challenge spec is immutable after creation",
)
.forbidden()];
