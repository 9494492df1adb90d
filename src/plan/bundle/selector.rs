//! Label selectors: parsed, matched, and as text for the API server and for conditions.

use std::{collections::BTreeSet, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::plan::seen::Pairs;

/// A label selector. One without requirements selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Sorted by key.
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Requirement {
    key: String,
    operation: Operation,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Equals(String),
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Parses a selector.
    ///
    /// # Errors
    /// A sentence for a requirement that has no meaning.
    pub fn of(selector: &LabelSelector) -> Result<Self, String> {
        let equal = selector.match_labels.iter().flatten().map(|(key, value)| {
            Ok(Requirement {
                key: key.clone(),
                operation: Operation::Equals(value.clone()),
            })
        });
        let expressions = selector.match_expressions.iter().flatten().map(requirement);
        let mut requirements = equal.chain(expressions).collect::<Result<Vec<_>, String>>()?;
        requirements.sort();
        Ok(Self { requirements })
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether it selects an object with these labels.
    pub fn matches(&self, labels: &Pairs) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.operation {
                Operation::Equals(wanted) => value == Some(wanted),
                Operation::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
                Operation::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
                Operation::Exists => value.is_some(),
                Operation::DoesNotExist => value.is_none(),
            }
        })
    }
}

fn requirement(expression: &LabelSelectorRequirement) -> Result<Requirement, String> {
    let LabelSelectorRequirement { key, operator, values } = expression;
    let values: BTreeSet<String> = values.iter().flatten().cloned().collect();
    let operation = match (operator.as_str(), values.is_empty()) {
        ("In", false) => Operation::In(values),
        ("NotIn", false) => Operation::NotIn(values),
        ("Exists", true) => Operation::Exists,
        ("DoesNotExist", true) => Operation::DoesNotExist,
        ("In" | "NotIn", true) => {
            return Err(format!(
                "the label selector for {key:?} has operator {operator} and no values"
            ));
        }
        ("Exists" | "DoesNotExist", false) => {
            return Err(format!(
                "the label selector for {key:?} has operator {operator}, which takes no values"
            ));
        }
        _ => {
            return Err(format!(
                "the label selector for {key:?} has the unknown operator {operator:?}; use In, NotIn, Exists or DoesNotExist"
            ));
        }
    };
    Ok(Requirement {
        key: key.clone(),
        operation,
    })
}

/// As the API server reads it in a list, and as kubectl prints it.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Requirement { key, operation }) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match operation {
                Operation::Equals(value) => write!(f, "{key}={value}")?,
                Operation::In(values) => write!(f, "{key} in ({})", joined(values))?,
                Operation::NotIn(values) => write!(f, "{key} notin ({})", joined(values))?,
                Operation::Exists => f.write_str(key)?,
                Operation::DoesNotExist => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

fn joined(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selector(value: serde_json::Value) -> Result<Selector, String> {
        Selector::of(&serde_json::from_value(value).unwrap())
    }

    fn labels(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_text_is_that_of_kubernetes() {
        let all = selector(json!({
            "matchLabels": {"team": "a", "env": "prod"},
            "matchExpressions": [
                {"key": "zone", "operator": "In", "values": ["b", "a"]},
                {"key": "old", "operator": "DoesNotExist"},
                {"key": "kind", "operator": "NotIn", "values": ["x"]},
                {"key": "here", "operator": "Exists"},
            ],
        }));
        let text = all.unwrap().to_string();
        assert_eq!(text, "env=prod,here,kind notin (x),!old,team=a,zone in (a,b)");
    }

    #[test]
    fn every_requirement_must_hold_and_none_selects_everything() {
        let is_prod = selector(json!({"matchLabels": {"env": "prod"}})).unwrap();
        assert!(is_prod.matches(&labels(&[("env", "prod"), ("x", "y")])));
        assert!(!is_prod.matches(&labels(&[("env", "test")])) && !is_prod.matches(&labels(&[])));
        let not_in = selector(json!({"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]}));
        let not_in = not_in.unwrap();
        assert!(not_in.matches(&labels(&[])) && !not_in.matches(&labels(&[("env", "prod")])));
        let everything = selector(json!({})).unwrap();
        assert!(everything.is_everything() && everything.matches(&labels(&[])));
    }

    #[test]
    fn a_requirement_without_meaning_is_refused_with_its_key() {
        for expression in [
            json!({"key": "env", "operator": "In", "values": []}),
            json!({"key": "env", "operator": "Exists", "values": ["x"]}),
            json!({"key": "env", "operator": "Like", "values": ["x"]}),
        ] {
            let error = selector(json!({"matchExpressions": [expression]})).unwrap_err();
            assert!(error.contains("\"env\""), "{error}");
        }
    }
}
