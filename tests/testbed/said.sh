#!/usr/bin/env bash
# Collects what certlet has said in a bed that ends: its logs, the pages of metrics of those that still run, all Events, the objects with their
# conditions, and the Secrets whose content must be in none of it. cluster_workload/confidential.rs judges it.
#
#   said.sh BED
#
# Environment: KUBECONFIG and PATH of the bed. A list that the API server does not have (no definitions, no API server) is empty.
set -uo pipefail
bed=$1
said=$bed/said
mkdir -p "$said"

list() { # list FILE KINDS: in all namespaces
  kubectl --request-timeout=20s get "$2" --all-namespaces --ignore-not-found -o json >"$said/$1" 2>>"$said/kubectl.err" && [ -s "$said/$1" ] ||
    echo '{"items": []}' >"$said/$1"
}
list events.json events
list secrets.json secrets
list objects.json issuers.cert-manager.io,clusterissuers.cert-manager.io,certificates.cert-manager.io,certificaterequests.cert-manager.io,orders.acme.cert-manager.io,challenges.acme.cert-manager.io

cp "$bed"/logs/certlet-*.log "$bed"/logs/*.metrics "$said/" 2>/dev/null
for port in 9402 9412 9422 9432 9442 9452; do
  curl -sf --max-time 5 "http://127.0.0.1:$port/metrics" >"$said/$port.metrics" || rm -f "$said/$port.metrics"
done
# containers of a node
find "$bed/node/kubelet/pod-logs" -path '*certlet*' -name '*.log' 2>/dev/null | while read -r log; do
  cp -L "$log" "$said/pod-$(echo "${log#"$bed/node/kubelet/pod-logs/"}" | tr / -)"
done
exit 0
