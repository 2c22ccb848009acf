# Waits for the end of the process that owns the test run, then removes the run's resources. A shell script, fed to `sh -s`:
# it must outlive the test that starts it, and a test binary has no main function that could do this.
#
#   PID START HOME cluster FOLDER
#   PID START HOME broker FOLDER           (its file pid names the broker, whose working directory it is)
#   PID START HOME container ENGINE NAME
#   PID START HOME database PSQL NAME      (the server's address is in PGHOST and its kin)
#
# START is Process::start. HOME is a folder that is removed last; the watch also ends when it disappears.

alive() {
  if [ -r /proc/self/stat ]; then
    { read -r line <"/proc/$pid/stat"; } 2>/dev/null || return 1
    set -- ${line##*) }
    case $1 in Z | X) return 1 ;; esac
    [ "${20}" = "$start" ]
  else
    [ "$(ps -o lstart= -p "$pid" | tr -cd '[:alnum:]')" = "$start" ]
  fi
}

# SIGQUIT is Postgres's immediate shutdown: no checkpoint is needed.
stop_cluster() {
  { read -r main <"$1/data/postmaster.pid"; } 2>/dev/null || return 0
  # Guard against pid reuse: a server's working directory is its data directory.
  if [ -e /proc/self/cwd ]; then
    [ "$(readlink "/proc/$main/cwd")" = "$1/data" ] || return 0
  fi
  kill -QUIT "$main" || return 0
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
    kill -0 "$main" || return 0
    sleep 0.2
  done
  kill -KILL "$main"
}

# Each removes its resource, and succeeds only if there was none.
remove_cluster() {
  [ -e "$1" ] || return 0
  stop_cluster "$1"
  rm -rf "$1"
  return 1
}

remove_broker() {
  [ -e "$1" ] || return 0
  if { read -r main <"$1/pid"; } 2>/dev/null; then
    # Guard against pid reuse.
    if [ ! -e /proc/self/cwd ] || [ "$(readlink "/proc/$main/cwd")" = "$1" ]; then kill -KILL "$main"; fi
  fi
  rm -rf "$1"
  return 1
}

remove_container() {
  "$1" container inspect "$2" || return 0
  "$1" rm -f -v "$2"
  return 1
}

remove_database() {
  "$1" -X -q -d "${PGDATABASE:-postgres}" -c "DROP DATABASE IF EXISTS \"$2\" WITH (FORCE)" && return 0
  return 1
}

main() {
  trap '' HUP INT QUIT
  terminated=
  trap 'terminated=yes' TERM
  pid=$1 start=$2 home=$3 kind=$4
  shift 4
  while [ -z "$terminated" ] && [ -e "$home" ] && alive; do sleep 0.3; done
  # A resource in creation when the process died (a server just forked, a container just requested) may appear after the
  # first check, so three consecutive checks must find nothing.
  checks=0 clean=0
  while [ "$clean" -lt 3 ] && [ "$checks" -lt 60 ]; do
    if "remove_$kind" "$@"; then clean=$((clean + 1)); else clean=0; fi
    checks=$((checks + 1))
    sleep 0.3
  done
  rm -rf "$home"
}

main "$@" </dev/null >/dev/null 2>&1 &
