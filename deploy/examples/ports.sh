# Sourced by the examples. `ports NAME...` (eight at most) sets each to a port of 127.0.0.1 where nobody listens and which no
# other example on this host takes while this one, or what it leaves running, is there: the ports of a block are locked
# together. All are below those that the kernel gives to outgoing connections, one of which would be gone by the time it is
# needed.
ports() {
  local block first name lock
  for block in {0..99}; do
    first=$((20000 + 8 * block))
    # Appending: a file of that name may be anybody's.
    { exec {lock}>>"/tmp/assay-ports-$first.lock"; } 2>/dev/null || continue
    if flock --nonblock "$lock" && ! listened "$first" "$#"; then
      for name in "$@"; do printf -v "$name" %s "$first"; first=$((first + 1)); done
      return 0
    fi
    exec {lock}>&-
  done
  echo "there is no room for $# ports between 20000 and 20800" >&2
  return 1
}

listened() { # FIRST COUNT
  local number
  for ((number = $1; number < $1 + $2; number++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null && return 0
  done
  return 1
}
