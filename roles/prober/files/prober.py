# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks every service through the edge, at a steady rate, and counts the answers by second, service and side.

Open loop: the next request leaves on time whether or not the last has been answered, and latency runs from the time at which
a request was due, so that a stalled edge can not hide its stall. Nothing is ever asked twice: RFC 9110, 9.2.2, lets a client
repeat an idempotent request whose connection closed without an answer, but a repeat would hide what is measured here. So that
a server's idle timeout is never met by a request on its way, connections idle for C(idle_s) are closed from this side first.

With C(tls) it asks over TLS by the name of each host, and keeps connections by host: the edge has chosen its certificate by that name.
"""

import asyncio
import collections
import contextlib
import json
import os
import signal
import ssl
import sys
import time

# Upper bounds in milliseconds, a factor of 2 ** (1 / 4) apart: a quantile read from them is at most 19 % too high.
_BOUNDS = [round(2 ** (step / 4), 2) for step in range(64)]
MAX_DETAILS = 20
# Seconds whose lines are kept while they can't be written.
KEPT_S = 600


def bucket(latency_ms):
    """The smallest bound that is not below the latency, as the text that stands in the data."""
    low, high = 0, len(_BOUNDS) - 1
    while low < high:
        middle = (low + high) // 2
        if _BOUNDS[middle] < latency_ms:
            low = middle + 1
        else:
            high = middle
    return f"{_BOUNDS[low]:g}"


class Tally:
    """Counts of the current second; what ended in a second stands in that second's lines."""

    def __init__(self, services):
        self.services = services
        self._clear()

    def _clear(self):
        self.total = collections.Counter()
        self.failed = collections.Counter()
        self.sides = collections.defaultdict(collections.Counter)
        self.latency = collections.defaultdict(collections.Counter)
        self.failures = []
        self._detailed = collections.Counter()

    def add(self, now, service, side, latency_ms, reason):
        self.total[service] += 1
        if reason:
            self.failed[service] += 1
            self._detailed[service] += 1
            if self._detailed[service] <= MAX_DETAILS:  # the counts are whole, the details may be many
                self.failures.append({"t": round(now, 3), "service": service, "reason": reason, "side": side})
            return
        self.sides[service][side or "unknown"] += 1
        self.latency[service][bucket(latency_ms)] += 1

    def take(self, second):
        """The lines of the second that ended, one for each service that was asked, and its failures; then counts anew."""
        lines = [
            {
                "t": second,
                "service": service,
                "total": self.total[service],
                "failed": self.failed[service],
                "sides": dict(self.sides[service]),
                "latency_ms": dict(self.latency[service]),
            }
            for service in self.services
            if self.total[service]
        ]
        failures = self.failures
        self._clear()
        return lines, failures


class AnswerParser:
    """Reads one HTTP/1.1 answer after another from pieces of bytes."""

    def __init__(self, side_header):
        self._side_header = side_header.lower().encode() + b":"
        self._buffer = b""
        self._head = None

    def feed(self, data):
        """(status, side, keep_alive) once an answer is whole, else None. Raises C(ValueError) on what is not HTTP."""
        self._buffer += data
        if self._head is None:
            head, mark, rest = self._buffer.partition(b"\r\n\r\n")
            if not mark:
                return None
            self._head = self._parse_head(head)
            self._buffer = rest
        status, side, keep_alive, length = self._head
        if length is None:
            if not self._chunks_ended():
                return None
        elif len(self._buffer) < length:
            return None
        self._buffer, self._head = b"", None
        return status, side, keep_alive

    def _chunks_ended(self):
        """Takes whole chunks off the buffer; true after the last one. Trailers were not asked for."""
        while True:
            size, mark, rest = self._buffer.partition(b"\r\n")
            if not mark:
                return False
            length = int(size.split(b";")[0], 16)
            if len(rest) < length + 2:
                return False
            self._buffer = rest[length + 2 :]
            if length == 0:
                return True

    def _parse_head(self, head):
        lines = head.split(b"\r\n")
        parts = lines[0].split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1."):
            raise ValueError("not an HTTP answer")
        status, side, keep_alive, length = int(parts[1]), "", parts[0] == b"HTTP/1.1", 0
        for line in lines[1:]:
            lower = line.lower()
            if lower.startswith(b"content-length:"):
                length = int(line[15:])
            elif lower.startswith(self._side_header):
                side = line[len(self._side_header) :].strip().decode("latin-1")
            elif lower.startswith(b"transfer-encoding:") and b"chunked" in lower:
                length = None
            elif lower.startswith(b"connection:") and b"close" in lower:
                keep_alive = False
        return status, side, keep_alive, length


