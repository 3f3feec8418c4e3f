# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run in the pod of the new Redis instance. Arguments: password file (may be empty), host, port.

An empty host means the instance in the pod itself. The password is read in the pod and goes on in the environment.
"""

from __future__ import annotations

PREAMBLE = r"""
set -eu
if [ -n "$1" ]; then REDISCLI_AUTH=$(cat "$1"); export REDISCLI_AUTH; fi
host=$2 port=$3
cli() { timeout 10 redis-cli -h "${host:-127.0.0.1}" -p "${port:-6379}" "$@"; }
# redis-cli prints errors as answers; one that is not the expected answer ends the script.
expect_ok() { answer=$(cli "$@"); [ "$answer" = OK ] || { echo "$1: $answer" >&2; exit 1; }; }
# A setting and its line in the file in one transaction: it is killed before it or after it.
keep() {
  answer=$(printf '%s\n' MULTI "CONFIG SET min-replicas-to-write $1" 'CONFIG REWRITE' EXEC | cli | tr '\n' ' ')
  [ "$answer" = 'OK QUEUED QUEUED OK OK ' ] || { echo "min-replicas-to-write $1, which its file may not have: $answer" >&2; exit 1; }
}
"""

STATUS = (
    PREAMBLE
    + r"""
info=$(cli INFO replication)
case $info in *role:*) ;; *) echo "INFO: $info" >&2; exit 1 ;; esac
printf '%s\n' "$info" | tr -d '\r'
echo "keys:$(cli DBSIZE)"
echo "min_replicas:$(cli CONFIG GET min-replicas-to-write | tail -n 1)"
# All but replicas and this one; a client that has been told nothing yet is one too.
echo "clients:$(cli CLIENT LIST TYPE normal | grep -v 'cmd=client' | grep -c . || true)"
"""
)

# The file is written before, so that it is known whether it can be.
STOP_WRITES = (
    PREAMBLE
    + r"""
if [ "$(cli CONFIG REWRITE)" = OK ]; then keep 99; else expect_ok CONFIG SET min-replicas-to-write 98; fi
"""
)
ALLOW_WRITES = (
    PREAMBLE
    + r"""
if [ "$(cli CONFIG GET min-replicas-to-write | tail -n 1)" = 99 ]; then keep 0; else expect_ok CONFIG SET min-replicas-to-write 0; fi
"""
)
PROMOTE = PREAMBLE + "host= port=\nexpect_ok REPLICAOF NO ONE\n"
REPLICATE = (
    PREAMBLE
    + r"""
old_host=$host old_port=$port host= port=
# The password for the old instance goes by standard input, so that it shows in no process list.
if [ -n "$1" ]; then
  printf '%s' "$REDISCLI_AUTH" | sed 's/[\\"]/\\&/g; s/^/CONFIG SET masterauth "/; s/$/"/' | cli >/dev/null
fi
expect_ok REPLICAOF "$old_host" "$old_port"
"""
)
