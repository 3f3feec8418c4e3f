# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of the pooler's configuration that says where a database is: what is seen of it, and what is run to look at it and to lead
the database elsewhere. When clients are held, it is too late to find that it can't be done."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

# A database that the pooler has for a moment, when it is tried whether it can be led elsewhere.
TRIAL = "replatform_trial"
# Nobody listens there.
_NOWHERE = "127.0.0.1 1"


@dataclass(frozen=True)
class PoolerFile:
    """O(leads_to) is the C(host:port) in the line of O(database), O(others_to) that in the line C(*), for all that have none; empty
    where one has not both. O(writable) is whether files can be made in its folder; one that is O(mounted) itself can't be replaced."""

    path: str
    database: str
    exists: bool = True
    writable: bool = True
    mounted: bool = False
    leads_to: str = ""
    others_to: str = ""


def parse(path: str, database: str, text: str, known: t.Mapping[str, str]) -> PoolerFile:
    """From what LOOK printed; O(known) is the address of each name."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        word, _space, rest = line.partition(" ")
        said[word] = rest
    leads_to, others_to = (known.get(said.get(word, ""), said.get(word, "")) for word in ("line", "others"))
    there, writable, mounted = (word in said for word in ("there", "writable", "mounted"))
    return PoolerFile(path, database, there, writable, mounted, leads_to, others_to)


def faults(file: PoolerFile, leads_to: str) -> list[str]:
    """Why the pooler, which leads to O(leads_to), could not be led elsewhere by O(file), each with its mend; empty when it could."""
    path, line = file.path, f"'{file.database} = host=... port=...'"
    if not file.exists:
        return [
            f"pooler_file {path} is not there: name the file of the pooler's configuration that has the line {line}"
        ]
    found = []
    if not file.leads_to:
        found.append(f"pooler_file {path} has no line {line}: write both into it, or name the file that has it")
    elif file.leads_to != leads_to:
        found.append(
            f"pooler_file {path} leads {file.database} to {file.leads_to}, and the pooler leads it to {leads_to}: name the file that"
            " the pooler reads, or mend its line and RELOAD it"
        )
    if file.mounted:
        found.append(
            f"pooler_file {path} is mounted by itself, so it can't be replaced: mount the folder that it is in"
        )
    elif not file.writable:
        found.append(f"pooler_file {path} is in a folder that can't be written to: put it on a volume that can be")
    return found


# C(file) and C(database) are set before these. A line is as PgBouncer reads it: in any order, and values may be quoted.
LINES = r"""
value="[[:space:]]*=[[:space:]]*('[^']*'|[^[:space:]']+)"
line_of() { printf '%s' "^[[:space:]]*$1[[:space:]]*="; }
# A line of $1 that has $2: a user of that name has one without a host.
with() { printf '%s' "$(line_of "$1")(.*[[:space:]])?$2$value"; }
# What the line of $1 has for $2.
said() { sed -nE "s/$(with "$1" "$2").*/\2/p" "$file" | tail -n 1 | tr -d "'"; }
# The address in it, where it has one.
address_of() {
  _host=$(said "$1" host)
  _port=$(said "$1" port)
  [ -z "$_host" ] || [ -z "$_port" ] || echo "$_host:$_port"
}
"""

LOOK = r"""
folder=$(cd "$(dirname "$file")" 2>/dev/null && pwd -P) || exit 0
[ -f "$file" ] || exit 0
echo there
[ ! -w "$folder" ] || echo writable
awk -v at="$folder/$(basename "$file")" '$5 == at { print "mounted"; exit }' /proc/self/mountinfo
echo "line $(address_of "$database")"
echo "others $(address_of '\*')"
"""

# It is replaced whole, so that it is never seen half-written.
_LEAD = (
    r"""
# A sed program for a line: what it leads to is at $1, port $2.
to() { printf '%s' "s/([[:space:]=])host$value/\1host=$1/; s/([[:space:]=])port$value/\1port=$2/"; }
# By a sed program; of a trial nothing is left.
rewrite() {
  _said=$({ cp -p "$file" "$file.new" && sed -E "/^"""
    + TRIAL
    + r""" =/{N; s/.*\n//; s/ pool_size=[0-9]+$//}; $1" "$file" >"$file.new" && mv -f "$file.new" "$file"; } 2>&1) && return
  rm -f "$file.new" || true
  echo "error: pooler_file $file can't be replaced ($_said): put it on a volume that can be written to, and mount its folder" >&2
  exit 1
}
has_line() {
  [ -z "$(address_of "$database")" ] || return 0
  echo "error: pooler_file $file has no line '$database = host=... port=...': write both into it" >&2
  exit 1
}
# All that the pooler has, when it has read its configuration again; what that is for $1: HOST:PORT:POOL_SIZE.
reload() { all=$(pooler --csv -c RELOAD -c 'SHOW DATABASES'); }
shown() {
  printf '%s\n' "$all" | awk -F , -v OFS=: -v name="$1" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["name"] == name { print $at["host"], $at["port"], $at["pool_size"] }'
}
not_followed() {
  echo "error: the pooler does not follow pooler_file $file: name the file that its configuration includes, let no other have a line of" \
    "$database, and mend what its log names" >&2
  exit 1
}
"""
)

# Further arguments: the file, host and port to write there.
REPOINT = (
    LINES
    + _LEAD
    + r"""
has_line
rewrite "/$(line_of "$database")/{$(to "$2" "$3")}"
reload
case $(shown "$database") in "$2:$3":*) ;; *) not_followed ;; esac
"""
)

# Further argument: the file. For a moment the line is there twice: under another name it leads nowhere, and under its own to where it has
# led, with one connection more, so that it is seen to be the one that counts. A RELOAD that drops nothing has not read all: only the log says so.
TRY = (
    LINES
    + _LEAD
    + rf"""
forget() {{
  rewrite ''
  reload
  [ -n "$(shown {TRIAL})" ] || return 0
  echo "error: the pooler keeps {TRIAL}: mend what its log names, or take that line out of the file that it reads" >&2
  exit 1
}}
has_line
all=$(pooler --csv -c 'SHOW DATABASES')
[ -z "$(shown {TRIAL})" ] || forget
now=$(shown "$database")
[ "$(address_of "$database")" = "${{now%:*}}" ] || {{
  echo "error: pooler_file $file leads $database to $(address_of "$database"), and the pooler to ${{now%:*}}: mend its line, and RELOAD" >&2
  exit 1
}}
more=$((${{now##*:}} + 1))
rewrite "/$(with "$database" host)/{{h; s/$(line_of "$database")/{TRIAL} =/; $(to {_NOWHERE}); p; g; s/$/ pool_size=$more/}}"
reload || true
trial=$(shown {TRIAL})
[ "$(shown "$database")" = "${{now%:*}}:$more" ] || trial=
forget
case $trial in "{_NOWHERE.replace(" ", ":")}":*) ;; *) not_followed ;; esac
"""
)
