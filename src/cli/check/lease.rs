//! Who leads: the holder of the Lease, how long ago it was renewed, and whether there is a second one.

use jiff::Timestamp;

use super::finding::{Finding, names};
use crate::{
    api::names::INJECTION_LEASE_NAME,
    cli::plan::flags::Running,
    cluster::{
        Error,
        controllers::{USUAL_LEASE_NAMESPACE, holder, is_pod_of},
        installation::{LeaseRecord, age, is_stale},
        reader::Reader,
    },
};

const CHECK: &str = "lease";

/// The Leases of a cluster that controllers may hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The Lease of the installation.
    own: Option<LeaseRecord>,
    /// Those in other namespaces.
    others: Vec<LeaseRecord>,
    /// That of the process that injects CAs.
    injection: Option<LeaseRecord>,
}

/// Reads the Lease in the namespace of the election, and those in kube-system and in the namespace of the controller.
///
/// # Errors
/// If the API server rejects a call, or cannot be reached.
pub(super) async fn observe(reader: &Reader, namespace: &str, controller: Option<&Running>) -> Result<Seen, Error> {
    let own = reader.lease(namespace).await?;
    let mut others = Vec::new();
    let places = [
        USUAL_LEASE_NAMESPACE,
        controller.map_or(namespace, |controller| &controller.namespace),
    ];
    for other in places.into_iter().filter(|other| *other != namespace) {
        others.extend(reader.lease(other).await?);
    }
    Ok(Seen {
        own,
        others,
        injection: reader.injection_lease(namespace).await?,
    })
}

/// What the Leases show. `now` is the API server's time: a renewal is compared with no clock but that and the holder's.
pub(super) fn verdict(now: Timestamp, namespace: &str, seen: &Seen, controller: Option<&Running>) -> Vec<Finding> {
    let Seen { own, others, injection } = seen;
    let mut findings = vec![own_verdict(now, namespace, own.as_ref(), controller)];
    let acting: Vec<String> = others
        .iter()
        .filter(|lease| holder(&lease.spec).is_some() && !is_stale(now, &lease.spec))
        .map(|lease| {
            format!(
                "{} in namespace {}",
                holder(&lease.spec).unwrap_or_default(),
                lease.namespace
            )
        })
        .collect();
    if !acting.is_empty() {
        let message = format!("another installation holds a Lease of its own: {}", names(&acting));
        let action = "Stop one of them, or have both use the same --leader-election-namespace";
        findings.push(Finding::failure(CHECK, message, action));
    }
    findings.extend(injection_verdict(now, injection.as_ref(), controller));
    findings
}

/// A program other than this controller that injects CAs.
fn injection_verdict(now: Timestamp, lease: Option<&LeaseRecord>, controller: Option<&Running>) -> Option<Finding> {
    let lease = lease.filter(|lease| !is_stale(now, &lease.spec))?;
    let (holder, running) = (holder(&lease.spec)?, controller?);
    (!is_pod_of(&running.name, holder)).then(|| {
        let message = format!(
            "{holder} injects CAs (Lease {INJECTION_LEASE_NAME} in namespace {}); certlet stands by and injects none",
            lease.namespace
        );
        let action = format!("Nothing, if that is intended. If certlet shall inject them, stop {holder}");
        Finding::warning(CHECK, message, action)
    })
}

