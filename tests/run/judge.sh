# Sourced by run.sh: what the runs of test binaries came to.
#
# A run is one start of one test binary. Its output is a file; `record` notes how it ended, and `summary` judges all runs at the end.
# A run that fails without a failed test, and a run of which nothing can be told, is a failure of its own: it is never lost in the sums.
#
# Uses $log, a directory. $log/runs.txt has one line for each run: KIND BINARY TEST EXPECTED STATUS OUTPUT, where EXPECTED is the number of
# tests, `-` where nobody has counted them.
#   unit   a binary outside of the test bed
#   bed    tests of a binary in a bed
#   again  one test that failed in a bed, alone in a bed of its own

readonly MAX_RETRIED=5 # more failures are no accident
readonly MAX_FLAKY=2   # more of these fail the run

record() { # record KIND BINARY TEST|- EXPECTED STATUS OUTPUT
  printf '%s %s %s %s %s %s\n' "$1" "$2" "$3" "$4" "$5" "$6" >>"$log/runs.txt"
}

# judge KIND EXPECTED STATUS OUTPUT: prints `counts PASSED FAILED SKIPPED`, then `named TEST` for each failed test, then `broken WHY` if the run is a failure of its own.
judge() {
  awk -v kind="$1" -v expected="$2" -v status="$3" '
    # The list of failed tests stands directly above the result; the output of tests may hold anything.
    /^failures:$/ { named = 0; list = 1; next }
    list && /^    [A-Za-z0-9_:]+$/ { name[++named] = $1; next }
    /^test result: / {
      results++; passed = failed = ignored = 0
      for (i = 1; i < NF; i++) {
        if ($(i + 1) ~ /^passed/) passed = $i
        if ($(i + 1) ~ /^failed/) failed = $i
        if ($(i + 1) ~ /^ignored/) ignored = $i
      }
    }
    /^SKIPPED / { could_not++ }
    END {
      ran = passed + failed
      if (!results) why = "it printed no result and ended with status " status
      else if (status != 0 && failed == 0) why = "no test failed, but it ended with status " status
      else if (kind == "again" && ran != 1) why = "no test has this name"
      else if (kind == "bed" && ran == 0) why = "it ran no test"
      else if (expected != "-" && ran != expected) why = "it ran " ran " of " expected " tests"
      if (results) passed -= could_not
      printf "counts %d %d %d\n", passed, failed, (kind == "unit" ? ignored : 0) + could_not
      for (i = 1; i <= named && i <= failed; i++) print "named " name[i]
      if (why) print "broken " why
    }' "$4"
}

to_retry() { # prints `BINARY TEST` for what failed in a bed and may be an accident; nothing if that is too much
  local kind binary test expected status output
  while read -r kind binary test expected status output; do
    [ "$kind" = bed ] || continue
    judge "$kind" "$expected" "$status" "$output" | sed -n "s/^named /$binary /p"
  done <"$log/runs.txt" >"$log/failed.txt"
  [ "$(wc -l <"$log/failed.txt")" -gt "$MAX_RETRIED" ] || cat "$log/failed.txt"
}

# summary CODE STAGE: prints what failed and the counts; returns 1 if anything failed. CODE is what the script was about to end with, in STAGE.
summary() {
  local code=$1 stage=$2 kind binary test expected status output word rest
  local passed=0 failed=0 skipped=0 flaky=0
  touch "$log/runs.txt"
  echo
  while read -r kind binary test expected status output; do
    local good=0 bad=0 could_not=0 broken=
    while read -r word rest; do
      case $word in
        counts) read -r good bad could_not <<<"$rest" ;;
        named) was_flaky "$binary" "$rest" || echo "FAILED $binary $rest" ;;
        broken) broken=$rest ;;
      esac
    done < <(judge "$kind" "$expected" "$status" "$output")
    if [ "$kind" = again ]; then
      [ -z "$broken" ] || echo "FAILED $binary $test could not be tried again: $broken"
      [ "$bad" = 0 ] && [ -z "$broken" ] || continue # it stays the failure that it was
      echo "FLAKY $binary $test"
      failed=$((failed - 1)) flaky=$((flaky + 1))
    elif [ -n "$broken" ]; then
      echo "FAILED $binary: $broken"
      failed=$((failed + 1))
    fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + could_not))
  done <"$log/runs.txt"
  if [ "$flaky" -gt "$MAX_FLAKY" ]; then
    echo "FAILED more than $MAX_FLAKY tests are flaky; they count as failed"
    failed=$((failed + flaky)) passed=$((passed - flaky))
  fi
  if [ "$code" != 0 ] && [ "$failed" = 0 ]; then
    echo "FAILED $stage: it ended with status $code"
    failed=1
  fi
  printf '\n%d flaky (passed only at the second try)\n%d passed, %d failed, %d skipped\n' "$flaky" "$passed" "$failed" "$skipped"
  [ "$failed" = 0 ]
}

was_flaky() { # was_flaky BINARY TEST: it passed at the second try
  local kind binary test expected status output
  while read -r kind binary test expected status output; do
    [ "$kind $binary $test" = "again $1 $2" ] || continue
    ! judge again 1 "$status" "$output" | grep -qE '^(broken|counts -?[0-9]+ [1-9])' || continue
    return 0
  done <"$log/runs.txt"
  return 1
}
