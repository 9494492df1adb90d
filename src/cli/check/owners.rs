//! Who owns the objects of the installation: a Helm release, Argo CD, Flux, or none of them. What belongs to another release than the
//! program goes when that release is uninstalled.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::finding::{Finding, names};

const CHECK: &str = "owners";

/// Who owns an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A Helm release.
    Helm {
        /// Its name.
        release: String,
        /// Its namespace.
        namespace: String,
    },
    /// An Application of Argo CD.
    ArgoCd(String),
    /// A Kustomization of Flux.
    Flux(String),
    /// None of these: applied by hand.
    Kubectl,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Helm { release, namespace } => write!(f, "Helm release {namespace}/{release}"),
            Self::ArgoCd(application) => write!(f, "Argo CD's Application {application}"),
            Self::Flux(kustomization) => write!(f, "Flux' Kustomization {kustomization}"),
            Self::Kubectl => f.write_str("no release (kubectl)"),
        }
    }
}

/// The owner of an object.
pub(super) fn owner(meta: &ObjectMeta) -> Owner {
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|all| all.get(key)).cloned();
    let label = |key: &str| meta.labels.as_ref().and_then(|all| all.get(key)).cloned();
    let is_helm = label("app.kubernetes.io/managed-by").as_deref() == Some("Helm");
    if let (true, Some(release)) = (is_helm, annotation("meta.helm.sh/release-name")) {
        let namespace = annotation("meta.helm.sh/release-namespace").unwrap_or_default();
        return Owner::Helm { release, namespace };
    }
    let tracked = annotation("argocd.argoproj.io/tracking-id");
    let application = tracked.and_then(|id| Some(id.split_once(':')?.0.to_owned()));
    if let Some(application) = application.or_else(|| label("argocd.argoproj.io/instance")) {
        return Owner::ArgoCd(application);
    }
    label("kustomize.toolkit.fluxcd.io/name").map_or(Owner::Kubectl, Owner::Flux)
}

/// An object of the installation.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// What it is, for example `ServiceAccount cert-manager/cert-manager`.
    pub what: String,
    /// Its kind in the plural, for a summary.
    pub kind: &'static str,
    /// Its metadata.
    pub meta: ObjectMeta,
}

/// What the owners show. `program` is the metadata of the Deployment.
pub(super) fn verdict(program: Option<&ObjectMeta>, parts: &[Part]) -> Vec<Finding> {
    let ours = program.map(owner);
    let mut findings = Vec::new();
    let mut by_owner: BTreeMap<Owner, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut foreign: BTreeMap<Owner, Vec<&str>> = BTreeMap::new();
    for part in parts {
        let owner = owner(&part.meta);
        *by_owner.entry(owner.clone()).or_default().entry(part.kind).or_default() += 1;
        let is_other_release = matches!(owner, Owner::Helm { .. }) && ours.as_ref().is_some_and(|ours| *ours != owner);
        if is_other_release && !is_kept(&part.meta) {
            foreign.entry(owner).or_default().push(&part.what);
        }
    }
    for (owner, what) in foreign {
        let Owner::Helm { release, namespace } = &owner else {
            continue;
        };
        let message = format!(
            "{} {} to {owner}, and the program does not: `helm uninstall {release}` would delete {}",
            names(&what),
            if what.len() == 1 { "belongs" } else { "belong" },
            if what.len() == 1 { "it" } else { "them" },
        );
        let action = format!(
            "Forget that release instead of uninstalling it, as docs/migrate.md says: kubectl -n {namespace} delete secrets -l owner=helm,name={release}"
        );
        findings.push(Finding::warning(CHECK, message, action));
    }
    let program = ours.map(|ours| format!("the Deployment belongs to {ours}"));
    let others = by_owner.into_iter().map(|(owner, kinds)| {
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        format!("{} to {owner}", names(&kinds))
    });
    let all: Vec<String> = program.into_iter().chain(others).collect();
    if findings.is_empty() && !all.is_empty() {
        findings.push(Finding::ok(CHECK, all.join("; ")));
    }
    findings
}

/// Whether Helm leaves the object when its release is uninstalled.
fn is_kept(meta: &ObjectMeta) -> bool {
    let policy = meta
        .annotations
        .as_ref()
        .and_then(|all| all.get("helm.sh/resource-policy"));
    policy.is_some_and(|policy| policy == "keep")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::check::finding::Verdict;

    fn of_release(release: &str, keep: bool) -> ObjectMeta {
        let mut meta = json!({
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "cert-manager"},
        });
        if keep {
            meta["annotations"]["helm.sh/resource-policy"] = json!("keep");
        }
        serde_json::from_value(meta).unwrap()
    }

    fn part(kind: &'static str, meta: ObjectMeta) -> Part {
        Part {
            what: format!("{kind} x"),
            kind,
            meta,
        }
    }

    #[test]
    fn what_belongs_to_the_programs_own_release_is_good_and_what_another_keeps_too() {
        let program = of_release("certlet", false);
        let parts = [
            part("ServiceAccounts", of_release("certlet", false)),
            part("definitions", of_release("cert-manager", true)),
            part("roles", ObjectMeta::default()),
        ];
        let findings = verdict(Some(&program), &parts);
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Ok), "{findings:?}");
        for words in [
            "the Deployment belongs to Helm release cert-manager/certlet",
            "1 definitions to Helm release cert-manager/cert-manager",
            "1 roles to no release (kubectl)",
        ] {
            assert!(findings[0].message.contains(words), "{findings:?}");
        }
    }

    #[test]
    fn what_would_go_with_another_release_is_named_with_the_command_that_forgets_it() {
        let program = of_release("certlet", false);
        let parts = [
            part("ServiceAccounts", of_release("cert-manager", false)),
            part("definitions", of_release("cert-manager", false)),
        ];
        let findings = verdict(Some(&program), &parts);
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Warning));
        assert!(
            findings[0]
                .message
                .contains("ServiceAccounts x and definitions x belong to"),
            "{findings:?}"
        );
        assert!(
            findings[0]
                .action
                .ends_with("kubectl -n cert-manager delete secrets -l owner=helm,name=cert-manager")
        );
    }

    #[test]
    fn argo_cd_and_flux_are_recognised_by_what_they_write() {
        let argo =
            json!({"annotations": {"argocd.argoproj.io/tracking-id": "pki:apps/Deployment:cert-manager/certlet"}});
        let flux = json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "pki"}});
        let of = |meta| owner(&serde_json::from_value(meta).unwrap());
        assert_eq!(of(argo), Owner::ArgoCd("pki".into()));
        assert_eq!(of(flux), Owner::Flux("pki".into()));
    }
}
