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
for part in base/rbac api/user-roles api/policies requester-identity/policy; do
  kubectl apply -f "$deploy/$part.yaml"
done
token=$(kubectl create token cert-manager -n cert-manager --duration=24h)
sed "s/token: [^}]*}/token: $token}/" "$bed/kubeconfig" >"$bed/certlet.kubeconfig"
