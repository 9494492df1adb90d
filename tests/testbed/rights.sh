#!/usr/bin/env bash
# Gives certlet's ServiceAccount the rights that deploy/ gives it, and writes DIR/certlet.kubeconfig with a token of it.
#
#   rights.sh DIR      (kubectl on PATH)
#
# All of deploy/ but the Deployment, which would find no node.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
deploy=$here/../../deploy bed=$1
kubectl() { command kubectl --kubeconfig "$bed/kubeconfig" "$@"; }

kubectl apply -f "$here/cluster.yaml" # has the namespace
kubectl create serviceaccount cert-manager -n cert-manager
parts=(base/rbac api/user-roles api/policies)
# Kubernetes before 1.36 does not know it (KUBEBUILDER_ASSETS).
if kubectl get --raw /apis/admissionregistration.k8s.io/v1 | grep -q '"MutatingAdmissionPolicy"'; then
  parts+=(requester-identity/policy)
fi
for part in "${parts[@]}"; do kubectl apply -f "$deploy/$part.yaml"; done
token=$(kubectl create token cert-manager -n cert-manager --duration=24h)
sed "s/token: [^}]*}/token: $token}/" "$bed/kubeconfig" >"$bed/certlet.kubeconfig"
