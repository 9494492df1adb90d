//! The custom resource definitions: there, served, with certlet's rules, and who owns them.

use super::finding::{Finding, names};
use crate::{
    api::{ACME_GROUP, GROUP, crds},
    cluster::{Error, installation::Definition, reader::Reader},
};

const CHECK: &str = "definitions";
const APPLY: &str =
    "Apply them: kubectl apply --server-side --force-conflicts -f crds/, or helm upgrade with crds.enabled=true";

/// A definition of the API by name, as certlet has it and as it was found.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    name: String,
    /// Whether certlet's own has validation rules.
    wants_rules: bool,
    found: Option<Definition>,
}

/// Reads all definitions of the API.
///
/// # Errors
/// If the API server rejects a call, or cannot be reached.
pub(super) async fn observe(reader: &Reader) -> Result<Vec<Seen>, Error> {
    let mut seen = Vec::new();
    for (name, wants_rules) in own() {
        let found = reader.definition(&name).await?;
        seen.push(Seen {
            name,
            wants_rules,
            found,
        });
    }
    Ok(seen)
}

/// Names of certlet's own definitions, and whether they have validation rules.
fn own() -> Vec<(String, bool)> {
    let all = crds::definitions().unwrap_or_default();
    let name = |definition: &serde_json::Value| {
        let name = definition.pointer("/metadata/name").and_then(serde_json::Value::as_str);
        let rules = definition.to_string().contains("\"x-kubernetes-validations\"");
        Some((name?.to_owned(), rules))
    };
    all.iter().filter_map(name).collect()
}

/// The definitions of those that exist.
pub(super) fn found(seen: &[Seen]) -> impl Iterator<Item = (&str, &Definition)> {
    seen.iter()
        .filter_map(|seen| Some((seen.name.as_str(), seen.found.as_ref()?)))
}

/// What the definitions show.
pub(super) fn verdict(seen: &[Seen]) -> Vec<Finding> {
    let select = |is: &dyn Fn(&Seen, &Definition) -> bool| -> Vec<&str> {
        let chosen = seen
            .iter()
            .filter(|one| one.found.as_ref().is_some_and(|found| is(one, found)));
        chosen.map(|one| one.name.as_str()).collect()
    };
    let missing: Vec<&str> = seen
        .iter()
        .filter(|one| one.found.is_none())
        .map(|one| one.name.as_str())
        .collect();
    let mut findings = Vec::new();
    if !missing.is_empty() {
        findings.push(Finding::failure(
            CHECK,
            format!("{} do not exist", names(&missing)),
            APPLY,
        ));
    }
    let unserved = select(&|_, found| !found.is_served);
    if !unserved.is_empty() {
        let message = format!("{} are not served in version v1", names(&unserved));
        findings.push(Finding::failure(CHECK, message, APPLY));
    }
    for one in seen {
        let Some(converter) = one.found.as_ref().and_then(|found| found.converter.as_ref()) else {
            continue;
        };
        let message = format!(
            "{} has a conversion webhook at {converter}: without it, objects of other versions cannot be read",
            one.name
        );
        findings.push(Finding::failure(CHECK, message, APPLY));
    }
    let old = select(&|_, found| found.stored_versions.iter().any(|version| version != "v1"));
    if !old.is_empty() {
        let message = format!("{} may have objects that are stored in versions before v1", names(&old));
        let action = "Have them stored again before those versions go: cmctl upgrade migrate-api-version";
        findings.push(Finding::warning(CHECK, message, action));
    }
    let without = select(&|one, found| one.wants_rules && !found.has_rules);
    if !without.is_empty() {
        let message = format!(
            "{} are not those of certlet: what is invalid is not refused, but reported in a condition",
            names(&without)
        );
        findings.push(Finding::warning(CHECK, message, APPLY));
    }
    if findings.is_empty() {
        let message = format!("all {} definitions exist and are served in version v1", seen.len());
        findings.push(Finding::ok(CHECK, message));
    }
    findings
}

/// What the API server serves, for callers that may not read definitions.
///
/// # Errors
/// If the API server cannot be reached.
pub(super) async fn observe_served(reader: &Reader) -> Result<Vec<String>, Error> {
    let mut served = Vec::new();
    for group in [GROUP, ACME_GROUP] {
        let kinds = reader.served(group).await?;
        served.extend(kinds.into_iter().map(|kind| format!("{kind}.{group}")));
    }
    Ok(served)
}

/// What the list of served kinds shows.
pub(super) fn verdict_served(served: &[String]) -> Finding {
    let own = own();
    let missing: Vec<&str> = own
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !served.iter().any(|served| served == name))
        .collect();
    if missing.is_empty() {
        let message = "all kinds are served in version v1; whether they are certlet's was not checked: you may not get CustomResourceDefinitions";
        return Finding::ok(CHECK, message);
    }
    Finding::failure(CHECK, format!("{} are not served", names(&missing)), APPLY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Verdict;

    fn good() -> Vec<Seen> {
        let definition = Definition {
            is_served: true,
            stored_versions: vec!["v1".into()],
            has_rules: true,
            ..Definition::default()
        };
        own()
            .into_iter()
            .map(|(name, wants_rules)| Seen {
                name,
                wants_rules,
                found: Some(definition.clone()),
            })
            .collect()
    }

    #[test]
    fn six_served_definitions_are_one_good_line() {
        let findings = verdict(&good());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].verdict, Verdict::Ok);
        assert!(findings[0].message.contains("all 6"), "{findings:?}");
    }

    #[test]
    fn what_is_missing_not_served_converted_or_stored_in_an_old_version_is_named() {
        let mut seen = good();
        seen[0].found = None;
        let change = |seen: &mut Seen, change: &dyn Fn(&mut Definition)| change(seen.found.as_mut().unwrap());
        change(&mut seen[1], &|found| found.is_served = false);
        change(&mut seen[2], &|found| {
            found.converter = Some("Service cert-manager/cert-manager-webhook".into());
        });
        change(&mut seen[3], &|found| found.stored_versions.push("v1alpha2".into()));
        let findings = verdict(&seen);
        let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(
            verdicts,
            [Verdict::Failure, Verdict::Failure, Verdict::Failure, Verdict::Warning]
        );
        for (finding, seen) in findings.iter().zip(&seen) {
            assert!(
                finding.message.contains(&seen.name) && !finding.action.is_empty(),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn definitions_of_cert_manager_serve_and_are_told_apart_by_their_rules() {
        let mut seen = good();
        for one in &mut seen {
            one.found.as_mut().unwrap().has_rules = false;
        }
        let findings = verdict(&seen);
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Warning));
    }

    #[test]
    fn without_the_right_to_read_definitions_the_served_kinds_count() {
        let served: Vec<String> = own().into_iter().map(|(name, _)| name).collect();
        assert_eq!(verdict_served(&served).verdict, Verdict::Ok);
        assert_eq!(verdict_served(&served[1..]).verdict, Verdict::Failure);
    }
}
