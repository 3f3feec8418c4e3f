# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts the last safe weights of one service back when the shift that it stands by goes silent in mid-step.

usage: deadman.py ORDERS NONCE

ORDERS is the file that traffic_shift writes before each step, touches while it lives, and removes after the step. This process ends
when the file is gone or has another NONCE. It acts only once, and only on the very file that the step wrote: late or twice, it
leaves everything as it is.
"""

import contextlib
import datetime
import fcntl
import hashlib
import http.client
import itertools
import json
import os
import stat
import sys
import time
import urllib.parse
import uuid

LOOK_S = 0.5
LOCK_S = 3.0
STRANGER_S = 2.0
# Traefik says in whole seconds when it took a change, which it read a moment before: what changed around that time may be what it serves, and goes last.
RELOAD_S = 1.0
EFFECT_S = 15.0
READ_BY_TRAEFIK = (".yml", ".yaml", ".toml")
HEADER = b"# Written by sophia.replatform.traffic_shift;"


def read_orders(path, nonce):
    """The orders, or None when they are not for this process any more."""
    try:
        with open(path, encoding="utf-8") as handle:
            orders = json.load(handle)
    except (OSError, ValueError):
        return None
    return orders if orders.get("nonce") == nonce else None


def wait_for_silence(path, nonce):
    """The orders once nobody has touched them for their patience; None when they were taken back.

    Silence is measured by this process's own clock: a step of the host's must not fire.
    """
    touched, since = None, time.monotonic()
    while True:
        orders = read_orders(path, nonce)
        if orders is None:
            return None
        with contextlib.suppress(OSError):
            now = os.stat(path).st_mtime_ns
            if now != touched:
                touched, since = now, time.monotonic()
        if time.monotonic() - since > orders["patience_s"]:
            return orders
        time.sleep(LOOK_S)  # between two looks at the sign


@contextlib.contextmanager
def route_lock(path):
    """The lock of the route, so that no other run works on it; one that is held by a process that hangs is done without."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        end = time.monotonic() + LOCK_S
        while time.monotonic() < end:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.1)  # flock knows no deadline
        yield
    finally:
        os.close(fd)


def read_bytes(path):
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except OSError:
        return b""