fn own_verdict(now: Timestamp, namespace: &str, lease: Option<&LeaseRecord>, controller: Option<&Running>) -> Finding {
    let start = match controller {
        Some(Running {
            namespace,
            name,
            replicas: 0,
            ..
        }) => format!("Start it: kubectl -n {namespace} scale deployment/{name} --replicas=1"),
        Some(Running { namespace, name, .. }) => {
            format!("Find out why it does not lead: kubectl -n {namespace} logs deployment/{name}")
        }
        None => "Install certlet: docs/install.md".to_owned(),
    };
    let Some(lease) = lease else {
        let message = format!("there is no Lease in namespace {namespace}: no controller has ever led");
        return Finding::failure(CHECK, message, start);
    };
    let Some(holder) = holder(&lease.spec) else {
        let message = format!("the Lease in namespace {namespace} has no holder: no controller is running");
        return Finding::failure(CHECK, message, start);
    };
    let ago = age(now, &lease.spec).map_or_else(
        || "was never renewed".to_owned(),
        |age| format!("was renewed {} s ago", age.as_secs().max(0)),
    );
    if is_stale(now, &lease.spec) {
        let message =
            format!("the Lease in namespace {namespace} is held by {holder}, and {ago}: that controller has ended");
        return Finding::failure(CHECK, message, start);
    }
    let message = format!("{holder} leads; the Lease in namespace {namespace} {ago}");
    match controller {
        Some(Running { name, place, .. }) if !is_pod_of(name, holder) => {
            let message = format!("{message}. Deployment {place} stands by");
            let action = format!("If it shall lead, stop the program that holds the Lease: {holder}");
            Finding::warning(CHECK, message, action)
        }
        Some(_) | None => Finding::ok(CHECK, message),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use k8s_openapi::{api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime};

    use super::*;
    use crate::cli::check::finding::Verdict;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn lease(namespace: &str, holder: &str, renewed_before: i64) -> LeaseRecord {
        LeaseRecord {
            namespace: namespace.into(),
            spec: LeaseSpec {
                holder_identity: Some(holder.into()),
                lease_duration_seconds: Some(60),
                renew_time: Some(MicroTime(NOW - SignedDuration::from_secs(renewed_before))),
                ..LeaseSpec::default()
            },
        }
    }

    fn running(replicas: i32) -> Running {
        Running {
            place: "cert-manager/certlet".into(),
            namespace: "cert-manager".into(),
            name: "certlet".into(),
            service_account: "cert-manager".into(),
            replicas,
            is_certlet: true,
            ..Running::default()
        }
    }

    fn found(own: Option<LeaseRecord>, others: Vec<LeaseRecord>, replicas: i32) -> Vec<Finding> {
        let seen = Seen {
            own,
            others,
            injection: None,
        };
        verdict(NOW, "kube-system", &seen, Some(&running(replicas)))
    }

    #[test]
    fn a_cainjector_that_runs_beside_certlet_is_named_and_one_that_has_ended_is_not() {
        let of = |holder: &str, before: i64| {
            injection_verdict(NOW, Some(&lease("kube-system", holder, before)), Some(&running(1)))
        };
        let finding = of("cert-manager-cainjector-7c9_01", 5).unwrap();
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(
            finding.message.contains("cert-manager-cainjector-7c9_01 injects CAs"),
            "{finding:?}"
        );
        for (holder, before) in [
            ("certlet-5d8f-x_01", 5),
            ("cert-manager-cainjector-7c9_01", 600),
            ("", 5),
        ] {
            assert!(of(holder, before).is_none());
        }
    }

    #[test]
    fn a_fresh_lease_of_the_deployments_pod_is_good() {
        let findings = found(Some(lease("kube-system", "certlet-5d8f-x_01", 7)), Vec::new(), 1);
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Ok));
        assert!(findings[0].message.contains("renewed 7 s ago"), "{findings:?}");
    }

    #[test]
    fn no_lease_no_holder_and_a_silent_holder_are_failures_with_the_next_command() {
        for own in [
            None,
            Some(lease("kube-system", "", 1)),
            Some(lease("kube-system", "certlet-5d8f-x_01", 61)),
        ] {
            let findings = found(own.clone(), Vec::new(), 1);
            assert_eq!(findings[0].verdict, Verdict::Failure);
            assert!(findings[0].action.contains("logs deployment/certlet"), "{findings:?}");
            assert!(found(own, Vec::new(), 0)[0].action.contains("--replicas=1"));
        }
    }

    #[test]
    fn another_holder_and_a_second_lease_are_named() {
        let own = Some(lease("kube-system", "cert-manager-7c9-external", 5));
        let findings = found(
            own,
            vec![
                lease("cert-manager", "other-1", 5),
                lease("cert-manager", "dead-1", 600),
            ],
            1,
        );
        let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Warning, Verdict::Failure]);
        assert!(findings[0].message.contains("cert-manager-7c9-external leads"));
        assert!(findings[1].message.contains("other-1") && !findings[1].message.contains("dead-1"));
    }
}
