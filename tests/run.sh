#!/usr/bin/env bash
# Runs the tests and counts them.
#
#   run.sh all                        formatting, lints, unit and cluster tests
#   run.sh unit                       only what needs no cluster
#   run.sh cluster [BINARY [FILTER]]  only the cluster tests (BINARY: a glob over the test binaries, default: all that
#                                     need the test bed, cluster_* and pebble_*)
#
# The last line is "N passed, N failed, N skipped" over all test binaries. A test that could not run here (no root for a
# node, for example) says why on a line of its own that begins with SKIPPED, and counts as skipped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
log=$(mktemp -d "${TMPDIR:-/tmp}/certlet-test.XXXXXX")
status=0
parts_pid=
bed_pid=

finish() {
  local code=$?
  trap - EXIT
  [ -z "$bed_pid" ] || { kill "$bed_pid" 2>/dev/null && wait "$bed_pid" 2>/dev/null; } || true
  # What still builds is of no use to anybody any more.
  [ -z "$parts_pid" ] || kill -- "-$parts_pid" 2>/dev/null || true
  count
  rm -rf "$log"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n== %s\n' "$*"; }

count() { # cluster tests are listed as ignored in the first log and run in the second
  touch "$log"/unit.txt "$log"/cluster.txt
  cat "$log"/unit.txt "$log"/cluster.txt | awk '
    /^ *Running / { cluster = /\/(cluster|pebble)_/ }
    /^certlet-cluster-stage$/ { stage = 1 }
    /^certlet-second-stage$/ { second = 1 } # what passes now had been counted as failed
    /^test result:/ && (stage || !cluster) {
      for (i = 1; i < NF; i++) {
        if ($(i + 1) ~ /^passed/) { passed += $i; if (second) failed -= $i }
        if (second) continue
        if ($(i + 1) ~ /^failed/) failed += $i
        if ($(i + 1) ~ /^ignored/) skipped += $i
      }
    }
    /^SKIPPED / { skipped++; passed-- }
    END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped }'
}

prepare_bed() { # builds the programs of the bed beside what cargo does
  tests/testbed/packages.sh --tests
  # Without a node the tests that want one say so and are counted as skipped.
  if [ "$(id -u)" = 0 ]; then tests/testbed/packages.sh --node || true; fi
  setsid tests/testbed/build.sh controlplane acme edge haproxy pause cmctl & # a process group, so that its compilers can be stopped with it
  parts_pid=$!
}

await_bed() {
  say "The programs of the test bed (built once, then kept)"
  local ended=0
  wait "$parts_pid" || ended=$?
  parts_pid=
  [ "$ended" = 0 ] || { echo "the test bed cannot be built, see above" >&2; exit "$ended"; }
}

lint() {
  say "Formatting and lints"
  cargo fmt --check
  cargo clippy --all-targets --locked -- -D warnings
}

build() { # build [BINARY]
  say "Building the tests"
  cargo test --no-run --locked ${1:+--test "$1"} 2>&1 | grep -v '^  Executable' || exit 1
}

unit() {
  say "Unit and property tests"
  cargo test --locked --no-fail-fast 2>&1 | tee "$log/unit.txt" || status=1
}

cluster() {
  local wanted=${1:-} filter=${2:-} binary failed=0
  # The ACME servers of these tests are strict and refuse every fifth nonce; pebble_acme brings its own, which refuses none.
  export PEBBLE_STRICT=${PEBBLE_STRICT-1} PEBBLE_WFE_NONCEREJECT=${PEBBLE_WFE_NONCEREJECT-20}
  say "Cluster tests"
  echo certlet-cluster-stage >"$log/cluster.txt"
  # Inside there is no network; everything has been built. One certlet acts on the whole cluster, so tests take turns,
  # and each binary has a cluster of its own: nobody meets what others left behind.
  # The last tests judge what certlet asked for in all of them.
  if [ -z "$wanted$filter" ]; then
    export CERTLET_AUDITS=$log/audits
    mkdir "$CERTLET_AUDITS"
  fi
  for binary in $(binaries "${wanted:-*}"); do
    in_bed --test "$binary" -- --include-ignored --test-threads=1 ${filter:+"$filter"} || failed=1
  done
  [ "$failed" = 0 ] || second_try || status=1
}

binaries() { # binaries GLOB: those that need the bed
  local path
  for path in tests/pebble_* tests/cluster_*; do
    path=${path#tests/} path=${path%.rs}
    # shellcheck disable=SC2053
    [[ $path != $1 ]] || echo "$path"
  done
}

in_bed() { # in_bed ARGUMENT... of cargo test, in a bed of its own
  local ended=0
  exec 3> >(tee -a "$log/cluster.txt")
  local tee=$!
  CARGO_NET_OFFLINE=true tests/testbed/with-bed.sh cargo test --locked --no-fail-fast "$@" >&3 2>&1 3>&- &
  bed_pid=$!
  wait "$bed_pid" || ended=$?
  bed_pid=
  exec 3>&-
  wait "$tee" || true
  return "$ended"
}

# The tests await events with limits, and machines are shared: what failed runs once more, alone and in a new bed. It is said aloud, and
# a test that fails twice has failed. More than a handful is no accident and is not tried again.
second_try() {
  local failures
  failures=$(awk '
    /^ *Running / { binary = $2; sub(/^tests\//, "", binary); sub(/\/main\.rs$/, "", binary); sub(/\.rs$/, "", binary) }
    /^test .* FAILED$/ { print binary " " $2 }' "$log/cluster.txt")
  [ -n "$failures" ] && [ "$(wc -l <<<"$failures")" -le 5 ] || return 1
  echo certlet-second-stage >>"$log/cluster.txt"
  local binary name bad=0
  while read -r binary name; do
    say "RETRIED $binary $name: it failed in the long run and runs once more, alone"
    in_bed --test "$binary" -- --include-ignored --exact "$name" </dev/null || bad=1
  done <<<"$failures"
  return "$bad"
}

case ${1:-} in
  all) prepare_bed; lint; build; unit; await_bed; cluster ;;
  unit) unit ;;
  cluster) prepare_bed; build "${2:-}"; await_bed; cluster "${2:-}" "${3:-}" ;;
  *) echo "usage: run.sh all|unit|cluster [BINARY [FILTER]]" >&2; exit 2 ;;
esac
exit "$status"
