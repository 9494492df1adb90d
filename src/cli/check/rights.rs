//! The rights of certlet's ServiceAccount, compared with the roles and bindings of `deploy`, which are in the program.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

use super::{
    finding::{Finding, names},
    manifest,
};
use crate::{
    api::gateway,
    cluster::{
        Error,
        access::{Right, user_name},
        controllers::{USUAL_LEASE_NAMESPACE, USUAL_NAMESPACE},
        reader::Reader,
    },
    plan::settings::{Settings, SolverMode},
};

const CHECK: &str = "rights";
/// Questions to the API server at the same time.
const CONCURRENT: usize = 16;

const BASE: &str = include_str!("../../../deploy/base/rbac.yaml");
const USER_ROLES: &str = include_str!("../../../deploy/api/user-roles.yaml");
const SOLVER_PODS: &str = include_str!("../../../deploy/solver-pods/rbac.yaml");
const BUNDLES: &str = include_str!("../../../deploy/bundles/rbac.yaml");
const NAMESPACED: &str = include_str!("../../../deploy/namespaced/role.yaml");

/// The namespace of certlet in the manifests.
const OWN: &str = USUAL_NAMESPACE;
/// The namespace of the Lease in the manifests.
const LEASES: &str = USUAL_LEASE_NAMESPACE;

/// The installation whose rights are in question.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Installation<'a> {
    /// Its settings.
    pub settings: &'a Settings,
    /// Namespace of its ServiceAccount.
    pub namespace: &'a str,
    /// Name of its ServiceAccount.
    pub service_account: &'a str,
    /// Namespace of the Lease; `None` without leader election.
    pub lease_namespace: Option<&'a str>,
}

/// The rights that an installation needs, from the manifests that give them.
pub(in crate::cli) fn needed(installation: &Installation<'_>) -> BTreeSet<Right> {
    let settings = installation.settings;
    let mut needed = BTreeSet::new();
    if settings.namespace.is_some() {
        needed.extend(given(NAMESPACED, installation, |_| true));
        return needed;
    }
    needed.extend(given(BASE, installation, |role| match role {
        "certlet-approve" => settings.controllers.approver(),
        "certlet-certificatesigningrequests" => settings.gates.certificate_signing_requests,
        "certlet-cainjector" => settings.injection.enabled,
        "certlet-gateway-api" => settings.gateway.enabled,
        "certlet-secret-sync" => settings.secret_sync,
        "certlet-leader-election" | "certlet-see-leader" => installation.lease_namespace.is_some(),
        _ => true,
    }));
    if settings.has_bundles() {
        needed.extend(given(BUNDLES, installation, |_| true));
    }
    if settings.http01.mode == SolverMode::Pod {
        needed.extend(given(SOLVER_PODS, installation, |_| true));
    }
    needed
}

/// The rights that the controller reads with, for a command that reads the same with the rights of its caller. Namespaces and
/// ConfigMaps are not among them: a command does without.
pub(in crate::cli) fn reads(installation: &Installation<'_>, namespace: Option<&str>) -> BTreeSet<Right> {
    let reads = needed(installation).into_iter().filter(|right| {
        let groups = [
            "cert-manager.io",
            "acme.cert-manager.io",
            "networking.k8s.io",
            gateway::GROUP,
            "",
        ];
        let is_read =
            groups.contains(&right.group.as_str()) && !["namespaces", "configmaps"].contains(&right.resource.as_str());
        let is_listed = right.verb == "list" && right.name.is_empty() && is_read;
        is_listed || (right.verb == "get" && right.resource == "secrets")
    });
    reads
        .map(|right| match namespace {
            Some(namespace) if right.resource != "clusterissuers" => Right {
                namespace: namespace.to_owned(),
                ..right
            },
            Some(_) | None => right,
        })
        .collect()
}

