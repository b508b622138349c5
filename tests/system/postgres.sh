#!/bin/sh
# Runs a command with CADENCE_SYNC_TEST_DATABASE_URL naming a fresh server of Debian's Postgres. Installs that
# server, the pooler pgbouncer and the proxy nginx where they are missing.
set -eu
PATH=$PATH:/usr/sbin:/sbin # where runuser is

newest() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }

as_server() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

if [ -z "$(newest)" ] || ! command -v pgbouncer >/dev/null || ! command -v nginx >/dev/null; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql pgbouncer nginx-light
fi

# Databases are made ten times as fast in memory, where there are the 2 GiB that they take.
room() { df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print ($4 >= 2097152) }'; }

bin=$(newest)
below=$([ "$(room /dev/shm)" = 1 ] && echo /dev/shm || echo /tmp)
folder=$(mktemp -d "$below/cadence-sync-system-XXXXXX")
[ "$(id -u)" != 0 ] || chown postgres "$folder"

stop() {
    as_server "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT INT TERM

as_server "$bin/initdb" --auth=trust --username=postgres --encoding=UTF8 --pgdata="$folder/data" >/dev/null
as_server "$bin/pg_ctl" -w -D "$folder/data" -l "$folder/log" \
    -o "-h '' -k $folder -c fsync=off -c full_page_writes=off -c synchronous_commit=off" start >/dev/null

echo "Postgres of $bin"
CADENCE_SYNC_TEST_DATABASE_URL="postgresql://postgres@/postgres?host=$folder" "$@"
