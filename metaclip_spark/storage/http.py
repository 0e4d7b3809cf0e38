"""Read http(s) sources over urllib3: one streaming GET per source."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from metaclip_spark.errors import ConnectionLostError, DamagedSourceError, ForbiddenError
from metaclip_spark.storage.private_addresses import Addresses, checked_pools
from metaclip_spark.storage.refusal import of_page, refused
from metaclip_spark.storage.transport import Body, Identity, etag_in, shown
from metaclip_spark.version import __version__

PIECE_BYTES = 1 << 18
_PAGE_BYTES = 1 << 12
_RETRIED_BELOW_500 = (408, 425, 429)


class HttpTransport:
    """A transport that sends one streaming GET, and a range request to resume it.

    fsspec's http filesystem is not suitable here: it sends one request per block, and Common Crawl's servers count
    requests, not bytes; it fails beyond byte 0 if a server ignores Range; it neither retries nor notices that a file
    changed.
    """

    def __init__(self, uri: str, connect_seconds: float, read_seconds: float) -> None:
        self._uri = uri
        redirects = urllib3.Retry(
            total=None, connect=0, read=0, status=0, other=0, redirect=5, respect_retry_after_header=False
        )
        timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        parts = urlsplit(uri)
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        if proxy:  # which connects, and decides where to
            self._pool: urllib3.PoolManager = urllib3.ProxyManager(proxy, retries=redirects, timeout=timeout, maxsize=1)
        else:
            self._pool = urllib3.PoolManager(retries=redirects, timeout=timeout, maxsize=1)
            self._pool.pool_classes_by_scheme = checked_pools(Addresses(parts.hostname or ""))

    def open(self, start: int, stop: int | None) -> Body:
        """Send one request; see `Transport.open`."""
        # Only identity is accepted: positions in a body compressed for the transfer are not positions in the file.
        headers = {"Accept-Encoding": "identity", "User-Agent": f"metaclip-spark/{__version__}"}
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-" + ("" if stop is None else str(stop - 1))
        try:
            response = self._pool.request(
                "GET", self._uri, headers=headers, preload_content=False, decode_content=False
            )
        except urllib3.exceptions.LocationValueError as error:
            raise DamagedSourceError(f"{shown(self._uri)} is not a url: {error}") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ConnectionLostError(_cause(getattr(error, "reason", None) or error)) from error
        try:
            identity, first = self._check(response, start)
        except BaseException:
            response.close()
            raise

        def read(size: int) -> bytes:
            if response.status == 416:  # its body is an error page
                return b""
            try:
                return response.read1(min(size, PIECE_BYTES))
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise ConnectionLostError(_cause(error)) from error

        return Body(identity, first, read, response.close)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _check(self, response: urllib3.BaseHTTPResponse, start: int) -> tuple[Identity, int]:
        """Return the identity that a response's headers give, and the position of its first byte.

        Raises:
            ConnectionLostError: the attempt failed.
            DamagedSourceError: another attempt cannot help.
        """
        headers, status = response.headers, response.status
        where = shown(self._uri)
        if status == 416:  # the source ends at this position; the response names the length
            return Identity(_total(headers), etag_in(headers)), start
        if status in (404, 410):
            raise DamagedSourceError(f"{where} does not exist (status {status})")
        if status in (400, 401, 403):
            problem = refused(where, status, *of_page(_error_page(response)))
            if problem is not None:
                raise problem
        if status == 403:
            raise ForbiddenError("status 403", _retry_after(headers))
        if status >= 500 or status in _RETRIED_BELOW_500:
            raise ConnectionLostError(f"status {status}", _retry_after(headers))
        if status not in (200, 206):
            raise DamagedSourceError(f"{where} was refused with status {status}")
        coding = headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity") and not urlsplit(self._uri).path.lower().endswith(".gz"):
            # For a .gz the header describes the file itself. For any other file, the header means that these bytes are
            # not the file's.
            raise DamagedSourceError(
                f"{where} comes with Content-Encoding {coding}, though only identity was requested"
            )
        if status == 200:
            length = headers.get("Content-Length", "")
            return Identity(int(length) if length.isdigit() else None, etag_in(headers)), 0
        first = headers.get("Content-Range", "").strip().removeprefix("bytes").strip().partition("-")[0]
        if not first.isdigit() or int(first) > start:
            raise ConnectionLostError(f"a range that was not requested ({headers.get('Content-Range')!r})")
        return Identity(_total(headers), etag_in(headers)), int(first)


def _error_page(response: urllib3.BaseHTTPResponse) -> bytes:
    """Return the start of the page that a refusal comes with."""
    try:
        return response.read1(_PAGE_BYTES) or b""
    except (urllib3.exceptions.HTTPError, OSError):
        return b""


def _total(headers: Mapping[str, str]) -> int | None:
    total = headers.get("Content-Range", "").rpartition("/")[2].strip()
    return int(total) if total.isdigit() else None


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a Retry-After header asks for, 0 without one."""
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


def _cause(error: BaseException) -> str:
    """Describe a network error without the addresses that change with every attempt."""
    names = {
        "ReadTimeoutError": "a read timeout",
        "ConnectTimeoutError": "a connection timeout",
        "NewConnectionError": "no connection",
        "NameResolutionError": "no such host",
        "IncompleteRead": "a truncated body",
        "ProtocolError": "a broken connection",
        "ConnectionResetError": "a connection reset",
        "RemoteDisconnected": "a closed connection",
        "SSLError": f"an SSL error ({error})",
    }
    causes = [error, *(part for part in error.args if isinstance(part, BaseException))]
    known = [names[type(cause).__name__] for cause in reversed(causes) if type(cause).__name__ in names]
    return known[0] if known else f"{type(error).__name__}: {error}"
