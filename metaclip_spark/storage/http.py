"""http(s): one streaming GET a source, over urllib3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from metaclip_spark.errors import ConnectionLostError, DamagedSourceError, ForbiddenError
from metaclip_spark.storage.transport import Body, Identity, etag_in, shown
from metaclip_spark.version import __version__

PIECE_BYTES = 1 << 18
_RETRIED_BELOW_500 = (408, 425, 429)


class HttpTransport:
    """One streaming GET, and a range request where it has to go on.

    Not fsspec's: it asks for one block after the other, and Common Crawl's servers count requests (once a request is
    through, the whole file comes); it fails beyond byte 0 where a server ignores Range, does not try again, and does
    not notice that a file changed.
    """

    def __init__(self, uri: str, connect_seconds: float, read_seconds: float) -> None:
        self._uri = uri
        redirects = urllib3.Retry(
            total=None, connect=0, read=0, status=0, other=0, redirect=5, respect_retry_after_header=False
        )
        timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        parts = urlsplit(uri)
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        made = {"retries": redirects, "timeout": timeout, "maxsize": 1}
        self._pool = urllib3.ProxyManager(proxy, **made) if proxy else urllib3.PoolManager(**made)

    def open(self, start: int, stop: int | None) -> Body:
        """Send one request."""
        # Identity: a body that was compressed on its way has other positions than the file.
        headers = {"Accept-Encoding": "identity", "User-Agent": f"metaclip-spark/{__version__}"}
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-" + ("" if stop is None else str(stop - 1))
        try:
            answer = self._pool.request("GET", self._uri, headers=headers, preload_content=False, decode_content=False)
        except urllib3.exceptions.LocationValueError as error:
            raise DamagedSourceError(f"{shown(self._uri)} is no url: {error}") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ConnectionLostError(_words(getattr(error, "reason", None) or error)) from error
        try:
            identity, first = self._checked(answer, start)
        except BaseException:
            answer.close()
            raise

        def read(size: int) -> bytes:
            if answer.status == 416:  # its body is an error page
                return b""
            try:
                return answer.read1(min(size, PIECE_BYTES))
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise ConnectionLostError(_words(error)) from error

        return Body(identity, first, read, answer.close)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _checked(self, answer: Any, start: int) -> tuple[Identity, int]:
        headers, status = answer.headers, answer.status
        where = shown(self._uri)
        if status == 416:  # nothing at this position: the end of the source, whose length comes with it
            return Identity(_total(headers), etag_in(headers)), start
        if status in (404, 410):
            raise DamagedSourceError(f"{where} does not exist (status {status})")
        if status == 403:
            raise ForbiddenError("status 403", _retry_after(headers))
        if status >= 500 or status in _RETRIED_BELOW_500:
            raise ConnectionLostError(f"status {status}", _retry_after(headers))
        if status not in (200, 206):
            raise DamagedSourceError(f"{where} was refused with status {status}")
        coding = headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity") and not urlsplit(self._uri).path.lower().endswith(".gz"):
            # Of a .gz the header means the file itself; of anything else, that the bytes are not the file's.
            raise DamagedSourceError(
                f"{where} comes with Content-Encoding {coding}, though only identity was asked for"
            )
        if status == 200:
            length = headers.get("Content-Length", "")
            return Identity(int(length) if length.isdigit() else None, etag_in(headers)), 0
        first = headers.get("Content-Range", "").strip().removeprefix("bytes").strip().partition("-")[0]
        if not first.isdigit() or int(first) > start:
            raise ConnectionLostError(f"a range that was not asked for ({headers.get('Content-Range')!r})")
        return Identity(_total(headers), etag_in(headers)), int(first)


def _total(headers: Mapping[str, str]) -> int | None:
    total = headers.get("Content-Range", "").rpartition("/")[2].strip()
    return int(total) if total.isdigit() else None


def _retry_after(headers: Mapping[str, str]) -> float:
    said = headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said)
    try:
        when = parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


def _words(error: BaseException) -> str:
    """Return what an error of the network is, without the addresses that change with every try."""
    names = {
        "ReadTimeoutError": "a stall",
        "ConnectTimeoutError": "no connection in time",
        "NewConnectionError": "no connection",
        "NameResolutionError": "no such host",
        "IncompleteRead": "a cut body",
        "ProtocolError": "a broken connection",
        "ConnectionResetError": "a connection reset",
        "RemoteDisconnected": "a closed connection",
        "SSLError": f"an SSL error ({error})",
    }
    causes = [error, *(part for part in error.args if isinstance(part, BaseException))]
    known = [names[type(cause).__name__] for cause in reversed(causes) if type(cause).__name__ in names]
    return known[0] if known else f"{type(error).__name__}: {error}"
