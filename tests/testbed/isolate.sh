# Sourced. Sets `isolate`: the command line that starts a program in network, mount and PID namespaces of its own.
# The death of that command is the death of everything that was started inside.
#
# Root uses plain namespaces (a node needs the real cgroups and devices), everybody else a user namespace.

isolate=()
isolate_find() {
  local kind
  for kind in "" "--user --map-root-user"; do
    # Inside some containers a new /proc may not be mounted; the bed does without then.
    local proc
    for proc in "--mount-proc" ""; do
      # shellcheck disable=SC2206 # lists of words
      isolate=(unshare $kind --net --mount --pid --fork --kill-child $proc --)
      if "${isolate[@]}" sh -c 'ip link set lo up' 2>/dev/null; then return 0; fi
    done
  done
  echo "testbed: this machine does not allow a network namespace, neither as root nor in a user namespace." >&2
  echo "testbed: run as root, or allow it: sudo sysctl kernel.unprivileged_userns_clone=1" >&2
  echo "testbed: (on Ubuntu 24.04 and later: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0)" >&2
  return 1
}
