//! Users who may approve for some signers, and what the API server says when they do.

use serde_json::json;

use super::Bed;

/// A user of the role's name may write the status of requests, and approve for one signer.
pub(crate) async fn may_approve(bed: &Bed, role: &str, signer: &str) {
    let manifest = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {role}}}
rules:
- {{apiGroups: [cert-manager.io], resources: [signers], resourceNames: ['{signer}'], verbs: [approve]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {role}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}
subjects: [{{kind: User, name: {role}, apiGroup: rbac.authorization.k8s.io}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: request-status}}
rules:
- {{apiGroups: [cert-manager.io], resources: [certificaterequests, certificaterequests/status], verbs: [get]}}
- {{apiGroups: [cert-manager.io], resources: [certificaterequests/status], verbs: [update, patch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: request-status}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: request-status}}
subjects: [{{kind: Group, name: request-status, apiGroup: rbac.authorization.k8s.io}}]
"
    );
    bed.apply("default", &manifest).await;
}

/// Approves without storing, as a user who may write the status.
pub(crate) async fn approve(bed: &Bed, namespace: &str, request: &str, user: String) -> Result<(), String> {
    let status = json!({ "status": { "conditions": [{ "type": "Approved", "status": "True", "reason": "r", "message": "m" }] } });
    let status = status.to_string();
    let (user, patch) = (format!("--as={user}"), format!("--patch={status}"));
    let args = [
        "patch",
        "certificaterequest",
        request,
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
    ];
    let done = bed
        .try_kubectl(
            &[
                &args[..],
                &[&patch, &user, "--as-group=request-status", "--dry-run=server"],
            ]
            .concat(),
        )
        .await;
    if done.status.success() {
        Ok(())
    } else {
        Err(done.stderr)
    }
}
