//! The config of the solver `dns-persist` of the group `certlet.io`: names are proved by a TXT record that stays (draft-ietf-acme-dns-persist).

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Map, Value};

use super::AcmeIssuer;
use super::GoDuration;
use super::dns01::{BUILT_IN_GROUP, Dns01, Webhook};

/// The name of the solver.
pub const SOLVER: &str = "dns-persist";

/// How long before the end of a record it is reported, if the config does not say so.
const WARN_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The settings of the solver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsPersist {
    /// Whether the record that is shown has `policy=wildcard`, also for a name that is no wildcard.
    pub wildcard: bool,
    /// The `persistUntil` of the record that is shown.
    pub until: Option<Timestamp>,
    /// How long before the end of a record it is reported.
    pub warn_before: SignedDuration,
    /// Whether the CA accepts the record of a parent domain.
    pub parents: bool,
}

impl Default for DnsPersist {
    fn default() -> Self {
        Self {
            wildcard: false,
            until: None,
            warn_before: WARN_BEFORE,
            parents: false,
        }
    }
}

impl Dns01 {
    /// The settings of the solver `dns-persist`, if it is that; or what is wrong with its config, as a sentence.
    pub fn dns_persist(&self) -> Option<Result<DnsPersist, String>> {
        let webhook = self.webhook.as_ref().filter(|webhook| webhook.is_dns_persist())?;
        Some(
            DnsPersist::read(webhook.config.as_ref())
                .map_err(|what| format!("the config of the solver {BUILT_IN_GROUP}/{SOLVER} {what}")),
        )
    }

    /// Whether it is the solver `dns-persist`.
    pub fn is_dns_persist(&self) -> bool {
        self.webhook.as_ref().is_some_and(Webhook::is_dns_persist)
    }
}

impl AcmeIssuer {
    /// How long before the end of a record it is reported: the longest time of its solvers. `None` without a solver `dns-persist`.
    pub fn persist_warn_before(&self) -> Option<SignedDuration> {
        let solvers = self
            .solvers
            .iter()
            .filter_map(|solver| solver.dns01.as_ref()?.dns_persist());
        solvers.map(|settings| settings.unwrap_or_default().warn_before).max()
    }
}

impl Webhook {
    fn is_dns_persist(&self) -> bool {
        self.group_name == BUILT_IN_GROUP && self.solver_name == SOLVER
    }
}

impl DnsPersist {
    fn read(config: Option<&Value>) -> Result<Self, String> {
        const FIELDS: &str = "policy, persistUntil, warnBefore, parents";
        let none = Map::new();
        let fields = match config {
            None | Some(Value::Null) => &none,
            Some(Value::Object(fields)) => fields,
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(format!("is no object with {FIELDS}"));
            }
        };
        let mut read = Self::default();
        for (field, value) in fields {
            match (field.as_str(), value) {
                (_, Value::Null) => {}
                ("policy", Value::String(policy)) if policy.eq_ignore_ascii_case("wildcard") => read.wildcard = true,
                ("policy", _) => return Err("has a policy that is not \"wildcard\", the only one there is".to_owned()),
                ("persistUntil", value) => read.until = Some(until(value)?),
                ("warnBefore", Value::String(text)) => {
                    let duration: GoDuration = text
                        .parse()
                        .map_err(|error| format!("has a wrong warnBefore: {error}"))?;
                    read.warn_before = duration.into();
                }
                ("warnBefore", _) => return Err("has a warnBefore that is no duration such as 720h".to_owned()),
                ("parents", Value::Bool(parents)) => read.parents = *parents,
                ("parents", _) => return Err("has parents that is neither true nor false".to_owned()),
                (_, _) => return Err(format!("has an unknown field: it may have {FIELDS}")),
            }
        }
        Ok(read)
    }
}

fn until(value: &Value) -> Result<Timestamp, String> {
    let read = match value {
        Value::String(text) => instant(text),
        Value::Number(seconds) => seconds
            .as_i64()
            .and_then(|seconds| Timestamp::from_second(seconds).ok()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    read.ok_or_else(|| {
        "has a persistUntil that is no date such as 2027-12-31, no time such as 2027-12-31T12:00:00Z and no number of seconds since 1970".to_owned()
    })
}

/// A date (its beginning in UTC), a time of RFC 3339, or a number of seconds since 1970. `None` if it is none of them.
pub fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let date: Date = text.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn solver(group: &str, name: &str, config: Value) -> Dns01 {
        Dns01 {
            webhook: Some(Webhook {
                config: Some(config),
                group_name: group.to_owned(),
                solver_name: name.to_owned(),
            }),
            ..Dns01::default()
        }
    }

    #[test]
    fn the_solver_is_that_of_certlets_group_and_no_webhook_of_the_same_name() {
        assert_eq!(
            solver(BUILT_IN_GROUP, SOLVER, Value::Null).dns_persist(),
            Some(Ok(DnsPersist::default()))
        );
        for (group, name) in [("acme.example.com", SOLVER), (BUILT_IN_GROUP, "pdns")] {
            let other = solver(group, name, Value::Null);
            assert!(
                other.dns_persist().is_none() && !other.is_dns_persist(),
                "{group} {name}"
            );
        }
    }

    #[test]
    fn all_fields_are_read_and_the_end_may_be_written_in_three_ways() {
        let config = json!({"policy": "Wildcard", "persistUntil": "2027-12-31", "warnBefore": "48h", "parents": true});
        let expected = DnsPersist {
            wildcard: true,
            until: Some("2027-12-31T00:00:00Z".parse().unwrap()),
            warn_before: SignedDuration::from_hours(48),
            parents: true,
        };
        assert_eq!(DnsPersist::read(Some(&config)), Ok(expected));
        for end in [json!("2027-12-31T00:00:00Z"), json!(1_830_211_200), json!("1830211200")] {
            assert_eq!(until(&end).ok(), expected.until, "{end}");
        }
    }

    #[test]
    fn a_wrong_config_is_named() {
        for (config, words) in [
            (json!("policy"), "is no object with policy, persistUntil"),
            (
                json!({"polizy": "wildcard"}),
                "has an unknown field: it may have policy",
            ),
            (json!({"policy": "subdomains"}), "has a policy that is not \"wildcard\""),
            (json!({"policy": true}), "has a policy that is not"),
            (
                json!({"persistUntil": "next year"}),
                "has a persistUntil that is no date",
            ),
            (json!({"persistUntil": 1e300}), "has a persistUntil that is no date"),
            (json!({"warnBefore": "30d"}), "has a wrong warnBefore"),
            (json!({"warnBefore": 30}), "has a warnBefore that is no duration"),
            (json!({"parents": "yes"}), "has parents that is neither"),
        ] {
            let sentence = solver(BUILT_IN_GROUP, SOLVER, config)
                .dns_persist()
                .unwrap()
                .unwrap_err();
            assert!(
                sentence.starts_with("the config of the solver certlet.io/dns-persist ") && sentence.contains(words),
                "{sentence}"
            );
        }
    }
}
