# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that imports dnspython: a zone's records at each of its servers, and updates by RFC 2136, with its errors as ours.

An update is one transaction with a prerequisite: the record and its notes are still what was seen. C(community.general.nsupdate) has
neither more than one record an update nor such a prerequisite.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import socket
import traceback
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.dns import note as notes
from ansible_collections.sophia.replatform.plugins.module_utils.dns.note import Note
from ansible_collections.sophia.replatform.plugins.module_utils.dns.shift import Record, RRset
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.tsig
    import dns.update

    IMPORT_ERROR: str | None = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

ALGORITHMS = ["hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1", "hmac-md5"]
TRIES = 3


@dataclass(frozen=True)
class Key:
    """A TSIG key; O(secret) is base64 and is in no message."""

    name: str
    secret: str
    algorithm: str


class Zone:
    """One zone, updated at O(server); servers are C(address) or C(address:port), and C([address]:port) for IPv6."""

    def __init__(self, zone: str, server: str, servers: t.Sequence[str], key: Key | None, timeout: float) -> None:
        self.server = server
        self.servers = list(dict.fromkeys([server, *servers]))
        self._timeout = timeout
        self._where = {name: _address(name) for name in self.servers}
        with _option("zone"):
            self._origin = dns.name.from_text(zone)
        self._key = _tsig(key)

    def record(self, name: str, rdtype: str, values: t.Sequence[str], ttl: int | None) -> Record:
        """A record as the servers would show it. Raises C(RefusedError) for a name outside the zone, or a value of another type."""
        with _option(f"records: {name} {rdtype}"):
            origin = None if name.endswith(".") else self._origin
            absolute = self._origin if name == "@" else dns.name.from_text(name, origin)
            within = dns.name.from_text(name)
            absolute = within if within.is_subdomain(self._origin) else absolute
            if not absolute.is_subdomain(self._origin):
                raise RefusedError(f"records: {name} is not in zone {self._origin}")
            if not values or (rdtype == "CNAME" and len(values) > 1):
                raise RefusedError(f"records: {name} {rdtype} has {len(values)} values")
            datas = [dns.rdata.from_text("IN", rdtype, value, self._origin, relativize=False) for value in values]
        return Record(absolute.to_text(), rdtype, _texts(datas), ttl)

    def rrset(self, server: str, record: Record) -> RRset | None:
        """The record as O(server) shows it. Raises C(RefusedError) for an alias, where none is meant."""
        answer = self._ask(server, record.name, record.type)
        if answer and answer.rdtype != dns.rdatatype.from_text(record.type):
            raise RefusedError(
                f"records: {record.name} is a CNAME at {server}, no {record.type}; give type CNAME, or the name it leads to"
            )
        return RRset(answer.ttl, _texts(answer)) if answer else None

    def texts(self, record: Record) -> tuple[str, ...]:
        """All that is noted of the record's name, of whatever type; what a wildcard answers stands nowhere beside it."""
        found = self._texts_at(notes.name_of(record.name))
        if found and not any(map(notes.read, found)) and found == self._texts_at(notes.nobodys(record.name)):
            return ()
        return found

    def _texts_at(self, name: str) -> tuple[str, ...]:
        answer = self._ask(self.server, name, "TXT")
        if not answer or answer.rdtype != dns.rdatatype.TXT:
            return ()  # nothing, or an alias
        return tuple(sorted(b"".join(data.strings).decode(errors="replace") for data in answer))

    def update(self, record: Record, before: RRset, after: RRset, seen: t.Sequence[str], note: Note | None) -> None:
        """Put O(after) and O(note) in the place of O(before) and the note of this type among the texts O(seen), or nothing of it."""
        update = dns.update.UpdateMessage(self._origin)
        if self._key:
            update.use_tsig(self._key, algorithm=self._key.algorithm)
        name, beside = dns.name.from_text(record.name), dns.name.from_text(notes.name_of(record.name))
        update.present(name, record.type, *before.values)
        if seen:
            update.present(beside, "TXT", *[_quoted(text) for text in seen])
        else:
            update.absent(beside, "TXT")
        if before != after:
            update.delete(name, record.type)
            for value in after.values:
                update.add(name, after.ttl, record.type, value)
        for text in seen:
            read = notes.read(text)
            if read and read.type == record.type:
                update.delete(beside, "TXT", _quoted(text))
        if note:
            update.add(beside, notes.TTL, "TXT", _quoted(notes.written(note)))
        self._send(update, record)

    def _send(self, update: t.Any, record: Record) -> None:
        doing = f"{self.server} (server) refused the update of {record.name} {record.type}"
        key = f"key {self._key.name} (key_name, key_algorithm, key_secret)" if self._key else "an update without a key"
        address, port = self._where[self.server]
        try:
            answer = dns.query.tcp(update, address, self._timeout, port)
        except (dns.tsig.PeerBadKey, dns.tsig.PeerBadSignature, dns.tsig.BadSignature) as exc:
            raise RefusedError(
                f"{doing}: it does not know {key} by this name, algorithm and secret; nothing was changed"
            ) from exc
        except dns.tsig.PeerBadTime as exc:
            raise RefusedError(f"{doing}: the clocks of server and controller differ; nothing was changed") from exc
        except (OSError, dns.exception.DNSException) as exc:
            raise ReplatformError(
                f"{self.server} (server) did not answer to an update: {_said(exc)}; run this again"
            ) from exc
        code = answer.rcode()
        if code in (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.YXDOMAIN, dns.rcode.NXDOMAIN):
            raise ReplatformError(f"{doing}: the record or its note was changed at the same moment; run this again")
        if code == dns.rcode.REFUSED:
            raise RefusedError(
                f"{doing}: it does not allow it to {key}; allow it (update-policy), for the name and {notes.LABEL} below it too"
            )
        if code != dns.rcode.NOERROR:
            raise RefusedError(f"{doing} with {dns.rcode.to_text(code)}; name the zone's primary as server")

    def _ask(self, server: str, name: str, rdtype: str) -> t.Any:
        """The RRset of a name as O(server) shows it with authority, or that of an alias there; null when there is none."""
        address, port = self._where[server]
        question = dns.message.make_query(name, rdtype, flags=0)
        for attempt in range(1, TRIES + 1):
            try:
                answer, _by_tcp = dns.query.udp_with_fallback(question, address, self._timeout, port)
                break
            except (OSError, dns.exception.DNSException) as exc:
                if attempt == TRIES:
                    raise ReplatformError(f"{server} does not answer for {name} {rdtype}: {_said(exc)}") from exc
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not answer.flags & dns.flags.AA:
            raise RefusedError(
                f"{server} is not authoritative for {name} ({dns.rcode.to_text(answer.rcode())}); correct server, servers or zone"
            )
        return answer.answer[0] if answer.answer else None


