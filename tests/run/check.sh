#!/usr/bin/env bash
# Tests of run.sh: a copy of it runs in a folder where cargo, the test bed and the test binaries are scripts.
# Needs bash and the programs that every Linux has. Reports as a Rust test binary does.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scenes=$(mktemp -d "${TMPDIR:-/tmp}/certlet-check.XXXXXX")
trap 'rm -rf "$scenes"' EXIT
passed=0 failures=()

# --- the scene -------------------------------------------------------------------------------------------------

begin() { # a project with one unit test binary and two for the bed, where everything passes
  scene=$(mktemp -d "$scenes/XXXXXX")
  mkdir -p "$scene"/{bin,built,tests/run,tests/testbed}
  cp "$here/../run.sh" "$scene/tests/"
  cp "$here"/*.sh "$scene/tests/run/"
  script tests/run/check.sh 'echo "test result: ok. 1 passed; 0 failed; 0 ignored"'
  script tests/testbed/packages.sh ''
  script tests/testbed/build.sh ''
  script tests/testbed/with-bed.sh 'echo "$@" >>beds.txt; "$@"'
  script bin/cargo '[ "$1" = test ] || exit 0
    for path in built/*; do
      case $path in *lib) echo "  Executable unittests src/lib.rs ($path)" ;; *) echo "  Executable tests/${path#built/}/main.rs ($path)" ;; esac
    done >&2'
  binary lib one two
  binary cluster_a a::one a::two
  binary pebble_b b::one b::two
}

script() { # script PATH BODY
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$scene/$1"
  chmod +x "$scene/$1"
}

binary() { # binary NAME TEST...: TEST is a name, or name=HOW for one that does not simply pass: fail, flaky, abort
  local name=$1; shift
  script "built/$name" "tests=($*); $(declare -f libtest); libtest \"\$@\""
}

libtest() { # what a test binary of Rust does and prints
  local exact= filter= all= good=0 bad=() test name how
  while [ $# -gt 0 ]; do
    case $1 in --exact) exact=1 ;; --include-ignored) all=1 ;; --*) ;; *) filter=$1 ;; esac
    shift
  done
  case $all:$0 in
    :*/cluster_*|:*/pebble_*) echo "test result: ok. 0 passed; 0 failed; ${#tests[@]} ignored"; return ;;
  esac
  for test in "${tests[@]}"; do
    name=${test%=*} how=${test#"$name"} how=${how#=}
    if [ -n "$exact" ]; then [ "$name" = "$filter" ] || continue; else [[ $name = *"$filter"* ]] || continue; fi
    case $how in
      flaky) [ -e "tried-$name" ] && how= || { touch "tried-$name"; how=fail; } ;;
      abort) echo "memory allocation of 8 bytes failed"; exit 134 ;;
      skip) echo "SKIPPED $name: needs root" ;;
    esac
    if [ "$how" = fail ]; then bad+=("$name"); echo "test $name ... FAILED"; else good=$((good + 1)); echo "test $name ... ok"; fi
  done
  if [ "${#bad[@]}" != 0 ]; then
    printf '\nfailures:\n\n---- %s stdout ----\n    not_a_test\ntest result: ok. 7 passed; 0 failed\n\nfailures:\n' "${bad[0]}"
    printf '    %s\n' "${bad[@]}"
    printf '\ntest result: FAILED. %d passed; %d failed; 0 ignored; 0 measured\n' "$good" "${#bad[@]}"
    exit 101
  fi
  printf '\ntest result: ok. %d passed; 0 failed; 0 ignored; 0 measured\n' "$good"
}

