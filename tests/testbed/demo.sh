#!/usr/bin/env bash
# The main job, told step by step: an annotated Ingress gets a certificate.
#
#   demo.sh                      on a Kubernetes of its own that ends with the demo
#   demo.sh --kubeconfig FILE    on yours, after asking
#
# On your cluster it needs to know a few things, from the environment or by asking:
#   ACME_SERVER        directory URL, for example https://acme-staging-v02.api.letsencrypt.org/directory
#   DEMO_HOST          a name that leads to your ingress controller
#   INGRESS_CLASS      the class of that controller
#   ADVERTISE_ADDRESS  an address of this machine that the ingress controller can reach (port 8089)
#   ACME_CA_FILE       only if the server's own certificate is not publicly trusted: its CA, PEM
#   INGRESS_ADDRESS    IP:port where the ingress controller serves TLS (default: DEMO_HOST:443)
#   DEMO_NAMESERVER    only if this machine resolves DEMO_HOST differently: a DNS server, HOST:PORT
#   DEMO_YES=1         answers the question before it is asked
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
cd "$project"

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
step=0
tell() { step=$((step + 1)); printf '\n%s%d. %s%s\n' "$bold" $step "$1" "$plain"; }
note() { printf '   %s\n' "$@"; }
show() { printf '   %s$ %s%s\n' "$dim" "$*" "$plain"; "$@" 2>&1 | sed 's/^/   /'; }
fail() { printf '\n%sThe demo stops here:%s %s\n' "$bold" "$plain" "$*" >&2; exit 1; }

build_certlet() {
  cargo build --locked 2>&1 | grep -E '^ *(Compiling certlet|Finished|error)' | sed 's/^/   /' || true
  certlet=${CARGO_TARGET_DIR:-$project/target}/debug/certlet
  [ -x "$certlet" ] || fail "cargo build did not produce $certlet; run it by hand to see why"
}

embedded() {
  printf '%scertlet: an Ingress gets a certificate, on a Kubernetes that exists only for this demo.%s\n' "$bold" "$plain"
  tell "Building certlet and, once, the programs of the test bed"
  note "etcd, kube-apiserver, kube-controller-manager and Pebble (an ACME server) are built from their sources, the first time;" \
    "Traefik comes as a release."
  export CERTLET_TESTBED_PARTS="kcm pebble traefik"
  "$here/packages.sh"
  setsid "$here/build.sh" > >(grep --line-buffered '^testbed:' | sed -u 's/^/   /') 2>&1 &
  parts=$!
  trap 'kill -- "-$parts" 2>/dev/null || true' EXIT # its compilers, too
  trap 'exit 130' INT
  build_certlet
  wait "$parts" || true # what went wrong is said below
  trap - EXIT INT
  "$here/build.sh" || fail "the programs of the test bed cannot be built, see above"
  tell "Starting the cluster, the ACME server and the ingress controllers"
  DEMO_STEP=$step DEMO_CERTLET=$certlet "$here/with-bed.sh" "$here/demo.sh" --inside
}

inside() {
  own_cluster=1
  step=$DEMO_STEP certlet=$DEMO_CERTLET
  show kubectl get --raw=/readyz; echo
  show kubectl get ingressclasses
  work=$CERTLET_TESTBED/demo
  mkdir -p "$work"
  ACME_SERVER=https://127.0.0.1:14000/dir ACME_CA_FILE=$CERTLET_TESTBED/pki/acme-ca.crt
  DEMO_HOST=hello.demo.example INGRESS_CLASS=traefik INGRESS_ADDRESS=10.99.0.1:443
  certlet_arguments=(--cluster-resource-namespace=cert-manager --acme-http01-solver-nameservers=127.0.0.1:8053
    --acme-http01-advertise-address=10.99.0.1)
  curl -sf --cacert "$ACME_CA_FILE" https://127.0.0.1:15000/roots/0 >"$work/roots.pem"
  main_job
  tell "That is all"
  note "The cluster, the ACME server and everything else end now, and nothing stays behind."
}

ask() { # ask VARIABLE QUESTION
  if [ -z "${!1:-}" ]; then
    [ -t 0 ] || fail "$1 is not set, and there is nobody to ask ($2)"
    read -r -p "   $2: " "${1?}"
  fi
}

