//! What an administrator applies, and what users may do afterwards.

use serde_json::json;

use crate::support::bed::project;
use crate::support::{IN_TIME, eventually, run};
use crate::{good, object, prepared, requests, stored};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_server_takes_every_manifest_as_it_is() {
    let (bed, _) = prepared().await;
    bed.apply(
        "default",
        "{apiVersion: v1, kind: Namespace, metadata: {name: cert-manager}}",
    )
    .await;
    let parts = ["deploy", "deploy/api", "crds"].map(|part| project().join(part).display().to_string());
    // What only some installations need, beside what all have.
    for part in [
        "bundles/rbac.yaml",
        "solver-pods/rbac.yaml",
        "openshift/rbac.yaml",
        "status-page/rbac.yaml",
        "status-page/reader.yaml",
        "network-policies/policies.yaml",
    ] {
        let file = project().join("deploy").join(part).display().to_string();
        let args = ["apply", "--dry-run=server", "--warnings-as-errors", "-f", &file];
        bed.kubectl(&args).await;
    }
    let whole = tempfile::tempdir_in(project().join("target")).unwrap();
    let components =
        "[../../deploy/solver-pods, ../../deploy/openshift, ../../deploy/status-page, ../../deploy/network-policies]";
    let text = format!("resources: [../../deploy/base]\ncomponents: {components}\n");
    std::fs::write(whole.path().join("kustomization.yaml"), text).unwrap();
    let rendered = bed.kubectl(&["kustomize", whole.path().to_str().unwrap()]).await;
    let policies = rendered.lines().filter(|line| *line == "kind: NetworkPolicy");
    assert_eq!(policies.count(), 2, "{rendered}");
    for [how, part] in crate::installation(&bed).await {
        bed.kubectl(&["apply", "--dry-run=server", "--warnings-as-errors", &how, &part])
            .await;
    }
    for part in parts {
        let args = ["apply", "--dry-run=server", "--warnings-as-errors", "-k", &part];
        let said = bed.kubectl(&args).await;
        assert_eq!(said.matches("customresourcedefinition").count(), 6, "{part}: {said}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn expressions_of_policies_fit_the_types_they_judge() {
    let (bed, _) = prepared().await;
    let policies = bed
        .objects("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", None)
        .await;
    for name in [
        "certlet-approval",
        "certlet-identity",
        "certlet-request",
        "certlet-request-annotations",
        "certlet-certificate",
        "certlet-issuer",
        "certlet-certificate-warnings",
        "certlet-issuer-warnings",
    ] {
        let checked = eventually("the server's opinion", IN_TIME, async || {
            let policy = policies.get(name).await.unwrap();
            let status = &policy.data["status"];
            (status["observedGeneration"].as_i64() == policy.metadata.generation && status["typeChecking"].is_object())
                .then(|| status["typeChecking"].clone())
        })
        .await;
        assert_eq!(checked, json!({}), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn users_with_the_role_edit_cannot_make_orders_and_challenges() {
    let (bed, namespace) = prepared().await;
    let user = format!("{namespace}-editor");
    bed.kubectl(&[
        "create",
        "rolebinding",
        "editor",
        "-n",
        &namespace,
        "--clusterrole=edit",
        &format!("--user={user}"),
    ])
    .await;
    let can = async |verb: &str, resource: &str, subresource: &str| {
        let args = [
            "auth",
            "can-i",
            verb,
            resource,
            "-n",
            &namespace,
            &format!("--as={user}"),
            subresource,
        ];
        let args: Vec<&str> = args.into_iter().filter(|argument| !argument.is_empty()).collect();
        bed.try_kubectl(&args).await.stdout.trim() == "yes"
    };
    eventually("the aggregated role", IN_TIME, async || {
        can("create", "certificates.cert-manager.io", "").await.then_some(())
    })
    .await;
    let status = "--subresource=status";
    for (verb, resource, subresource, allowed) in [
        ("create", "issuers.cert-manager.io", "", true),
        ("delete", "certificaterequests.cert-manager.io", "", true),
        ("update", "certificates.cert-manager.io", status, true),
        ("update", "certificaterequests.cert-manager.io", status, false),
        ("get", "orders.acme.cert-manager.io", "", true),
        ("delete", "orders.acme.cert-manager.io", "", true),
        ("create", "orders.acme.cert-manager.io", "", false),
        ("update", "orders.acme.cert-manager.io", "", false),
        ("create", "challenges.acme.cert-manager.io", "", false),
        ("update", "challenges.acme.cert-manager.io", "", true),
        ("create", "clusterissuers.cert-manager.io", "", false),
    ] {
        assert_eq!(
            can(verb, resource, subresource).await,
            allowed,
            "{verb} {resource} {subresource}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn kubectl_warns_of_what_is_taken_and_yet_not_right() {
    let (bed, namespace) = prepared().await;
    let mut certificate = good("Certificate");
    certificate["duration"] = json!("90d");
    let mut issuer = good("Acme");
    issuer["acme"]["externalAccountBinding"] =
        json!({ "keyID": "a", "keySecretRef": { "name": "a", "key": "b" }, "keyAlgorithm": "HS256" });
    for (kind, spec, says) in [
        (
            "Certificate",
            certificate,
            "spec.duration: \"90d\" is not a duration: write hours, minutes and seconds, for example 2160h",
        ),
        (
            "Issuer",
            issuer,
            "ACME issuer spec field 'externalAccount.keyAlgorithm' is deprecated. The value of this field will be ignored.",
        ),
    ] {
        let manifest = serde_json::to_string(&object("cert-manager.io/v1", kind, "warned", &spec)).unwrap();
        let done = bed.try_apply(&namespace, &manifest).await;
        assert!(done.status.success(), "{done:?}");
        let said = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("Warning:") && said.contains(says), "{said}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cmctl_finds_the_api_ready_and_can_approve_and_deny() {
    let (bed, namespace) = prepared().await;
    let kubeconfig = format!("--kubeconfig={}", bed.kubeconfig().display());
    let cmctl = async |args: &[&str]| run("cmctl", &[args, &[&kubeconfig, "-n", &namespace]].concat()).await;
    let checked = cmctl(&["check", "api"]).await;
    assert!(checked.contains("The cert-manager API is ready"), "{checked}");
    let version = run("cmctl", &["version", &kubeconfig, "-o", "json"]).await;
    assert!(version.contains("v1.21.1"), "{version}");

    let requests = requests(&bed, &namespace).await;
    for (name, verb, condition) in [("a", "approve", "Approved"), ("b", "deny", "Denied")] {
        stored(&requests, &crate::request(name, &good("CertificateRequest"))).await;
        cmctl(&[verb, name]).await;
        let found = requests.get(name).await.unwrap();
        let conditions = found.data["status"]["conditions"].as_array().unwrap();
        assert!(
            conditions
                .iter()
                .any(|c| c["type"] == condition && c["status"] == "True"),
            "{conditions:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn kubectl_explains_fields_and_prints_the_columns() {
    let (bed, namespace) = prepared().await;
    let explained = bed.kubectl(&["explain", "certificate.spec.renewBefore"]).await;
    assert!(
        explained.contains("How long before its expiry the certificate is renewed"),
        "{explained}"
    );
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    stored(
        &certificates,
        &object("cert-manager.io/v1", "Certificate", "web", &good("Certificate")),
    )
    .await;
    let printed = bed.kubectl(&["get", "cert", "-n", &namespace, "-o", "wide"]).await;
    let header: Vec<&str> = printed.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        header,
        ["NAME", "READY", "SECRET", "ISSUER", "STATUS", "EXPIRATION", "AGE"]
    );
    let selected = bed
        .kubectl(&[
            "get",
            "certs",
            "-n",
            &namespace,
            "--field-selector=spec.issuerRef.name=ca",
            "-o",
            "name",
        ])
        .await;
    assert_eq!(selected.trim(), "certificate.cert-manager.io/web");
    let in_category = bed
        .kubectl(&["get", "cert-manager", "-n", &namespace, "-o", "name"])
        .await;
    // the category holds ClusterIssuers as well, and other tests leave theirs
    let here: Vec<&str> = in_category
        .lines()
        .filter(|line| !line.starts_with("clusterissuer"))
        .collect();
    assert_eq!(here, ["certificate.cert-manager.io/web"]);
}