def judge(status):
    """Why an answer is a failure; an empty string for one below 400."""
    return f"status {status}" if status >= 400 else ""


class Connection(asyncio.Protocol):
    """One keep-alive connection that carries one request at a time."""

    def __init__(self, prober, tls_host):
        self._prober = prober
        self.tls_host = tls_host
        self._parser = AnswerParser(prober.side_header)
        self._request = None
        self.transport = None
        self.idle_since = 0.0

    def connection_made(self, transport):
        self.transport = transport

    def send(self, request):
        self._request = request
        self.transport.write(request.target.head)

    def data_received(self, data):
        try:
            answer = self._parser.feed(data)
        except ValueError as exc:
            self.fail(f"protocol: {exc}")
            return
        if answer is None:
            return
        status, side, keep_alive = answer
        request, self._request = self._request, None
        if request is None:
            self.transport.abort()
            return
        self._prober.ended(request, side, judge(status))
        if keep_alive:
            self._prober.release(self)
        else:
            self.transport.close()

    def connection_lost(self, exc):
        self._prober.forget(self)
        if self._request is not None:
            request, self._request = self._request, None
            self._prober.ended(request, "", f"reset: {exc}" if exc else "closed without an answer")

    def fail(self, reason):
        request, self._request = self._request, None
        if request is not None:
            self._prober.ended(request, "", reason)
        self.transport.abort()

    @property
    def request(self):
        return self._request