external() {
  # Not every shell expands the tilde in `make demo KUBECONFIG=~/.kube/config`.
  export KUBECONFIG=${1/#'~/'/$HOME/}
  [ -r "$KUBECONFIG" ] || fail "there is no kubeconfig $KUBECONFIG"
  command -v kubectl >/dev/null || PATH=$("$here/build.sh" --print-path):$PATH
  command -v kubectl >/dev/null || fail "kubectl is needed"
  local server
  server=$(kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}') || fail "kubectl cannot read $KUBECONFIG"
  kubectl version >/dev/null 2>&1 || fail "the cluster $server does not answer"
  printf '%scertlet: an Ingress gets a certificate, on your cluster %s.%s\n' "$bold" "$server" "$plain"
  local installed
  installed=$(kubectl get deployments -A -l 'app.kubernetes.io/name in (cert-manager, certlet)' -o name 2>/dev/null | head -n 1)
  if [ -n "$installed" ]; then
    fail "$installed is installed in this cluster. Two controllers for the same objects would get in each other's way."
  fi
  namespace=certlet-demo
  if kubectl get namespace "$namespace" >/dev/null 2>&1; then
    fail "there is a namespace $namespace already. If an earlier demo left it: kubectl delete namespace $namespace"
  fi
  ask ACME_SERVER "Directory URL of the ACME server"
  ask DEMO_HOST "A name that leads to your ingress controller"
  ask INGRESS_CLASS "The IngressClass of that controller"
  ask ADVERTISE_ADDRESS "An address of this machine that the ingress controller can reach"
  note "This will install the custom resource definitions of cert-manager.io, unless they are there already, and make the" \
    "namespace $namespace with an Issuer and an Ingress for $DEMO_HOST, and remove all of it in the end." \
    "certlet runs on this machine and touches no other namespace."
  if [ -z "${DEMO_YES:-}" ]; then
    [ -t 0 ] || fail "nobody is there to agree; set DEMO_YES=1"
    read -r -p "   Go on? [y/N] " answer
    [ "$answer" = y ] || [ "$answer" = Y ] || fail "as you wish; nothing was touched"
  fi
  tell "Building certlet"
  build_certlet
  work=$(mktemp -d)
  INGRESS_ADDRESS=${INGRESS_ADDRESS:-$DEMO_HOST:443}
  certlet_arguments=(--namespace="$namespace" --cluster-resource-namespace="$namespace"
    --acme-http01-advertise-address="$ADVERTISE_ADDRESS"
    ${DEMO_NAMESERVER:+--acme-http01-solver-nameservers="$DEMO_NAMESERVER"})
  main_job
  tell "Cleaning up"
}

clean_up() {
  local code=$?
  trap - EXIT
  # After a signal nobody asks for logs.
  if [ $code != 0 ] && [ $code -lt 129 ] && [ -n "${work:-}" ] && [ -e "$work/certlet.log" ]; then
    printf '\nThe end of the log of certlet:\n' >&2
    tail -n 25 "$work/certlet.log" >&2
    kubectl get certificates,certificaterequests,orders,challenges -A >&2 2>/dev/null || true
    kubectl describe certificates -n "${namespace:-default}" >&2 2>/dev/null | tail -n 40 || true
  fi
  [ -z "${certlet_pid:-}" ] || { kill "$certlet_pid" 2>/dev/null && wait "$certlet_pid" 2>/dev/null; } || true
  if [ -z "${own_cluster:-}" ]; then
    # Only what was not there before.
    [ -z "${namespace_is_ours:-}" ] || kubectl delete namespace "$namespace" --wait=true --timeout=60s || true
    [ -z "${crds_are_ours:-}" ] || kubectl delete -f crds || true
    rm -rf "$work"
  fi
  exit $code
}

main_job() {
  namespace=${namespace:-demo}
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  tell "Installing the custom resource definitions"
  if kubectl get crd certificates.cert-manager.io >/dev/null 2>&1; then
    note "They are there already, and stay as they are."
  else
    crds_are_ours=1
    show kubectl apply -f crds
    kubectl wait --for=condition=Established --timeout=30s -f crds >/dev/null
  fi

  tell "Starting certlet"
  certlet_arguments=(run --kubeconfig="$KUBECONFIG" --leader-elect=false "${certlet_arguments[@]}"
    --internal-healthz-listen-address=127.0.0.1:9403)
  note "${dim}$ certlet ${certlet_arguments[*]}${plain}"
  "$certlet" "${certlet_arguments[@]}" >"$work/certlet.log" 2>&1 &
  certlet_pid=$!
  local tries=0
  until curl -sf http://127.0.0.1:9403/readyz >/dev/null; do
    kill -0 $certlet_pid 2>/dev/null || fail "certlet has ended"
    [ $((tries += 1)) -lt 300 ] || fail "certlet is not ready after 30 s"
    sleep 0.1
  done
  note "It is ready."

  tell "An Issuer that asks the ACME server, and an Ingress that asks the Issuer"
  namespace_is_ours=1
  kubectl create namespace "$namespace" >/dev/null
  cat >"$work/issuer.yaml" <<EOF
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: letsencrypt
spec:
  acme:
    server: $ACME_SERVER
    email: ${ACME_EMAIL:-demo@certlet-demo.net}
${ACME_CA_FILE:+    caBundle: $(base64 -w0 "$ACME_CA_FILE")
}    privateKeySecretRef:
      name: letsencrypt-account
    solvers:
    - http01:
        ingress:
          ingressClassName: $INGRESS_CLASS
EOF
  cat >"$work/ingress.yaml" <<EOF
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    cert-manager.io/issuer: letsencrypt
spec:
  ingressClassName: $INGRESS_CLASS
  rules:
  - host: $DEMO_HOST
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
  tls:
  - hosts: [$DEMO_HOST]
    secretName: web-tls
EOF
  sed -E 's/(caBundle: .{24}).*/\1... (the CA of the ACME server)/; s/^/   | /' "$work/issuer.yaml"
  printf '   | ---\n'
  sed 's/^/   | /' "$work/ingress.yaml"
  local begin end
  begin=$(date +%s%N)
  show kubectl apply -n "$namespace" -f "$work/issuer.yaml" -f "$work/ingress.yaml"

  tell "Watching the Certificate that certlet makes for it"
  note "${dim}$ kubectl get certificate -n $namespace --watch${plain}"
  kubectl get certificate -n "$namespace" --watch 2>&1 | sed -u 's/^/   /' &
  local watching=$!
  kubectl wait -n "$namespace" --for=create --timeout=60s certificate/web-tls >/dev/null || fail "no Certificate was made"
  kubectl wait -n "$namespace" --for=condition=Ready --timeout=120s certificate/web-tls >/dev/null ||
    fail "the Certificate is not Ready after two minutes"
  end=$(date +%s%N)
  sleep 0.3 # the watch prints its last line
  pkill -P $$ -x kubectl 2>/dev/null || true
  kill $watching 2>/dev/null || true
  wait $watching 2>/dev/null || true
  note "From kubectl apply to Ready: $(((end - begin) / 1000000)) ms."

  tell "What the ingress controller serves for $DEMO_HOST now"
  served_chain
  tell "The Secret it comes from (the key stays where it is)"
  show kubectl get secret -n "$namespace" web-tls -o \
    'go-template={{.type}}{{"\n"}}{{range $name, $data := .data}}{{$name}}: {{len $data}} base64 characters{{"\n"}}{{end}}{{range $name, $text := .metadata.annotations}}{{$name}}: {{$text}}{{"\n"}}{{end}}'
  show kubectl get certificate,certificaterequest,order,challenge -n "$namespace"
}

served_chain() {
  local tries=0
  note "${dim}$ openssl s_client -connect $INGRESS_ADDRESS -servername $DEMO_HOST -showcerts${plain}"
  while :; do
    openssl s_client -connect "$INGRESS_ADDRESS" -servername "$DEMO_HOST" -showcerts </dev/null >"$work/served" 2>/dev/null || true
    if openssl x509 -in "$work/served" -noout -checkhost "$DEMO_HOST" 2>/dev/null | grep -q 'does match'; then break; fi
    [ $((tries += 1)) -lt 150 ] || fail "the ingress controller does not serve the certificate 30 s after it was stored"
    sleep 0.2
  done
  sed -n '/^Certificate chain/,/^---/p' "$work/served" | grep -E '^ *([0-9]+ s:|i:|v:)' | sed 's/^/   /'
  openssl x509 -in "$work/served" -noout -ext subjectAltName 2>/dev/null | sed 's/^ */   /'
  if [ -e "$work/roots.pem" ]; then
    awk '/BEGIN CERT/ {n++} n > 1' "$work/served" >"$work/rest.pem"
    openssl x509 -in "$work/served" -out "$work/leaf.pem"
    local untrusted=()
    [ ! -s "$work/rest.pem" ] || untrusted=(-untrusted "$work/rest.pem")
    show openssl verify -CAfile "$work/roots.pem" "${untrusted[@]}" -verify_hostname "$DEMO_HOST" "$work/leaf.pem"
  fi
}

case ${1:-} in
  "") embedded ;;
  --inside) inside ;;
  --kubeconfig) [ -n "${2:-}" ] || fail "--kubeconfig needs a file"; external "$2" ;;
  *) echo "usage: demo.sh [--kubeconfig FILE]" >&2; exit 2 ;;
esac
