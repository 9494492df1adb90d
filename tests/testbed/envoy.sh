#!/usr/bin/env bash
# Envoy Gateway as a program of the bed, which serves the Gateways of its class at 10.99.0.13, in the foreground.
#
#   envoy.sh FOLDER      a new folder for what it writes; environment of the bed
#
# Its Envoys listen on all addresses, where a bed has other servers on the same ports. So it has a network namespace of its own, which a pair of
# devices connects to the bed's. It reads its certificates from /certs, which it gets in a root directory of its own.
set -euo pipefail
folder=$(cd "$1" && pwd) address=10.99.0.13
version=$(envoy --version | sed -nE 's/^.*version: [0-9a-f]+\/([0-9.]+)\/.*$/\1/p')

if [ "${2:-}" != inside ]; then
  ip link show lo >/dev/null # says what is missing, before anything waits
  unshare --net --mount "$0" "$folder" inside &
  inner=$!
  until [ -e "$folder/unshared" ]; do kill -0 "$inner"; sleep 0.05; done
  # The pair of an Envoy Gateway that was killed goes when its namespace does.
  ip link add "gateway$inner" type veth peer name uplink netns "$inner"
  ip link set "gateway$inner" up
  ip route replace "$address/32" dev "gateway$inner"
  wait "$inner"
  exit
fi

touch "$folder/unshared"
cd "$folder"
until ip link show dev uplink >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip addr add "$address/32" dev uplink
ip link set uplink up
ip route add default dev uplink

envoy-gateway certgen --local --config-home "$folder/config" >&2
mkdir -p root "data/envoy-versions/$version/bin"
ln -s "$(command -v envoy)" "data/envoy-versions/$version/bin/envoy"
mount -t tmpfs root root
mount --make-unbindable root
for entry in /*; do
  if [ -L "$entry" ]; then cp -P "$entry" root/; elif [ -d "$entry" ]; then mkdir "root$entry" && mount --rbind "$entry" "root$entry"; fi
done
mkdir root/certs
cp config/certs/envoy-gateway/* root/certs/
sed 's#https://127.0.0.1:6443#https://10.99.0.1:6443#' "$KUBECONFIG" >kubeconfig
cat >settings.yaml <<EOF
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
provider:
  type: Custom
  custom:
    resource: {type: Kubernetes, kubernetes: {leaderElection: {disable: true}}}
    infrastructure: {type: Host, host: {configHome: $folder/config, dataHome: $folder/data, stateHome: $folder/state, runtimeDir: $folder/run}}
envoyProxy: # one Envoy for all Gateways: several would share the ports and take turns
  mergeGateways: true
  provider: {type: Host, host: {envoyVersion: $version}}
EOF
KUBECONFIG=$folder/kubeconfig exec chroot root "$(command -v envoy-gateway)" server --config-path "$folder/settings.yaml"
