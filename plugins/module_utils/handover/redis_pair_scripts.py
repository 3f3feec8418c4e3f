# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run where C(redis-cli) reaches both Redis instances.

Arguments of every script: password file (may be empty), lock file, host and port of one instance, host and port of the other; more
where a script says so. The password is read there; it goes on in the environment and by standard input.
"""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.handover.script_lock import ALONE

PREAMBLE = (
    r"""
set -eu
if [ -n "$1" ]; then REDISCLI_AUTH=$(cat "$1"); export REDISCLI_AUTH; fi
lock=$2 host=$3 port=$4 other_host=$5 other_port=$6
shift 6
"""
    + ALONE
    + r"""
cli() { timeout 10 redis-cli -h "$host" -p "$port" --no-auth-warning "$@"; }
other() { timeout 10 redis-cli -h "$other_host" -p "$other_port" --no-auth-warning "$@"; }
# redis-cli prints errors as answers; one that is not the expected answer ends the script.
expect_ok() { answer=$(cli "$@"); [ "$answer" = OK ] || { echo "error: $1 $2: $answer" >&2; exit 1; }; }
# Redis writes its file anew, with its passwords in it, and makes it readable by all. Where it is seen from here it gets its mode back,
# and without others where there is a password. Further arguments: what asks, and what is done to write it.
written() {
  file=$("$1" INFO server | tr -d '\r' | sed -n 's/^config_file://p')
  before=$(stat -c '%i %a' "$file" 2>/dev/null) || before=
  shift
  "$@"
  if [ -n "$before" ] && [ "$(stat -c %i "$file")" != "${before% *}" ]; then
    mode=${before#* }
    chmod "$mode" "$file"
    [ -z "${REDISCLI_AUTH:-}" ] || chmod go-rwx "$file"
  fi
}
rewrite() { written cli expect_ok CONFIG REWRITE; }
# The role and the file in one transaction: it is killed before it or after it.
replicate() {
  answer=$(printf '%s\n' MULTI "REPLICAOF $1 $2" 'CONFIG REWRITE' EXEC | cli | tr '\n' ' ')
  [ "$answer" = 'OK QUEUED QUEUED OK OK ' ] || { echo "error: REPLICAOF $1 $2: $answer" >&2; exit 1; }
}
follow() {
  if [ -n "${REDISCLI_AUTH:-}" ]; then
    printf '%s' "$REDISCLI_AUTH" | sed 's/[\\"]/\\&/g; s/^/CONFIG SET masterauth "/; s/$/"/' | cli >/dev/null
  fi
  written cli replicate "$other_host" "$other_port"
}
"""
)

STATUS = (
    PREAMBLE
    + r"""
alone
status() {
  said=$("$1" INFO 2>&1) && rc=0 || rc=$?
  # What can't be connected to, or is not heard of in time, does not answer; any other answer without a role is a fault.
  case $rc,$said in
    124,* | *'Could not connect'*) return ;;
    *role:*) ;;
    *) echo "error: INFO: $said" >&2; exit 1 ;;
  esac
  printf '%s\n' "$said" | tr -d '\r'
  for name in appendonly appendfsync maxmemory maxmemory-policy save replica-read-only; do
    echo "setting $name:$("$1" CONFIG GET "$name" | sed -n 2p)"
  done
  # The first line is the number of the one that asks.
  said=$(printf '%s\n' 'CLIENT ID' 'CLIENT LIST TYPE normal' | "$1")
  echo "normal_clients:$(printf '%s\n' "$said" | grep '^id=' | grep -vc "^id=$(printf '%s\n' "$said" | head -n 1) " || true)"
}
status cli
echo "== other"
status other
"""
)

# Which instance answers at the address that clients have, a line for each connection.
LED = (
    PREAMBLE
    + r"""
for look in 1 2 3 4 5 6 7 8; do
  id=$(timeout 3 redis-cli -h "$host" -p "$port" --no-auth-warning INFO server | tr -d '\r' | sed -n 's/^run_id://p')
  echo "${id:-nobody}"
  [ -n "$id" ] || break
done
"""
)

# The file is written before, so that it is known that it can be.
REPLICATE = PREAMBLE + "alone\nrewrite\nfollow\n"

# Further arguments: names and values in turn.
CARRY_SETTINGS = (
    PREAMBLE
    + r"""
alone
while [ $# -gt 1 ]; do
  expect_ok CONFIG SET "$1" "$2"
  shift 2
done
rewrite
"""
)

# The pause ends by itself, should this be killed in it; what is compared after that is not all.
DEMOTE = (
    PREAMBLE
    + r"""
alone
offset() { tr -d '\r' | sed -n "s/^$1://p"; }
rewrite
end=$(($(date +%s) + 7))
expect_ok CLIENT PAUSE 10000 WRITE
while :; do
  mine=$(cli INFO replication | offset master_repl_offset)
  theirs=$(other INFO replication | offset slave_repl_offset)
  [ "$(date +%s)" -le "$end" ] || { mine=; break; }
  [ "$mine" != "$theirs" ] || break
  sleep 0.05
done
if [ -z "$mine" ]; then
  expect_ok CLIENT UNPAUSE
  echo "error: the replica did not catch up while writes were held, so clients go on as before" >&2
  exit 1
fi
follow
cli CLIENT KILL TYPE normal SKIPME yes >/dev/null
expect_ok CLIENT UNPAUSE
echo "$mine"
"""
)

# More than once, because the nodes of a cluster follow a name each in its own time, and who comes by the old way meanwhile would stay.
DISCONNECT = (
    PREAMBLE
    + r"""
alone
for look in 1 2 3 4 5; do
  cli CLIENT KILL TYPE normal SKIPME yes >/dev/null
  sleep 1
done
"""
)

# A demotion whose file could not be written would come back as a second master.
PROMOTE = (
    PREAMBLE
    + r"""
alone
kept() {
  answer=$(other CONFIG REWRITE)
  [ "$answer" = OK ] || { echo "error: $other_host: CONFIG REWRITE: $answer" >&2; exit 1; }
}
written other kept
rewrite
written cli replicate NO ONE
"""
)
