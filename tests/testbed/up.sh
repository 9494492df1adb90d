#!/usr/bin/env bash
# Starts the programs of the test bed inside the current network namespace, and returns when they answer.
#
#   up.sh DIR
#
# Afterwards DIR holds: kubeconfig (system:masters), certlet.kubeconfig (the ServiceAccount of deploy/), env (to be
# sourced), pki/ (openssl made it), logs/, run/*.pid.
#
# | part        | addresses                                                         |
# |-------------|-------------------------------------------------------------------|
# | API server  | https://127.0.0.1:6443, CA pki/ca.crt, token in kubeconfig        |
# | Pebble      | https://127.0.0.1:14000/dir, management :15000, CA pki/acme-ca.crt |
# | names       | DNS 127.0.0.1:8053 and 10.99.0.1:53, management at 127.0.0.1:8055  |
# | BIND        | 10.99.0.3:53, primary of the zones in dns/named.conf              |
# | dnsmasq     | 10.99.0.4:53, resolver: the zones of BIND, else the names; Pebble asks it. pdns.example is at 10.99.0.8, acmedns.example at 10.99.0.6 |
# | Traefik     | 10.99.0.1:80 and :443, classes traefik and nginx                  |
# | haproxy     | 10.99.0.2:80 and :443, class haproxy                              |
# | Gateways    | 10.99.0.11 to .13, where a test starts a controller of them       |
#
# Environment
#   CERTLET_TESTBED_PARTS   what runs beside etcd and kube-apiserver (default: "kcm pebble dns traefik haproxy")
#   CERTLET_TESTBED_ADDRESS a further address for the API server's certificate (testbed.sh)
#   KUBEBUILDER_ASSETS      a directory with etcd, kube-apiserver and kubectl to use instead of the built ones
#   TRAEFIK_THROTTLE        Traefik's providersThrottleDuration (default 100ms; Traefik's own default is 2s)
#   PEBBLE_STRICT=1         Pebble's -strict
#   PEBBLE_VA_NOSLEEP (1), PEBBLE_WFE_NONCEREJECT (5), PEBBLE_AUTHZREUSE (0), PEBBLE_ALTERNATE_ROOTS (2),
#   PEBBLE_CHAIN_LENGTH (1) are Pebble's own; in brackets what is used when they are not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
mkdir -p "$1"/{pki,logs,run}
bed=$(cd "$1" && pwd)
bin=$("$here/build.sh" --print-path)
parts=" ${CERTLET_TESTBED_PARTS-kcm pebble dns traefik haproxy} "
control=${KUBEBUILDER_ASSETS:-$bin}
for program in etcd kube-apiserver kubectl; do
  [ -x "$control/$program" ] || { echo "testbed: $control/$program is missing (KUBEBUILDER_ASSETS names that directory)" >&2; exit 1; }
done
export PATH=$control:$bin:$PATH:/usr/sbin:/sbin
token=bed-admin
cd "$bed"

wanted() { [ "${parts#* "$1" }" != "$parts" ]; }

start() { # start NAME PROGRAM ARGUMENT...: in the background, with a log and a pid file
  local name=$1; shift
  "$@" >"logs/$name.log" 2>&1 </dev/null &
  echo $! >"run/$name.pid"
}

await() { # await NAME SECONDS COMMAND...: until it succeeds; fails at once when the program NAME has ended
  local name=$1 deadline=$((SECONDS + $2)); shift 2
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$(cat "run/$name.pid")" 2>/dev/null; then
      echo "testbed: $name has ended; its log ends with:" >&2; tail -n 20 "logs/$name.log" >&2; return 1
    fi
    if [ $SECONDS -ge $deadline ]; then
      echo "testbed: $name does not answer; its log ends with:" >&2; tail -n 20 "logs/$name.log" >&2; return 1
    fi
    sleep 0.05
  done
}

ca() { # ca NAME SUBJECT
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "$2" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "pki/$1.key" -out "pki/$1.crt" 2>/dev/null
}
leaf() { # leaf CA NAME SUBJECT EXTENSION...
  local ca=$1 name=$2 subject=$3; shift 3
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" \
    -keyout "pki/$name.key" -out "pki/$name.csr" 2>/dev/null
  openssl x509 -req -in "pki/$name.csr" -CA "pki/$ca.crt" -CAkey "pki/$ca.key" -CAcreateserial -days 3650 \
    -extfile <(printf '%s\n' "$@") -out "pki/$name.crt" 2>/dev/null
}

