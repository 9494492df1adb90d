#!/usr/bin/env bash
# Runs the tests and counts them.
#
#   run.sh all                        formatting, lints, unit and cluster tests
#   run.sh unit                       only what needs no cluster
#   run.sh cluster [BINARY [FILTER]]  only the cluster tests (BINARY: a glob over the test binaries, default: all that
#                                     need the test bed, cluster_* and pebble_*)
#
# The last line is "N passed, N failed, N skipped" over all test binaries; above it stands what failed, also binaries that failed or
# did not run without naming a test. A test that could not run here (no root for a node, for example) says why on a line of its own
# that begins with SKIPPED, and counts as skipped.
#
# Environment: CERTLET_TEST_BEDS, how many beds run side by side (default: one more than there are processors, since tests also wait, but each with 1.5 GB of memory).
# CERTLET_TEST_DURATIONS=1 writes tests/run/durations.txt anew, by which the beds are given their tests.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
log=$(mktemp -d "${TMPDIR:-/tmp}/certlet-test.XXXXXX")
stage=start
export RUST_BACKTRACE=0 # frames of the async runtime bury the sentence that says what failed
exec {stdout}>&1
parts_pid=
beds=${CERTLET_TEST_BEDS:-$(awk -v cores="$(nproc)" '/^MemAvailable/ { n = int($2 / 1500000); print n < 1 ? 1 : n < cores + 1 ? n : cores + 1 }' /proc/meminfo)}
# shellcheck source=tests/run/judge.sh
. tests/run/judge.sh
# shellcheck source=tests/run/beds.sh
. tests/run/beds.sh

finish() {
  local code=$?
  trap - EXIT
  exec >&"$stdout" # it may have ended where the output goes to a file
  end_beds
  # What still builds is of no use to anybody any more.
  [ -z "$parts_pid" ] || kill -- "-$parts_pid" 2>/dev/null || true
  summary "$code" "$stage" || [ "$code" != 0 ] || code=1
  rm -rf "$log"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n== %s\n' "$*"; stage=$*; }

prepare_bed() { # builds the programs of the bed beside what cargo does
  tests/testbed/packages.sh --tests
  # Without a node the tests that want one say so and are counted as skipped.
  if [ "$(id -u)" = 0 ]; then tests/testbed/packages.sh --node || true; fi
  # A process group, so that its compilers can be stopped with it. What is only fetched is fetched meanwhile.
  setsid bash -c '"$0" openbao caddy moto venafi & "$0" edge acme pause haproxy cmctl webhook lego helm swap trust gateway node envoy vault; ended=$?; wait; exit $ended' tests/testbed/build.sh &
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
  tests/run/deny.sh
}

bedless() { # cargo's names for the test binaries that need no bed
  local file name
  echo "--lib --bins"
  for file in tests/*.rs tests/*/main.rs; do
    name=${file#tests/} name=${name%/main.rs} name=${name%.rs}
    case $name in cluster_*|pebble_*) ;; *) echo "--test $name" ;; esac
  done
}

build() { # build [WHICH...]: writes the names and paths of the test binaries to $log/binaries.txt
  say "Building the tests"
  cargo test --no-run --locked "$@" 2>&1 | tee "$log/build.txt" | sed '/^ *Executable /d'
  # "  Executable tests/cluster_acme/main.rs (target/debug/deps/cluster_acme-0123456789abcdef)", or "unittests src/lib.rs (...)"
  sed -nE 's/^ *Executable (unittests )?(.*) \((.*)\)$/\2 \3/p' "$log/build.txt" |
    sed -E 's/^tests\/([^ ]*) /\1 /; s/^([^ ]*)\/main\.rs /\1 /; s/^([a-z0-9_]*)\.rs /\1 /' >"$log/binaries.txt"
  [ -s "$log/binaries.txt" ] || { echo "cargo built no test binary" >&2; exit 1; }
}

binaries() { # binaries GLOB: those that need the bed
  local name path
  while read -r name path; do
    # shellcheck disable=SC2053
    case $name in cluster_*|pebble_*) [[ $name != $1 ]] || echo "$name $path" ;; esac
  done <"$log/binaries.txt"
}

unit() {
  say "Unit and property tests, side by side"
  {
    # the longest ones begin first
    echo "0 run.sh tests/run/check.sh - -"
    awk '$1 !~ /^(cluster|pebble)_/ { print "0", $1, $2, "-", "-" }' "$log/binaries.txt"
  } >"$log/units.txt"
  side_by_side unit "$log/units.txt" "$(nproc)"
}

cluster() {
  local wanted=${1:-} filter=${2:-}
  # The ACME servers of these tests are strict and refuse every fifth nonce; pebble_acme brings its own, which refuses none.
  export PEBBLE_STRICT=${PEBBLE_STRICT-1} PEBBLE_WFE_NONCEREJECT=${PEBBLE_WFE_NONCEREJECT-20}
  say "Cluster tests, $beds at a time"
  # The last tests judge what certlet asked for, and said, in all of them.
  if [ -z "$wanted$filter" ]; then
    export CERTLET_AUDITS=$log/audits
    mkdir "$CERTLET_AUDITS"
  fi
  binaries "${wanted:-*}" >"$log/wanted.txt"
  [ -s "$log/wanted.txt" ] || { echo "no test binary is called $wanted" >&2; exit 1; }
  plan "$filter" <"$log/wanted.txt"
  [ -s "$log/plan.txt" ] || { echo "no test has a name like $filter" >&2; exit 1; }
  side_by_side bed "$log/plan.txt" "$beds"
  [ ! -s "$log/last.txt" ] || side_by_side bed "$log/last.txt" "$beds"
  second_try
}

# The tests await events with limits, and machines are shared: what failed runs once more, alone and in a new bed. It is said aloud and
# counted, and a test that fails twice has failed.
second_try() {
  local name test path
  to_retry >"$log/retry.txt"
  while read -r name test; do
    say "RETRIED $name $test: it failed in the long run and runs once more, alone"
    path=$(awk -v name="$name" '$1 == name { print $2 }' "$log/binaries.txt")
    echo "$test" >"$log/names-again"
    alone again "0 $name $path 1 $log/names-again" "$test"
  done <"$log/retry.txt"
}

touch "$log/runs.txt"
case ${1:-} in
  all) prepare_bed; lint; build; unit; await_bed; cluster; [ -z "${CERTLET_TEST_DURATIONS:-}" ] || write_durations ;;
  # shellcheck disable=SC2046
  unit) build $(bedless); unit ;;
  cluster) prepare_bed; build ${2:+--test "$2"}; await_bed; cluster "${2:-}" "${3:-}" ;;
  *) echo "usage: run.sh all|unit|cluster [BINARY [FILTER]]" >&2; trap - EXIT; rm -rf "$log"; exit 2 ;;
esac
