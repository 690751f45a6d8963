# Lets Node keep the program as it compiled it: a start takes less than half the time. Sourced.
# What lies there is run later on, so it is a folder that nobody but this user can write to; without one nothing is kept.
if [ -z "${NODE_COMPILE_CACHE:-}" ]; then
  if [ "$(id -u)" = 0 ]; then
    # Not below HOME, which may be that of the user who called sudo.
    cache=/var/cache/assay
  else
    cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    cache=${cache:+$cache/assay}
  fi
  if mkdir -p -m 700 "$cache" 2>/dev/null && [ -O "$cache" ] &&
    [ -z "$(find -H "$cache" -prune \( -perm -020 -o -perm -002 \))" ]; then
    export NODE_COMPILE_CACHE="$cache"
  fi
fi