kubeconfig() { # kubeconfig FILE TOKEN SERVER
  cat >"$1" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: testbed, cluster: {server: "$3", certificate-authority: $bed/pki/ca.crt}}]
users: [{name: user, user: {token: $2}}]
contexts: [{name: testbed, context: {cluster: testbed, user: user}}]
current-context: testbed
EOF
}

# --- keys and certificates -------------------------------------------------------------------------------------
ca ca /CN=testbed-cluster-ca
ca acme-ca /CN=testbed-acme-server-ca
openssl genrsa -out pki/sa.key 2048 2>/dev/null
names=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.0.0.1,IP:10.99.0.1
leaf ca apiserver /CN=kube-apiserver "subjectAltName=$names${CERTLET_TESTBED_ADDRESS:+,IP:$CERTLET_TESTBED_ADDRESS}"
leaf ca kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client extendedKeyUsage=clientAuth
leaf ca front-proxy /CN=front-proxy extendedKeyUsage=clientAuth
leaf acme-ca pebble /CN=pebble "subjectAltName=DNS:localhost,DNS:pebble,DNS:acme.testbed.example,IP:127.0.0.1,IP:10.99.0.1"
rm -f pki/*.csr
cat >pki/tokens.csv <<EOF
$token,admin,admin,"system:masters"
bed-kcm,system:kube-controller-manager,kcm,"system:masters"
EOF
kubeconfig kubeconfig "$token" https://127.0.0.1:6443
kubeconfig kcm.kubeconfig bed-kcm https://127.0.0.1:6443
# What the API server's own metrics cannot tell: who did it. Reads only of ServiceAccounts, for their rights; a watch is
# told when it begins, because it need not end.
cat >pki/audit.yaml <<'EOF'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: Metadata
  userGroups: ['system:serviceaccounts']
- level: None
  verbs: [get, list, watch]
- level: Metadata
EOF

# --- control plane ---------------------------------------------------------------------------------------------
start etcd etcd --name=bed --data-dir="$bed/etcd" \
  --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
  --listen-peer-urls=http://127.0.0.1:2380 --initial-advertise-peer-urls=http://127.0.0.1:2380 \
  --initial-cluster=bed=http://127.0.0.1:2380 --unsafe-no-fsync --log-level=warn
start apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
  --bind-address=0.0.0.0 --advertise-address=10.99.0.1 --secure-port=6443 --endpoint-reconciler-type=none \
  --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key --client-ca-file=pki/ca.crt \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=pki/sa.key \
  --service-account-signing-key-file=pki/sa.key --service-cluster-ip-range=10.0.0.0/24 \
  --authorization-mode=RBAC --token-auth-file=pki/tokens.csv \
  --enable-admission-plugins=OwnerReferencesPermissionEnforcement \
  --requestheader-client-ca-file=pki/ca.crt --requestheader-allowed-names=front-proxy \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file=pki/front-proxy.crt --proxy-client-key-file=pki/front-proxy.key \
  --enable-aggregator-routing=true --kubelet-preferred-address-types=InternalIP \
  --kubelet-client-certificate=pki/kubelet-client.crt --kubelet-client-key=pki/kubelet-client.key \
  --audit-policy-file=pki/audit.yaml --audit-log-path="$bed/audit.log" \
  --audit-log-maxsize=1000 --audit-log-maxbackup=1 \
  --allow-privileged=true --profiling=false

# --- the ACME server and the names -----------------------------------------------------------------------------
resolver=127.0.0.1:8053
if wanted dns; then
  # BIND writes into its folder, and a profile of AppArmor that knows the installed program would not let it.
  mkdir dns
  cp "$here"/dns/* "$(command -v named)" dns/
  (cd dns && exec ./named -c named.conf -g -n 1) >logs/named.log 2>&1 </dev/null &
  echo $! >run/named.pid
  # BIND's own resolver does not take the answers of challtestsrv, whose SOA is that of no zone of theirs. dnsmasq passes both on unchanged.
  start dnsmasq dnsmasq --keep-in-foreground --log-facility=- --conf-file=/dev/null --user= --pid-file= --no-resolv --no-hosts \
    --cache-size=0 --dns-forward-max=10000 --bind-interfaces --except-interface=lo --listen-address=10.99.0.4 --server=127.0.0.1#8053 \
    --server=/dns01.example/other.example/open.example/frozen.example/broken.example/faults.example/127.0.0.1#5300 \
    --server=/pdns.example/10.99.0.8 --server=/acmedns.example/10.99.0.6
  resolver=10.99.0.4:53
fi
if wanted pebble; then
  start challtestsrv pebble-challtestsrv -defaultIPv4 10.99.0.1 -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 "" \
    -doh "" -dnsserver 0.0.0.0:8053,10.99.0.1:53 -management 127.0.0.1:8055
  export PEBBLE_VA_NOSLEEP=${PEBBLE_VA_NOSLEEP-1} PEBBLE_WFE_NONCEREJECT=${PEBBLE_WFE_NONCEREJECT-5}
  export PEBBLE_AUTHZREUSE=${PEBBLE_AUTHZREUSE-0} PEBBLE_ALTERNATE_ROOTS=${PEBBLE_ALTERNATE_ROOTS-2}
  export PEBBLE_CHAIN_LENGTH=${PEBBLE_CHAIN_LENGTH-1}
  start pebble pebble -config "$project/pebble/config.json" -dnsserver "$resolver" ${PEBBLE_STRICT:+-strict}
fi

await apiserver 60 curl -sf --max-time 2 --cacert pki/ca.crt -H "Authorization: Bearer $token" https://127.0.0.1:6443/readyz
if wanted kcm; then
  # system:masters and no service account credentials: otherwise namespace deletion waits for RBAC for ever.
  start kcm kube-controller-manager --kubeconfig=kcm.kubeconfig --bind-address=127.0.0.1 --secure-port=10257 \
    --leader-elect=false --use-service-account-credentials=false \
    --service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt \
    --cluster-signing-cert-file=pki/ca.crt --cluster-signing-key-file=pki/ca.key \
    --authentication-kubeconfig=kcm.kubeconfig --authorization-kubeconfig=kcm.kubeconfig
fi
"$here/rights.sh" "$bed" >logs/cluster.log 2>&1 ||
  { echo "testbed: certlet cannot be given its rights:" >&2; cat logs/cluster.log >&2; exit 1; }

# --- ingress controllers ---------------------------------------------------------------------------------------
if wanted traefik; then
  KUBECONFIG=$bed/kubeconfig start traefik traefik --global.checknewversion=false --global.sendanonymoususage=false \
    --log.level=INFO --accesslog=true --accesslog.filepath="$bed/logs/traefik-access.log" \
    --entrypoints.web.address=10.99.0.1:80 --entrypoints.websecure.address=10.99.0.1:443 \
    --providers.providersthrottleduration="${TRAEFIK_THROTTLE:-100ms}" \
    --providers.kubernetesingress=true --providers.kubernetesingress.allowexternalnameservices=true \
    --providers.kubernetesingressnginx=true
fi
if wanted haproxy; then
  # It reads its templates from ./rootfs, and its Lua scripts where its configuration expects them.
  haproxy=/mnt/haproxy
  mkdir -p $haproxy/etc/haproxy
  cp -rL "$bin/rootfs" $haproxy/rootfs
  cp -r $haproxy/rootfs/etc/lua $haproxy/etc/haproxy/lua
  (cd $haproxy && POD_NAMESPACE=default exec haproxy-ingress --kubeconfig="$bed/kubeconfig" \
    --local-filesystem-prefix=$haproxy --configmap=default/haproxy-ingress --update-status=false \
    --rate-limit-update=10) >logs/haproxy.log 2>&1 </dev/null &
  echo $! >run/haproxy.pid
fi

if wanted kcm; then await kcm 60 curl -skf --max-time 2 https://127.0.0.1:10257/healthz; fi
if wanted pebble; then
  await pebble 30 curl -sf --max-time 2 --cacert pki/acme-ca.crt https://127.0.0.1:14000/dir
  await challtestsrv 30 curl -sf --max-time 2 -X POST -d '{"host":"none.example"}' http://127.0.0.1:8055/clear-a
fi
if wanted dns; then
  await named 30 grep -q ' running$' logs/named.log
  await dnsmasq 30 grep -q ' started, ' logs/dnsmasq.log
fi
if wanted traefik; then await traefik 60 curl -s --max-time 2 http://10.99.0.1/; fi
if wanted haproxy; then await haproxy 60 curl -s --max-time 2 http://10.99.0.2/; fi

cat >env <<EOF
export KUBECONFIG='$bed/kubeconfig' CERTLET_TESTBED='$bed' CERTLET_TESTBED_BIN='$bin'
export PATH='$control:$bin':"\$PATH"
EOF