/// The rights that the bindings of a manifest give, for the roles that `counts` selects.
fn given(manifest: &str, installation: &Installation<'_>, counts: impl Fn(&str) -> bool) -> Vec<Right> {
    let objects = manifest::objects(manifest);
    let roles: BTreeMap<String, Vec<PolicyRule>> = manifest::objects(USER_ROLES)
        .iter()
        .chain(&objects)
        .filter(|object| text(object, "/kind").ends_with("Role"))
        .map(|role| (text(role, "/metadata/name").to_owned(), rules(role)))
        .collect();
    let bindings = objects
        .iter()
        .filter(|object| text(object, "/kind").ends_with("RoleBinding"));
    let mut rights = Vec::new();
    for binding in bindings {
        let role = text(binding, "/roleRef/name");
        if !counts(role) {
            continue;
        }
        let namespace = match text(binding, "/metadata/namespace") {
            OWN => installation.namespace,
            LEASES => installation.lease_namespace.unwrap_or(LEASES),
            other => other,
        };
        rights.extend(
            roles
                .get(role)
                .into_iter()
                .flatten()
                .flat_map(|rule| of_rule(namespace, rule)),
        );
    }
    rights
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn rules(role: &Value) -> Vec<PolicyRule> {
    let rules = role.get("rules").cloned().unwrap_or_default();
    serde_json::from_value(rules).unwrap_or_default()
}

/// One right for each group, resource, name and verb of a rule.
fn of_rule(namespace: &str, rule: &PolicyRule) -> Vec<Right> {
    let one = |list: &Option<Vec<String>>| -> Vec<String> {
        let list = list.clone().unwrap_or_default();
        if list.is_empty() { vec![String::new()] } else { list }
    };
    let mut rights = Vec::new();
    for group in one(&rule.api_groups) {
        for path in one(&rule.resources) {
            let (resource, subresource) = path.split_once('/').unwrap_or((&path, ""));
            for name in one(&rule.resource_names) {
                rights.extend(rule.verbs.iter().map(|verb| Right {
                    namespace: namespace.to_owned(),
                    group: group.clone(),
                    resource: resource.to_owned(),
                    subresource: subresource.to_owned(),
                    name: name.clone(),
                    verb: verb.clone(),
                }));
            }
        }
    }
    rights
}

/// The rights that a ServiceAccount does not have. If it is the caller itself, it needs no right to ask.
///
/// # Errors
/// If the caller may not ask, or the API server cannot be reached.
pub(in crate::cli) async fn lacking(reader: &Reader, installation: &Installation<'_>) -> Result<Vec<Right>, Error> {
    let account = (installation.namespace, installation.service_account);
    let is_caller = reader.whoami().await?.username.as_deref() == Some(&*user_name(account.0, account.1));
    ask(needed(installation), async |right| {
        if is_caller {
            reader.caller_may(right).await
        } else {
            reader.service_account_may(account, right).await
        }
    })
    .await
}

/// The rights that the caller does not have.
///
/// # Errors
/// If the API server cannot be reached.
pub(in crate::cli) async fn caller_lacks(reader: &Reader, rights: BTreeSet<Right>) -> Result<Vec<Right>, Error> {
    ask(rights, async |right| reader.caller_may(right).await).await
}

async fn ask(rights: BTreeSet<Right>, may: impl AsyncFn(&Right) -> Result<bool, Error>) -> Result<Vec<Right>, Error> {
    let may = &may;
    let asked = rights.into_iter().map(|right| async move {
        let allowed = may(&right).await?;
        Ok((!allowed).then_some(right))
    });
    let answers: Vec<Option<Right>> = stream::iter(asked).buffered(CONCURRENT).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

/// What the missing rights show.
pub(super) fn verdict(installation: &Installation<'_>, lacking: &[Right]) -> Finding {
    let Installation {
        namespace,
        service_account,
        ..
    } = installation;
    if lacking.is_empty() {
        let all = needed(installation).len();
        let message = format!("ServiceAccount {namespace}/{service_account} has all {all} rights that certlet needs");
        return Finding::ok(CHECK, message);
    }
    let message = format!(
        "ServiceAccount {namespace}/{service_account} lacks {}",
        sentence(lacking)
    );
    Finding::failure(CHECK, message, GIVE)
}

/// What gives the rights.
pub(in crate::cli) const GIVE: &str = "Apply the roles of this version: kubectl apply -f deploy/base/rbac.yaml -f deploy/api/user-roles.yaml, or helm upgrade";

/// Missing rights in a sentence, by resource: `create and patch secrets`.
pub(in crate::cli) fn sentence(lacking: &[Right]) -> String {
    let mut by_resource: BTreeMap<(String, &str), Vec<&str>> = BTreeMap::new();
    for right in lacking {
        let of_resource = by_resource.entry((right.resource(), right.namespace.as_str()));
        of_resource.or_default().push(&right.verb);
    }
    let parts: Vec<String> = by_resource
        .into_iter()
        .map(|((resource, namespace), verbs)| {
            let place = if namespace.is_empty() {
                String::new()
            } else {
                format!(" in namespace {namespace}")
            };
            format!("{} {resource}{place}", names(&verbs))
        })
        .collect();
    names(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::check::finding::Verdict, plan::settings::Controllers};

    fn of(settings: &Settings) -> Installation<'_> {
        Installation {
            settings,
            namespace: "security",
            service_account: "issuer",
            lease_namespace: Some("locks"),
        }
    }

    fn shown(settings: &Settings) -> Vec<String> {
        needed(&of(settings))
            .iter()
            .map(|right| format!("{right} {}", right.namespace))
            .collect()
    }

    fn has(all: &[String], right: &str) -> bool {
        all.iter().any(|found| found == right)
    }

    #[test]
    fn the_rights_are_those_of_the_manifests_in_the_namespaces_of_the_installation() {
        let all = shown(&Settings::default());
        for right in [
            "patch issuers.cert-manager.io/status ",
            "create secrets ",
            "approve signers.cert-manager.io clusterissuers.cert-manager.io/* ",
            "update leases.coordination.k8s.io cert-manager-controller locks",
            "create leases.coordination.k8s.io locks",
            "get leases.coordination.k8s.io cert-manager-controller security",
        ] {
            assert!(has(&all, right), "{right}: {all:#?}");
        }
        assert!(
            !all.iter()
                .any(|right| ["certificatesigningrequests", "pods", "gateways"]
                    .iter()
                    .any(|off| right.contains(off))),
            "{all:#?}"
        );
    }

    #[test]
    fn rights_for_what_is_switched_off_are_not_needed_and_those_for_what_is_on_are() {
        let mut settings = Settings::default();
        settings.gates.certificate_signing_requests = true;
        settings.gateway.enabled = true;
        settings.http01.mode = SolverMode::Pod;
        settings.bundles.enabled = true;
        settings.controllers = Controllers {
            disabled: vec!["certificaterequests-approver".into()],
        };
        let all = shown(&settings);
        assert!(has(&all, "create pods ") && has(&all, "patch certificatesigningrequests.certificates.k8s.io/status "));
        assert!(has(&all, "watch gateways.gateway.networking.k8s.io "), "{all:#?}");
        assert!(has(&all, "patch configmaps "), "{all:#?}");
        let lease =
            |right: &String| right.starts_with("update leases.coordination.k8s.io trust-manager-leader-election");
        assert!(all.iter().any(lease), "{all:#?}");
        assert!(!all.iter().any(|right| right.starts_with("approve")), "{all:#?}");
        settings.namespace = Some("security".into());
        let all = shown(&settings);
        assert!(all.iter().all(|right| right.ends_with(" security")), "{all:#?}");
        assert!(has(
            &all,
            "update leases.coordination.k8s.io cert-manager-controller security"
        ));
    }

    #[test]
    fn missing_rights_are_named_by_resource_with_what_gives_them() {
        let settings = Settings::default();
        let installation = of(&settings);
        let lacks: Vec<Right> = needed(&installation)
            .into_iter()
            .filter(|right| right.resource == "secrets" && right.verb != "get")
            .collect();
        let finding = verdict(&installation, &lacks);
        assert_eq!(finding.verdict, Verdict::Failure);
        assert_eq!(
            finding.message,
            "ServiceAccount security/issuer lacks create, delete, list, patch and watch secrets"
        );
        assert_eq!(verdict(&installation, &[]).verdict, Verdict::Ok);
    }

    #[test]
    fn who_reads_as_the_controller_does_needs_to_list_and_to_get_secrets() {
        let settings = Settings::default();
        let all = reads(&of(&settings), Some("shop"));
        let shown: Vec<String> = all.iter().map(|right| format!("{right} {}", right.namespace)).collect();
        assert!(
            has(&shown, "list certificates.cert-manager.io shop") && has(&shown, "get secrets shop"),
            "{shown:#?}"
        );
        assert!(has(&shown, "list clusterissuers.cert-manager.io "), "{shown:#?}");
        assert!(all.iter().all(|right| ["get", "list"].contains(&right.verb.as_str())));
    }
}
