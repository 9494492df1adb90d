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
  printf '# seconds\n20 cluster_a\n10 pebble_b\n' >"$scene/tests/run/durations.txt"
  script tests/run/check.sh 'echo "test result: ok. 1 passed; 0 failed; 0 ignored"'
  script tests/run/deny.sh ''
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
  local exact= filters=() all= list= good=0 bad=() test name how
  while [ $# -gt 0 ]; do
    case $1 in
      --exact) exact=1 ;;
      --include-ignored) all=1 ;;
      --list) list=1 ;;
      --format) shift ;;
      --*) ;;
      *) filters+=("$1") ;;
    esac
    shift
  done
  case $all:$0 in
    :*/cluster_*|:*/pebble_*) echo "test result: ok. 0 passed; 0 failed; ${#tests[@]} ignored"; return ;;
  esac
  for test in "${tests[@]}"; do
    name=${test%=*} how=${test#"$name"} how=${how#=}
    if [ "${#filters[@]}" != 0 ]; then
      if [ -n "$exact" ]; then [[ " ${filters[*]} " = *" $name "* ]] || continue; else [[ $name = *"${filters[0]}"* ]] || continue; fi
    fi
    [ -z "$list" ] || { echo "$name: test"; continue; }
    case $how in
      flaky) [ -e "tried-$name" ] && how= || { touch "tried-$name"; how=fail; } ;;
      abort) echo "memory allocation of 8 bytes failed"; exit 134 ;;
      skip) echo "SKIPPED $name: needs root" ;;
    esac
    if [ "$how" = fail ]; then bad+=("$name"); echo "test $name ... FAILED"; else good=$((good + 1)); echo "test $name ... ok"; fi
  done
  [ -z "$list" ] || return 0
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
    *--list*) printf "a::one: test\na::two: test\n" ;;
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
a_binary_that_runs_fewer_tests_than_it_lists_is_a_failure() {
  binary cluster_a a::one a::two
  script tests/testbed/with-bed.sh '"$1" --include-ignored --exact a::one'
  ends 1 "1 passed, 1 failed, 0 skipped" cluster "" a::
  says "FAILED cluster_a: it ran 1 of 2 tests"
}
a_filter_may_match_in_one_binary_only_but_must_match() {
  ends 0 "1 passed, 0 failed, 0 skipped" cluster "" b::two
  beds 1
  ends 1 "0 passed, 1 failed, 0 skipped" cluster "" b::three
  says "no test has a name like b::three"
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
beds_run_side_by_side_and_their_output_is_not_mixed() {
  # Each waits for the other one to begin.
  script tests/testbed/with-bed.sh 'touch "began-${1##*/}"; echo "first line of ${1##*/}"
    for _ in {1..200}; do [ -e began-cluster_a ] && [ -e began-pebble_b ] && break; sleep 0.05; done
    [ -e began-cluster_a ] && [ -e began-pebble_b ] || exit 1
    "$@"'
  CERTLET_TEST_BEDS=2 ends 0 "7 passed, 0 failed, 0 skipped"
  grep -A 3 '^first line' "$scene/output.txt" >"$scene/around.txt"
  [ "$(grep -cE '^(first line|test [ab]::)' "$scene/around.txt")" = 6 ] || complain "mixed: $(cat "$scene/around.txt")"
}
unit_test_binaries_run_side_by_side_and_their_output_is_not_mixed() {
  script bin/nproc 'echo 2'
  # Each waits for the other one to begin.
  local wait='echo "first line of $0"; touch "began-${0##*/}"
    for _ in {1..200}; do [ -e began-lib ] && [ -e began-check.sh ] && break; sleep 0.05; done
    [ -e began-lib ] && [ -e began-check.sh ] || exit 1
    echo "test result: ok. 1 passed; 0 failed; 0 ignored"'
  script built/lib "$wait"
  script tests/run/check.sh "$wait"
  ends 0 "2 passed, 0 failed, 0 skipped" unit
  [ "$(grep -A 1 '^first line' "$scene/output.txt" | grep -cE '^(first line|test result)')" = 4 ] || complain "mixed"
}
what_takes_longest_begins_first_and_what_is_not_known_before_it() {
  binary cluster_c c::one
  printf '10 cluster_a\n90 pebble_b\n' >"$scene/tests/run/durations.txt"
  CERTLET_TEST_BEDS=1 ends 0 "8 passed, 0 failed, 0 skipped"
  [ "$(sed 's/ .*//; s/.*\///' "$scene/beds.txt" | tr '\n' ' ')" = "cluster_c pebble_b cluster_a " ] || complain "$(cat "$scene/beds.txt")"
}
what_would_take_too_long_for_one_bed_is_split_and_every_test_runs_once() {
  binary cluster_a a::one a::two b::one c::one d::one d::two d::three
  printf '900 cluster_a\n10 pebble_b\n' >"$scene/tests/run/durations.txt"
  CERTLET_TEST_BEDS=3 ends 0 "12 passed, 0 failed, 0 skipped"
  beds 3
  [ "$(grep -oE '[a-d]::(one|two|three)' "$scene/beds.txt" | sort | uniq -c | awk '{ print $1 }' | tr -d '\n')" = 1111111 ] || complain "$(cat "$scene/beds.txt")"
  ! grep -q 'd::one.*d::two.*d::three' "$scene/beds.txt" && complain "a module was split"
}
durations_are_written_when_asked_and_without_them_everything_runs() {
  rm "$scene/tests/run/durations.txt"
  CERTLET_TEST_DURATIONS=1 ends 0 "7 passed, 0 failed, 0 skipped"
  [ "$(sed -E 's/^[0-9]+ //' "$scene/tests/run/durations.txt" | sort | tr '\n' ' ')" = "cluster_a pebble_b " ] || complain "$(cat "$scene/tests/run/durations.txt")"
}
what_judges_all_beds_comes_last() {
  binary cluster_a a::one confidential::all within_rights::all
  printf '10 cluster_a\n90 pebble_b\n' >"$scene/tests/run/durations.txt"
  ends 0 "8 passed, 0 failed, 0 skipped"
  tail -n 1 "$scene/beds.txt" | grep -q 'cluster_a .*confidential::all within_rights::all' || complain "$(cat "$scene/beds.txt")"
  beds 3
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
