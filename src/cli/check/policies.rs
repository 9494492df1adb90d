//! The admission policies: there, and bound. Their names are those of the manifests in `deploy`.

use super::finding::{Finding, names};
use crate::cluster::{Error, installation::Policies, reader::Reader};

const CHECK: &str = "policies";
const VALIDATING: &str = include_str!("../../../deploy/api/policies.yaml");
const MUTATING: &str = include_str!("../../../deploy/requester-identity/policy.yaml");

/// The policies of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    validating: Policies,
    /// `None` on a server without mutating policies.
    mutating: Option<Policies>,
    server: String,
}

/// Reads the policies.
///
/// # Errors
/// If the API server rejects a call, or cannot be reached.
pub(super) async fn observe(reader: &Reader, server: &str) -> Result<Seen, Error> {
    let validating = reader.validating_policies().await?;
    let mutating = if reader.can_write_requesters().await? {
        Some(reader.mutating_policies().await?)
    } else {
        None
    };
    Ok(Seen {
        validating,
        mutating,
        server: server.to_owned(),
    })
}

/// What the policies show.
pub(super) fn verdict(seen: &Seen) -> Vec<Finding> {
    let Seen {
        validating,
        mutating,
        server,
    } = seen;
    let wanted = wanted(VALIDATING, "ValidatingAdmissionPolicy");
    let mut findings = Vec::new();
    let (missing, unbound) = compared(&wanted, validating);
    let apply = "Apply them: kubectl apply -k deploy/api, or helm upgrade";
    if !missing.is_empty() {
        let message = format!(
            "ValidatingAdmissionPolicies {} do not exist: what they refuse is accepted",
            names(&missing)
        );
        findings.push(Finding::failure(CHECK, message, apply));
    }
    if !unbound.is_empty() {
        let message = format!(
            "ValidatingAdmissionPolicies {} have no binding: they are not in force",
            names(&unbound)
        );
        findings.push(Finding::failure(CHECK, message, apply));
    }
    let mut in_force = wanted.len();
    if let Some(mutating) = mutating {
        let wanted = self::wanted(MUTATING, "MutatingAdmissionPolicy");
        let (missing, unbound) = compared(&wanted, mutating);
        in_force += wanted.len();
        let open = [missing, unbound].concat();
        if !open.is_empty() {
            let message = format!(
                "MutatingAdmissionPolicy {} does not exist or has no binding: the requester of CertificateRequests that other clients create is not recorded",
                names(&open)
            );
            let action = "Apply it: kubectl apply -f deploy/requester-identity/policy.yaml, or helm upgrade";
            findings.push(Finding::warning(CHECK, message, action));
        }
    }
    if findings.is_empty() {
        let message = match mutating {
            Some(_) => format!("all {in_force} policies exist and are bound"),
            None => format!(
                "all {in_force} policies exist and are bound; the API server ({server}) has no MutatingAdmissionPolicy, which Kubernetes 1.36 and later has"
            ),
        };
        findings.push(Finding::ok(CHECK, message));
    }
    findings
}

/// The wanted policies that do not exist, and those without a binding.
fn compared<'a>(wanted: &'a [String], found: &Policies) -> (Vec<&'a str>, Vec<&'a str>) {
    let names = wanted.iter().map(String::as_str);
    let (there, missing): (Vec<&str>, Vec<&str>) = names.partition(|name| found.policies.iter().any(|is| is == name));
    let unbound = there
        .into_iter()
        .filter(|name| !found.bound.iter().any(|is| is == name));
    (missing, unbound.collect())
}

/// The names of the objects of a kind in a manifest.
fn wanted(manifest: &str, kind: &str) -> Vec<String> {
    let objects = super::manifest::objects(manifest);
    let of_kind = objects
        .iter()
        .filter(|object| object.get("kind").is_some_and(|is| is == kind));
    of_kind
        .filter_map(|object| Some(object.pointer("/metadata/name")?.as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Verdict;

    fn all(manifest: &str, kind: &str) -> Policies {
        let names = wanted(manifest, kind);
        Policies {
            policies: names.clone(),
            bound: names,
        }
    }

    fn good() -> Seen {
        Seen {
            validating: all(VALIDATING, "ValidatingAdmissionPolicy"),
            mutating: Some(all(MUTATING, "MutatingAdmissionPolicy")),
            server: "v1.36.0".into(),
        }
    }

    #[test]
    fn policies_that_exist_and_are_bound_are_one_good_line_on_old_servers_too() {
        let findings = verdict(&good());
        assert_eq!(findings.len(), 1, "{findings:?}");
        let count = wanted(VALIDATING, "ValidatingAdmissionPolicy").len() + 1;
        assert!(
            count > 7 && findings[0].message.starts_with(&format!("all {count} policies")),
            "{findings:?}"
        );
        let old = Seen {
            mutating: None,
            server: "v1.33.2".into(),
            ..good()
        };
        let findings = verdict(&old);
        assert_eq!(findings[0].verdict, Verdict::Ok);
        assert!(findings[0].message.contains("v1.33.2"), "{findings:?}");
    }

    #[test]
    fn a_policy_that_is_missing_or_not_bound_is_named() {
        let mut seen = good();
        let missing = seen.validating.policies.remove(0);
        let unbound = seen.validating.bound.pop().unwrap();
        seen.mutating = Some(Policies::default());
        let findings = verdict(&seen);
        let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Failure, Verdict::Failure, Verdict::Warning]);
        assert!(findings[0].message.contains(&missing) && findings[1].message.contains(&unbound));
    }
}