def replace_file(path, content, mode, owner=None):
    aside = f"{path}.{os.getpid()}.new"
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as handle:
            if owner:
                os.fchown(handle.fileno(), owner.st_uid, owner.st_gid)
            write_all(handle, content, mode)
        os.rename(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def write_all(handle, content, mode):
    os.fchmod(handle.fileno(), mode)
    handle.write(content)
    handle.truncate()
    handle.flush()
    os.fsync(handle.fileno())


def put_back(path, content, mode):
    """Replaces the file; where the disk is full, in the room that the shift has kept beside it."""
    try:
        replace_file(path, content, mode)
    except OSError as full:
        folder, name = os.path.split(path)
        room = os.path.join(folder, f".{name}.room")
        try:
            with open(room, "r+b") as handle:
                write_all(handle, content, mode)
            os.rename(room, path)
        except OSError:
            raise full from None


def mend_strangers(dynamic_dir, kept_dir, taken_s):
    """Puts the files of other hands that changed after Traefik last took a change back to what it took of them: a broken one stops every change."""
    mended = []
    for folder, _folders, names in os.walk(dynamic_dir):
        for name in names:
            path = os.path.join(folder, name)
            kept = os.path.join(kept_dir, os.path.relpath(path, dynamic_dir))
            text = read_bytes(path)
            if not name.endswith(READ_BY_TRAEFIK) or text.startswith(HEADER):
                continue
            if os.path.exists(kept) and read_bytes(kept) == text:
                continue
            if not 0 < taken_s < os.stat(path).st_ctime:
                continue
            set_aside(path, kept)
            mended.append(path)
    return mended


def set_aside(path, kept):
    """Puts the kept copy in the place of a file, with its mode and owner: it may hold secrets."""
    numbered = (f"{path}.set-aside.{number}" for number in itertools.count(2))
    aside = next(name for name in itertools.chain([f"{path}.set-aside"], numbered) if not os.path.lexists(name))
    was = os.stat(path)
    os.rename(path, aside)
    if not os.path.exists(kept):
        return
    try:
        replace_file(path, read_bytes(kept), stat.S_IMODE(was.st_mode), was)
    except OSError:
        os.rename(aside, path)
        raise


def ask(orders, path):
    """What Traefik's API answers; None when it does not."""
    parts = urllib.parse.urlsplit(orders["api_url"])
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def shown(orders):
    """The weights that Traefik's API shows, none where it does not know the service; None when it does not answer."""
    answer = ask(orders, f"/api/{orders['protocol']}/services/{orders['service']}@file")
    if answer is None:
        return None
    try:
        children = json.loads(answer)["weighted"]["services"]
        return {child["name"].split("@")[0]: child.get("weight", 1) for child in children}
    except (ValueError, KeyError):
        return {}


def last_reload(orders):
    """When Traefik last took a change, in seconds since the epoch; 0 when it does not say."""
    lines = (ask(orders, "/metrics") or b"").decode().splitlines()
    taken = [line.split()[1] for line in lines if line.startswith("traefik_config_last_reload_success ")]
    return float(taken[0]) if taken else 0.0


def record(orders, event, data):
    """A line in the journal, as all steps have; where the disk is full, in the log of this process."""
    if not orders.get("journal"):
        return
    now = datetime.datetime.now(tz=datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry = {
        "id": uuid.uuid4().hex,
        "time": now,
        "phase": orders["phase"],
        "operation": "traffic_shift",
        "subject": orders["service"],
        "step": "dead_man",
        "event": event,
        "data": {"service": orders["service"], "weight": orders["weight"], **data},
    }
    line = json.dumps(entry, sort_keys=True)
    try:
        append(orders["journal"], line)
    except OSError as exc:
        print(f"not in the journal ({exc}): {line}", file=sys.stderr)


def append(path, line):
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        rest = (("\n" if torn else "") + line + "\n").encode()
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def fire(path, nonce):
    """Puts the last safe file back and says how it went; true when that is in effect, or when there was nothing to do."""
    orders = read_orders(path, nonce)
    if orders is None:
        return True
    reason = f"no sign of the shift for {orders['patience_s']:g} s"
    if hashlib.sha256(read_bytes(orders["path"])).hexdigest() != orders["step_sha256"]:
        record(orders, "ok", {"reason": reason, "restored": False})
        os.replace(path, path + ".fired")
        return True
    record(orders, "start", {"reason": reason})
    begin = time.monotonic()
    try:
        put_back(orders["path"], orders["text"].encode(), 0o644)
    except OSError as exc:
        record(orders, "failed", {"reason": f"{reason}; the way back is NOT DONE: {exc}", "restored": False})
        return False
    os.replace(path, path + ".fired")
    mended, fault, others_since, margins_s = [], "", None, [RELOAD_S, 0.0, -RELOAD_S]
    while (weights := shown(orders)) != orders["weights"]:
        now = time.monotonic()
        # A Traefik that is down reads all of it when it comes back: only one that is there may be held up by a file of another hand.
        others_since = None if weights is None else others_since or now
        if others_since and now - others_since > STRANGER_S and margins_s:
            others_since = now
            more, why = try_to_mend(orders, margins_s.pop(0))
            mended, fault = mended + more, why or fault
        if now - begin > EFFECT_S:
            why = f"Traefik does not show the weights: the way back is NOT verified{fault}"
            record(orders, "failed", {"reason": f"{reason}; {why}", "restored": True, "strangers": mended})
            return False
        time.sleep(0.05)  # Traefik tells nobody that it has read
    took = round((time.monotonic() - begin) * 1000)
    record(orders, "ok", {"reason": reason, "restored": True, "in_effect_ms": took, "strangers": mended})
    return True


def try_to_mend(orders, margin_s):
    """The files that were mended, and what is to be said when that can't be done."""
    try:
        taken_s = last_reload(orders)
        return mend_strangers(os.path.dirname(orders["path"]), orders["strangers"], taken_s and taken_s + margin_s), ""
    except (OSError, ValueError) as exc:
        return [], f"; a file of another hand could not be mended: {exc}"


def main():
    path, nonce = sys.argv[1:]
    orders = wait_for_silence(path, nonce)
    if orders is None:
        return 0
    with route_lock(orders["lock"]):
        return 0 if fire(path, nonce) else 1


if __name__ == "__main__":
    sys.exit(main())