ends() { # ends STATUS LINE [ARGUMENT... of run.sh]: runs it, and looks at its status and its last line
  local status=$1 line=$2 ended=0; shift 2
  [ $# -gt 0 ] || set -- all
  (cd "$scene" && PATH=$scene/bin:$PATH TMPDIR=$scene tests/run.sh "$@") >"$scene/output.txt" 2>&1 || ended=$?
  [ "$ended" = "$status" ] || complain "ended with $ended, not $status"
  [ "$(tail -n 1 "$scene/output.txt")" = "$line" ] || complain "the last line is not: $line"
}
says() { grep -qxF -- "$1" "$scene/output.txt" || complain "does not say: $1"; }
silent() { ! grep -q -- "$1" "$scene/output.txt" || complain "says: $1"; }
beds() { local n; n=$(wc -l <"$scene/beds.txt"); [ "$n" = "$1" ] || complain "$n beds, not $1"; }
complain() { complaint+="$*"$'\n'; }

# --- the tests -------------------------------------------------------------------------------------------------

everything_passes() {
  ends 0 "7 passed, 0 failed, 0 skipped"
  says "0 flaky (passed only at the second try)"
  silent ^FAILED
  beds 2
}
a_test_that_fails_twice_has_failed() {
  binary cluster_a a::one a::two=fail
  ends 1 "6 passed, 1 failed, 0 skipped"
  says "FAILED cluster_a a::two"
  says "0 flaky (passed only at the second try)"
  beds 3
}
a_test_that_passes_at_the_second_try_is_named_and_counted() {
  binary cluster_a a::one a::two=flaky
  ends 0 "7 passed, 0 failed, 0 skipped"
  says "FLAKY cluster_a a::two"
  says "1 flaky (passed only at the second try)"
  silent ^FAILED
}
three_flaky_tests_fail_the_run() {
  binary cluster_a a::one=flaky a::two=flaky
  binary pebble_b b::one b::two=flaky
  ends 1 "4 passed, 3 failed, 0 skipped"
  says "3 flaky (passed only at the second try)"
  says "FLAKY pebble_b b::two"
}
two_flaky_tests_do_not_fail_the_run() {
  binary cluster_a a::one=flaky a::two=flaky
  ends 0 "7 passed, 0 failed, 0 skipped"
  says "2 flaky (passed only at the second try)"
}
more_failures_than_can_be_an_accident_are_not_tried_again() {
  binary cluster_a a::one=flaky a::two=flaky a::three=flaky a::four=flaky a::five=flaky a::six=flaky
  ends 1 "5 passed, 6 failed, 0 skipped"
  says "FAILED cluster_a a::six"
  beds 2
}
a_binary_that_aborts_has_failed_although_another_one_was_only_flaky() {
  binary cluster_a a::one a::two=abort
  binary pebble_b b::one b::two=flaky
  ends 1 "5 passed, 1 failed, 0 skipped"
  says "FAILED cluster_a: it printed no result and ended with status 134"
  says "FLAKY pebble_b b::two"
}
a_bed_that_does_not_start_is_a_failure() {
  binary pebble_b b::one b::two=flaky
  script tests/testbed/with-bed.sh 'case $1 in *cluster_a) echo "testbed: apiserver has ended"; exit 1 ;; esac; "$@"'
  ends 1 "5 passed, 1 failed, 0 skipped"
  says "FAILED cluster_a: it printed no result and ended with status 1"
}
a_bed_that_is_silent_and_content_is_a_failure() {
  script tests/testbed/with-bed.sh ''
  ends 1 "3 passed, 2 failed, 0 skipped"
  says "FAILED pebble_b: it printed no result and ended with status 0"
}
a_bed_that_ends_badly_after_its_tests_is_a_failure() {
  script tests/testbed/with-bed.sh '"$@"; exit 3'
  ends 1 "7 passed, 2 failed, 0 skipped"
  says "FAILED cluster_a: no test failed, but it ended with status 3"
}
a_name_that_matches_nothing_at_the_second_try_stays_a_failure() {
  script built/cluster_a 'case "$*" in
    *--exact*) echo "test result: ok. 0 passed; 0 failed; 0 ignored" ;;
    *) printf "\nfailures:\n    a::one\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n"; exit 101 ;;
    esac'
  ends 1 "6 passed, 1 failed, 0 skipped"
  says "FAILED cluster_a a::one could not be tried again: no test has this name"
  says "FAILED cluster_a a::one"
}
a_second_try_without_a_bed_stays_a_failure() {
  binary cluster_a a::one a::two=flaky
  script tests/testbed/with-bed.sh 'case "$*" in *--exact*) exit 1 ;; esac; "$@"'
  ends 1 "6 passed, 1 failed, 0 skipped"
  says "FAILED cluster_a a::two"
}
a_binary_that_runs_no_test_is_a_failure() {
  binary cluster_a
  ends 1 "5 passed, 1 failed, 0 skipped"
  says "FAILED cluster_a: it ran no test"
}
a_filter_may_match_in_one_binary_only_but_must_match() {
  ends 0 "1 passed, 0 failed, 0 skipped" cluster "" b::two
  beds 2
  ends 1 "0 passed, 1 failed, 0 skipped" cluster "" b::three
  says "FAILED no test has a name like that"
}
a_binary_that_does_not_exist_is_a_failure() {
  ends 1 "0 passed, 1 failed, 0 skipped" cluster cluster_c
  says "no test binary is called cluster_c"
}
a_unit_test_binary_that_aborts_is_a_failure() {
  binary lib one two=abort
  ends 1 "5 passed, 1 failed, 0 skipped"
  says "FAILED src/lib.rs: it printed no result and ended with status 134"
}
a_unit_test_that_fails_is_not_tried_again() {
  binary lib one two=flaky
  ends 1 "2 passed, 1 failed, 0 skipped" unit
  says "FAILED src/lib.rs two"
}
lints_that_fail_are_a_failure() {
  script bin/cargo '[ "$1" != clippy ] || exit 101'
  ends 101 "0 passed, 1 failed, 0 skipped"
  says "FAILED Formatting and lints: it ended with status 101"
}
tests_that_do_not_compile_are_a_failure() {
  script bin/cargo '[ "$1" != test ] || { echo "error: could not compile" >&2; exit 101; }'
  ends 101 "0 passed, 1 failed, 0 skipped"
  says "FAILED Building the tests: it ended with status 101"
}
programs_of_the_bed_that_cannot_be_built_are_a_failure() {
  script tests/testbed/build.sh 'exit 2'
  ends 2 "3 passed, 1 failed, 0 skipped"
}
what_could_not_run_counts_as_skipped() {
  binary cluster_a a::one a::two=skip
  ends 0 "6 passed, 0 failed, 1 skipped"
}

# --- the report ------------------------------------------------------------------------------------------------

readarray -t names < <(sed -nE 's/^([a-z_]+)\(\) \{$/\1/p' "${BASH_SOURCE[0]}")
[ "${#names[@]}" -ge 20 ] || { echo "only ${#names[@]} tests were found"; exit 1; }
for name in "${names[@]}"; do
  complaint=
  begin
  "$name"
  if [ -z "$complaint" ]; then
    passed=$((passed + 1)); echo "test $name ... ok"
  else
    failures+=("$name"); echo "test $name ... FAILED"
    { printf '%s' "$complaint"; echo "--- the output of run.sh"; cat "$scene/output.txt"; } | sed 's/^/    | /'
  fi
done
status=0 verdict=ok
if [ "${#failures[@]}" != 0 ]; then
  printf '\nfailures:\n'; printf '    %s\n' "${failures[@]}"
  status=1 verdict=FAILED
fi
printf '\ntest result: %s. %d passed; %d failed; 0 ignored\n' "$verdict" "$passed" "${#failures[@]}"
exit "$status"
