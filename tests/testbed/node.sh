#!/usr/bin/env bash
# A real node for a running bed: containerd, kubelet, kube-scheduler and kube-proxy as plain processes.
#
#   node.sh DIR [IMAGE.tar...]     inside the bed's namespaces; DIR is the bed's directory; returns when the Node is Ready
#
# Needs root (cgroups, overlay mounts) and the packages of `packages.sh --node` (CERTLET_TESTBED_NODE=1 for with-bed.sh). The images are imported into containerd.
# Everything it starts ends with the bed's namespaces.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bed=$(cd "$1" && pwd); shift
address=10.99.0.1
node=$bed/node
group=${bed##*/} # its control group; with-bed.sh removes it
bin=$("$here/build.sh" --print-path)
export PATH=$bin:$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] && [ -w /sys/fs/cgroup ] ||
  { echo "testbed: a node needs root and writable cgroups" >&2; exit 1; }
"$here/packages.sh" --node
mkdir -p "$node"/{etc,run,state,root,kubelet,cni/net.d,manifests}

cat >"$node/etc/containerd.toml" <<EOF
version = 2
root = "$node/root"
state = "$node/state"
[grpc]
  address = "$node/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/testbed/pause:1"
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  # Without CAP_SYS_RESOURCE runc cannot lower oom_score_adj.
  restrict_oom_score_adj = true
  enable_selinux = false
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$node/cni/net.d"
EOF
cat >"$node/cni/net.d/10-ptp.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "testbed", "plugins": [{"type": "ptp", "ipMasq": false, "mtu": 1500,
 "ipam": {"type": "host-local", "dataDir": "$node/cni/ipam", "ranges": [[{"subnet": "10.88.0.0/24"}]],
          "routes": [{"dst": "0.0.0.0/0"}]}}]}
EOF
cat >"$node/etc/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /$group
cgroupsPerQOS: true
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$node/run/containerd.sock
imageServiceEndpoint: unix://$node/run/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $bed/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
clusterDNS: [$address]
clusterDomain: cluster.local
resolvConf: /dev/null
imageGCHighThresholdPercent: 100
evictionHard: {}
nodeStatusUpdateFrequency: 5s
volumePluginDir: $node/kubelet/plugins
podLogsDir: $node/kubelet/pod-logs
EOF

start() {
  local name=$1; shift
  "$@" >"$bed/logs/$name.log" 2>&1 </dev/null &
  echo $! >"$bed/run/$name.pid"
}
await() {
  local name=$1 deadline=$((SECONDS + $2)); shift 2
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$(cat "$bed/run/$name.pid")" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
      echo "testbed: $name does not come up; its log ends with:" >&2; tail -n 20 "$bed/logs/$name.log" >&2; return 1
    fi
    sleep 0.05
  done
}

start containerd containerd --config "$node/etc/containerd.toml"
await containerd 20 ctr -a "$node/run/containerd.sock" version
"$here/../../deploy/image.sh" "$node/pause.tar" testbed/pause:1 "$(readlink -f "$bin/pause")" >/dev/null
for image in "$node/pause.tar" "$@"; do ctr -a "$node/run/containerd.sock" -n k8s.io images import "$image" >/dev/null; done
# cgroup v1: the kubelet wants its root to exist in every controller.
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  for controller in /sys/fs/cgroup/*/; do
    [ "$controller" = /sys/fs/cgroup/unified/ ] && continue
    mkdir -p "$controller/$group"
    case $controller in
      */cpuset/) for what in cpus mems; do cat "$controller/cpuset.$what" >"$controller/$group/cpuset.$what"; done ;;
    esac
  done
fi
start kubelet kubelet --config="$node/etc/kubelet.yaml" --kubeconfig="$bed/kubeconfig" --hostname-override=testbed-node \
  --node-ip="$address" --root-dir="$node/kubelet" --cert-dir="$node/kubelet/pki" --v=1
start scheduler kube-scheduler --kubeconfig="$bed/kubeconfig" --leader-elect=false --bind-address=127.0.0.1
start proxy kube-proxy --kubeconfig="$bed/kubeconfig" --proxy-mode=nftables --hostname-override=testbed-node \
  --bind-address="$address" --cluster-cidr=10.88.0.0/24 --conntrack-max-per-core=0 \
  --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0 \
  --metrics-bind-address=127.0.0.1:10249 --healthz-bind-address=127.0.0.1:10256
ready() { kubectl --kubeconfig "$bed/kubeconfig" get node testbed-node 2>/dev/null | grep -qw Ready; }
await kubelet 60 ready
# The API server keeps no endpoints of its own Service in a bed; pods ask for them.
kubectl --kubeconfig "$bed/kubeconfig" apply -f - >/dev/null <<EOF
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
ports: [{name: https, port: 6443, protocol: TCP}]
endpoints: [{addresses: [$address], conditions: {ready: true}}]
EOF
