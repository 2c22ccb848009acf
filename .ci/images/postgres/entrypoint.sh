#!/usr/bin/env bash
# Starts Postgres like the official image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS,
# POSTGRES_HOST_AUTH_METHOD, PGDATA, scripts in /docker-entrypoint-initdb.d, and server arguments.
#
# The first start prints "ready to accept connections" twice: on stdout from the setup server, which listens on no port, then
# on stderr from the final one. So clients wait for both.
set -Eeuo pipefail

case "${1:-postgres}" in
  postgres) ;;
  -*) set -- postgres "$@" ;;
  *) exec "$@" ;;
esac
[ $# -gt 0 ] || set -- postgres

export PGDATA
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
auth=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}

if [ "$(id -u)" = 0 ]; then
  install -d -o postgres -g postgres -m 700 "$PGDATA"
  install -d -o postgres -g postgres -m 2775 /var/run/postgresql
  chown -R postgres: "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "${BASH_SOURCE[0]}" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$auth" != trust ]; then
    echo "POSTGRES_PASSWORD is not set, and POSTGRES_HOST_AUTH_METHOD is not 'trust': no login would be possible." >&2
    exit 1
  fi
  # Several arguments in one variable, with shell quoting. An empty password means none, which is sufficient for trust.
  arguments=()
  eval "arguments=(${POSTGRES_INITDB_ARGS:-})"
  if [ -n "${POSTGRES_PASSWORD:-}" ]; then
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"
  else
    initdb --username="$user" "${arguments[@]}"
  fi
  printf '\nhost all all all %s\n' "$auth" >>"$PGDATA/pg_hba.conf"

  server=$(printf '%q ' "${@:2}" -c listen_addresses=)
  pg_ctl --wait start -o "$server"
  psql=(psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$user")
  [ "$database" = postgres ] ||
    "${psql[@]}" --dbname postgres --set name="$database" <<<'CREATE DATABASE :"name";'
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sql) "${psql[@]}" --dbname "$database" --file "$file" ;;
      *.sh) bash "$file" ;;
    esac
  done
  pg_ctl --wait --mode fast stop
  echo "PostgreSQL init process complete; ready for start up."
fi

# The default listen_addresses, localhost, is unreachable from other containers.
exec "$1" -c "listen_addresses=*" "${@:2}"