class Target:
    """A service to ask: its name, the bytes of the request, and over TLS the name that the certificate must be of."""

    def __init__(self, service, host, path, tls):
        self.service = service
        self.tls_host = host if tls else None
        self.head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: replatform-prober\r\nAccept: */*\r\n\r\n"
        ).encode()


def tls_context(config):
    """What is asked of the edge's certificate; None for plain HTTP."""
    if not config["tls"]:
        return None
    context = ssl.create_default_context(cafile=config["ca_file"] or None)
    if not config["validate_certs"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Request:
    __slots__ = ("due", "target")

    def __init__(self, target, due):
        self.target = target
        self.due = due


class Prober:
    def __init__(self, config):
        self.config = config
        self.side_header = config["side_header"]
        self.tls = tls_context(config)
        self.targets = [Target(s["name"], s["host"], s.get("path", "/"), self.tls) for s in config["services"]]
        self.tally = Tally([target.service for target in self.targets])
        self.store = Store(config["data_dir"], config["keep_hours"])
        self._idle = {target.tls_host: [] for target in self.targets}
        self._busy = set()
        self._connecting = {}
        self._stopping = None
        self._unwritten = False

    async def run(self):
        self._stopping = asyncio.Event()  # made inside the running loop, which Python before 3.10 demands
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stopping.set)
        writer = asyncio.ensure_future(self._write_every_second())
        # Nobody would hear of what is asked any more; whoever has started this program starts it anew.
        writer.add_done_callback(lambda _writer: self._stopping.set())
        await self._ask()
        end = loop.time() + self.config["timeout_s"]
        while (self._busy or self._connecting) and loop.time() < end:
            await asyncio.sleep(0.05)
        self._sweep(float("inf"))
        writer.cancel()
        self._flush(int(time.time()))
        with contextlib.suppress(asyncio.CancelledError):
            await writer

    async def _ask(self):
        """Sends a request each time one is due. After a stall of this process at most a second is made up for."""
        loop = asyncio.get_running_loop()
        pause = 1.0 / self.config["rate"]
        due, turn = loop.time(), 0
        while not self._stopping.is_set():
            now = loop.time()
            due = max(due, now - 1.0)
            while due <= now:
                self._send(Request(self.targets[turn % len(self.targets)], due))
                turn, due = turn + 1, due + pause
            await asyncio.sleep(max(due - loop.time(), 0.0))

    def _send(self, request):
        idle = self._idle[request.target.tls_host]
        while idle:
            connection = idle.pop()  # the one used last, so that the others grow idle and are closed
            if not connection.transport.is_closing():
                self._busy.add(connection)
                connection.send(request)
                return
        task = asyncio.ensure_future(self._connect(request))
        self._connecting[request] = task

    async def _connect(self, request):
        loop = asyncio.get_running_loop()
        try:
            _transport, connection = await loop.create_connection(
                lambda: Connection(self, request.target.tls_host),
                self.config["address"],
                self.config["port"],
                ssl=self.tls,
                server_hostname=request.target.tls_host,
            )
        except asyncio.CancelledError:
            return
        except OSError as exc:
            if self._connecting.pop(request, None):
                self.ended(request, "", f"connect: {exc.strerror or exc}")
            return
        if self._connecting.pop(request, None):
            self._busy.add(connection)
            connection.send(request)
        else:
            connection.transport.abort()

    def ended(self, request, side, reason):
        late = asyncio.get_event_loop().time() - request.due
        self.tally.add(time.time(), request.target.service, side, late * 1000, reason)

    def release(self, connection):
        self._busy.discard(connection)
        connection.idle_since = asyncio.get_event_loop().time()
        self._idle[connection.tls_host].append(connection)

    def forget(self, connection):
        self._busy.discard(connection)
        idle = self._idle[connection.tls_host]
        if connection in idle:
            idle.remove(connection)

    def _sweep(self, now):
        """Ends what has taken too long, and closes connections that have been idle before a server would."""
        oldest = now - self.config["timeout_s"]
        for connection in [c for c in self._busy if c.request is not None and c.request.due < oldest]:
            connection.fail("timeout")
        for request in [r for r in self._connecting if r.due < oldest]:
            self._connecting.pop(request).cancel()
            self.ended(request, "", "connect: timeout")
        for connection in [
            c for idle in self._idle.values() for c in idle if now - c.idle_since > self.config["idle_s"]
        ]:
            self._idle[connection.tls_host].remove(connection)
            connection.transport.close()

    async def _write_every_second(self):
        loop = asyncio.get_running_loop()
        while True:
            second = int(time.time())
            while int(time.time()) == second:
                await asyncio.sleep(min(0.1, second + 1.001 - time.time()))
                self._sweep(loop.time())
            self._flush(second)

    def _flush(self, second):
        lines, failures = self.tally.take(second)
        try:
            self.store.append(second, lines, failures)
        except OSError as exc:
            if not self._unwritten:
                _say(f"{exc}; what was counted is written when it can be, at most the last {KEPT_S} s")
            self._unwritten = True
            return
        if self._unwritten:
            _say("what was counted is written again")
        self._unwritten = False


def _say(text):
    with contextlib.suppress(OSError):  # nobody may be there to read it
        print(text, file=sys.stderr, flush=True)


def _text(lines):
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


class Store:
    """Appends lines to a file an hour; a line torn by a kill is closed by the next append. Old hours are removed.

    What can't be written is kept for the next append, of which each line is written once.
    """

    def __init__(self, folder, keep_hours):
        self._folder = folder
        self._keep_hours = keep_hours
        self._hour = ""
        self._waiting = collections.deque(maxlen=2 * KEPT_S)

    def append(self, second, lines, failures):
        """Raises C(OSError) when not all is written."""
        hour = time.strftime("%Y%m%dT%H", time.gmtime(second))
        self._waiting += [(f"requests-{hour}.jsonl", _text(lines)), ("failures.jsonl", _text(failures))]
        try:
            if hour != self._hour:
                self._remove_before(time.strftime("%Y%m%dT%H", time.gmtime(second - self._keep_hours * 3600)))
                self._hour = hour
        finally:
            while self._waiting:
                self._append(*self._waiting[0])
                self._waiting.popleft()

    def _append(self, name, text):
        """All of it, or nothing."""
        if not text:
            return
        fd = os.open(os.path.join(self._folder, name), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            rest = (b"\n" if torn else b"") + text
            try:
                while rest:
                    rest = rest[os.write(fd, rest) :]  # the last room takes a part of it
            except OSError:
                os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)

    def _remove_before(self, hour):
        for entry in os.listdir(self._folder):
            if entry.startswith("requests-") and entry < f"requests-{hour}":
                os.unlink(os.path.join(self._folder, entry))


def main():
    with open(sys.argv[1], encoding="utf-8") as handle:
        config = json.load(handle)
    asyncio.run(Prober(config).run())


if __name__ == "__main__":
    main()
