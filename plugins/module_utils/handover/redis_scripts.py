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
setting() { cli CONFIG GET "$1" | tail -n 1; }
"""

# The number of replicas without which it takes no writes begins with how the fence was made and ends with what it was, see redis.py.
FENCE = (
    PREAMBLE
    + r"""
number=$(setting min-replicas-to-write) lag=$(setting min-replicas-max-lag)
case $number in
  9[6-9]) made=$number was=0 ;;
  9[6-9]????) made=$((number / 10000)) was=$((number % 10000)) ;;
  *) made='' was=$number ;;
esac
# Both settings, and their lines in the file where that is named, in one transaction: it is killed before it or after it.
keep() {
  number=$1
  shift
  answer=$(
    printf '%s\n' MULTI "CONFIG SET min-replicas-max-lag $lag" "CONFIG SET min-replicas-to-write $number" "$@" EXEC | cli | tr '\n' ' '
  )
  case $answer in
    'OK QUEUED QUEUED OK OK ' | 'OK QUEUED QUEUED QUEUED OK OK OK ') ;;
    *) echo "min-replicas-to-write $number, which its file may not have: $answer" >&2; exit 1 ;;
  esac
}
"""
)

STATUS = (
    PREAMBLE
    + r"""
info=$(cli INFO)
case $info in *role:*) ;; *) echo "INFO: $info" >&2; exit 1 ;; esac
printf '%s\n' "$info" | tr -d '\r'
echo "min_replicas:$(setting min-replicas-to-write)"
echo "max_lag:$(setting min-replicas-max-lag)"
# All but replicas and this one; a client that has been told nothing yet is one too.
echo "clients:$(cli CLIENT LIST TYPE normal | grep -v 'cmd=client' | grep -c . || true)"
"""
)

# The file is written before, so that it is known whether it can be.
STOP_WRITES = (
    FENCE
    + r"""
in_file=99 in_memory=98
case $made,$lag in 9[67],* | *,0) in_file=97 in_memory=96 lag=10 ;; esac
if [ "$(cli CONFIG REWRITE)" = OK ]; then
  keep "$((in_file * 10000 + was))" 'CONFIG REWRITE'
else
  keep "$((in_memory * 10000 + was))"
fi
"""
)
ALLOW_WRITES = (
    FENCE
    + r"""
case $made in 9[67]) lag=0 ;; esac
case $made in 99 | 97) keep "$was" 'CONFIG REWRITE' ;; *) keep "$was" ;; esac
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