def _texts(datas: t.Iterable[t.Any]) -> tuple[str, ...]:
    """Values in presentation format, sorted, each in its canonical form: an IPv6 address and a name can be written in several ways."""
    wires = sorted((data.rdclass, data.rdtype, data.to_digestable()) for data in datas)
    plain = [dns.rdata.from_wire(rdclass, rdtype, wire, 0, len(wire)) for rdclass, rdtype, wire in wires]
    return tuple(sorted({data.to_text() for data in plain}))


def _tsig(key: Key | None) -> t.Any:
    if key is None:
        return None
    try:
        return dns.tsig.Key(key.name, base64.b64decode(key.secret, validate=True), key.algorithm)
    except (binascii.Error, ValueError):
        raise RefusedError("key_secret: the secret is not base64") from None
    except dns.exception.DNSException as exc:
        raise RefusedError(f"key_name: {_said(exc)}") from None


def _address(server: str) -> tuple[str, int]:
    """Address and port. Raises C(RefusedError) for a host name without an address."""
    host, port = server, "53"
    if server.startswith("["):
        host, _bracket, rest = server[1:].partition("]")
        port = rest.lstrip(":") or port
    elif server.count(":") == 1:
        host, port = server.split(":")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0][4]
    except (OSError, ValueError):
        raise RefusedError(f"servers: {server} is no address of a name server (address or address:port)") from None
    return str(found[0]), int(found[1])


@contextlib.contextmanager
def _option(name: str) -> t.Iterator[None]:
    """A name or a value that dnspython can't read is one line that names the option."""
    try:
        yield
    except (dns.exception.DNSException, ValueError) as exc:
        raise RefusedError(f"{name}: {_said(exc)}") from None


def _quoted(text: str) -> str:
    """A TXT record in presentation format, in pieces of at most 255 bytes."""
    pieces = [text[at : at + 255] for at in range(0, len(text), 255)]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)


def _said(exc: BaseException) -> str:
    return " ".join(str(exc).split()) or type(exc).__name__
