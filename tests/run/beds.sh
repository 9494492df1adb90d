# Sourced by run.sh: test binaries side by side. Those that need the bed run in several beds, one more than there are processors.
#
# Each bed has namespaces and a directory of its own, so they do not see one another. Within a bed tests take turns: one certlet acts on the
# whole cluster. What took longest at the last count begins first, and a binary that alone would take longer than the fair share of a bed is
# split, between modules, over several. Every share is given the names of its tests, and `judge` compares how many of them ran.
#
# Uses $log, $beds (how many) and `record`, `say`. $log/plan.txt has one line for each start: SECONDS BINARY PATH TESTS NAMES, where NAMES
# is a file of names or `-` for all, and SECONDS is what it may take.

readonly durations=tests/run/durations.txt
readonly judges='^(within_rights|confidential)::'
[ -e "$durations" ] || touch "$durations"
declare -A running=() # process -> KIND BINARY TEST TESTS OUTPUT BEGINNING

tests_of() { # tests_of PATH [FILTER]: their names, in the order in which they run
  { "$1" --list --format terse --include-ignored ${2:+"$2"} 2>/dev/null </dev/null || true; } | sed -n 's/: test$//p'
}

seconds_of() { # seconds_of BINARY: what it took at the last count. What nobody has counted may be long and begins early.
  awk -v name="$1" '$2 == name { seconds = $1 } END { print seconds ? seconds : 240 }' "$durations"
}

# plan FILTER: reads `BINARY PATH` lines. The tests that judge all beds ($judges) are written to $log/last.txt instead if the whole suite runs.
plan() {
  local filter=$1 name path seconds total=0 fair listed=0
  : >"$log/plan.txt"; : >"$log/last.txt"; : >"$log/chosen.txt"
  while read -r name path; do
    seconds=$(seconds_of "$name") total=$((total + seconds))
    echo "$seconds $name $path" >>"$log/chosen.txt"
  done
  fair=$((total / beds))
  while read -r seconds name path; do
    local names=$log/names-$name
    tests_of "$path" "$filter" >"$names"
    listed=$((listed + $(wc -l <"$names")))
    if [ -n "$filter" ]; then
      share "$seconds" "$name" "$path" "$names" plan
      continue
    fi
    if [ -n "${CERTLET_AUDITS:-}" ] && grep -qE "$judges" "$names"; then
      grep -E "$judges" "$names" >"$names-last"
      sed -i -E "/$judges/d" "$names"
      share 0 "$name" "$path" "$names-last" last
      share "$seconds" "$name" "$path" "$names" plan
    elif [ "$seconds" -gt "$fair" ] && [ "$seconds" -gt 60 ]; then
      split "$seconds" "$name" "$path" "$names" $(((seconds + fair - 1) / fair))
    else
      echo "$seconds $name $path $(wc -l <"$names") -" >>"$log/plan.txt"
    fi
  done <"$log/chosen.txt"
  sort -srn -k1,1 "$log/plan.txt" -o "$log/plan.txt"
  # Each test once: what was planned are the names that the binaries gave.
  [ "$(cat "$log/plan.txt" "$log/last.txt" | awk '{ n += $4 } END { print n + 0 }')" = "$listed" ] ||
    { echo "the plan of the beds has lost tests" >&2; exit 1; }
}

share() { # share SECONDS BINARY PATH NAMES plan|last: a start with the tests in a file, unless there are none
  [ ! -s "$4" ] || echo "$1 $2 $3 $(wc -l <"$4") $4" >>"$log/$5.txt"
}

split() { # split SECONDS BINARY PATH NAMES PARTS: whole modules (single tests where a binary has none), about as many tests in each part
  local seconds=$1 name=$2 path=$3 names=$4 parts=$5 part
  awk -v parts="$parts" -v part=0 -v into="$names-" '
    FNR == NR { all++; next }
    { module = $0; if (!sub(/::.*/, "", module)) module = $0 }
    module != before { if (part < parts - 1 && written >= (part + 1) * all / parts) part++; before = module }
    { print > (into part); written++ }' "$names" "$names"
  for part in "$names"-[0-9]*; do share $((seconds / parts)) "$name" "$path" "$part" plan; done
}

side_by_side() { # side_by_side KIND PLAN MOST: runs what the file says; prints the output of each start, whole, when it ends
  local kind=$1 most=$3 line ended process
  [ "$(wc -l <"$2")" != 1 ] || { alone "$kind" "$(cat "$2")"; return; }
  exec 4<"$2"
  while :; do
    while [ "${#running[@]}" -lt "$most" ] && read -r line <&4; do begin "$kind" "$line" 4<&-; done
    [ "${#running[@]}" != 0 ] || break
    ended=0
    wait -n -p process "${!running[@]}" || ended=$?
    ends "$process" "$ended"
  done
  exec 4<&-
}

alone() { # alone KIND LINE [TEST]: one start; its output is printed as it comes
  local process ended=0
  begin "$@"
  for process in "${!running[@]}"; do
    tail -n +1 -f --pid="$process" "$(cut -d ' ' -f 5 <<<"${running[$process]}")"
    wait "$process" || ended=$?
    ends "$process" "$ended" quietly
  done
}

begin() { # begin KIND LINE [TEST]
  local kind=$1 test=${3:--} seconds name path tests names command output
  read -r seconds name path tests names <<<"$2"
  command=("$path")
  if [ "$kind" != unit ]; then
    command=(tests/testbed/with-bed.sh "$path" --include-ignored --test-threads=1)
    [ "$names" = - ] || { readarray -t -O "${#command[@]}" command <"$names"; command+=(--exact); }
    printf '   %s: %s of its tests begin in a bed\n' "$name" "$tests"
  fi
  output=$(mktemp "$log/output-XXXXXX")
  "${command[@]}" >"$output" 2>&1 </dev/null &
  running[$!]="$kind $name $test $tests $output $SECONDS"
}

ends() { # ends PROCESS STATUS [quietly]
  local kind name test tests output began
  read -r kind name test tests output began <<<"${running[$1]}"
  unset "running[$1]"
  printf '\n   %s%s, %d s:\n' "$name" "$([ "$tests" = - ] || echo ", $tests tests")" $((SECONDS - began))
  [ -n "${3:-}" ] || cat "$output"
  record "$kind" "$name" "$test" "$tests" "$2" "$output"
  [ "$kind" = unit ] || echo "$((SECONDS - began)) $name" >>"$log/took.txt"
}

end_beds() { # what still runs when the script ends
  local process
  for process in "${!running[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${!running[@]}"; do wait "$process" 2>/dev/null || true; done
}

write_durations() { # for the next count; only after a whole run in which nothing failed
  {
    sed -n '/^#/p' "$durations"
    awk '{ seconds[$2] += $1 } END { for (name in seconds) print seconds[name], name }' "$log/took.txt" | sort -rn
  } >"$log/durations.txt"
  cat "$log/durations.txt" >"$durations"
}
