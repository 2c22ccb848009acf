# Waits until the process that tests belong to is gone, then takes away what was made for them. Fed to `sh -s`, because a
# shell outlives the test that started it, and a test binary has no main of its own to run this in.
#
#   PID START HOME cluster FOLDER
#   PID START HOME container ENGINE NAME
#   PID START HOME database PSQL NAME      (the server's address is in PGHOST and its kin)
#
# START is what Process::start holds. HOME is a folder that goes last; the watch also ends when it is gone already.

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

# SIGQUIT is Postgres's immediate shutdown: nothing here is worth a checkpoint.
stop_cluster() {
  { read -r main <"$1/data/postmaster.pid"; } 2>/dev/null || return 0
  # The id may be another process's by now. A server's working directory is its data directory.
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

# Each takes its thing away and succeeds if there was none.
remove_cluster() {
  [ -e "$1" ] || return 0
  stop_cluster "$1"
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
  told=
  trap 'told=yes' TERM
  pid=$1 start=$2 home=$3 kind=$4
  shift 4
  while [ -z "$told" ] && [ -e "$home" ] && alive; do sleep 0.3; done
  # What was on its way when the process died (a server just forked, a container just asked for) may come up after the
  # first look, so it takes three looks in a row that find nothing.
  looks=0 clean=0
  while [ "$clean" -lt 3 ] && [ "$looks" -lt 60 ]; do
    if "remove_$kind" "$@"; then clean=$((clean + 1)); else clean=0; fi
    looks=$((looks + 1))
    sleep 0.3
  done
  rm -rf "$home"
}

main "$@" </dev/null >/dev/null 2>&1 &
