//! The API server's version, and the Deployment of the controller.

use super::finding::Finding;
use crate::cli::plan::flags::Running;

/// The oldest version of Kubernetes that certlet works with.
const OLDEST: (u32, u32) = (1, 33);

/// What the version of the API server shows.
pub(super) fn server(version: &str) -> Finding {
    let message = format!("the API server answers: Kubernetes {version}");
    match major_and_minor(version) {
        Some(found) if found < OLDEST => {
            let (major, minor) = OLDEST;
            let message = format!("{message}, and certlet needs {major}.{minor} or later");
            Finding::failure("api", message, "Update the cluster")
        }
        Some(_) | None => Finding::ok("api", message),
    }
}

/// `(1, 36)` of `v1.36.2+k3s1`.
fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What the Deployment shows.
pub(super) fn deployment(running: Option<&Running>, namespace: &str) -> Finding {
    const CHECK: &str = "program";
    match running {
        None => Finding::warning(
            CHECK,
            format!(
                "no Deployment of certlet was found in namespace {namespace}: what depends on its flags was checked with the default flags"
            ),
            "Install certlet (docs/install.md), or name its namespace with -n, or add its flags after --",
        ),
        Some(Running {
            place,
            is_certlet: false,
            replicas,
            ..
        }) => {
            let message = format!(
                "Deployment {place} is cert-manager's (replicas: {replicas}), and there is no running Deployment of certlet"
            );
            Finding::warning(CHECK, message, "Swap them as docs/migrate.md says")
        }
        Some(Running {
            place,
            namespace,
            name,
            replicas: 0,
            ..
        }) => {
            let action = format!("Start it: kubectl -n {namespace} scale deployment/{name} --replicas=1");
            Finding::failure(CHECK, format!("Deployment {place} has 0 replicas"), action)
        }
        Some(Running { place, replicas, .. }) => {
            Finding::ok(CHECK, format!("Deployment {place} (replicas: {replicas})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Verdict;

    #[test]
    fn servers_before_kubernetes_1_33_are_a_failure() {
        for (version, wanted) in [
            ("v1.32.9", Verdict::Failure),
            ("v1.33.0", Verdict::Ok),
            ("v1.36.4+k3s1", Verdict::Ok),
            ("strange", Verdict::Ok),
        ] {
            assert_eq!(server(version).verdict, wanted, "{version}");
        }
    }

    #[test]
    fn a_deployment_is_certlets_and_has_replicas() {
        let of = |is_certlet, replicas| {
            let running = Running {
                place: "cert-manager/x".into(),
                is_certlet,
                replicas,
                ..Running::default()
            };
            deployment(Some(&running), "cert-manager").verdict
        };
        assert_eq!(of(true, 1), Verdict::Ok);
        assert_eq!(of(true, 0), Verdict::Failure);
        assert_eq!(of(false, 1), Verdict::Warning);
        assert_eq!(deployment(None, "cert-manager").verdict, Verdict::Warning);
    }
}
