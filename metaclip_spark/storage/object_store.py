"""s3 and every other scheme that fsspec knows: one request a block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fsspec

from metaclip_spark.errors import ConnectionLostError, DamagedSourceError, ForbiddenError, InputError
from metaclip_spark.storage.transport import Body, Identity, changed, etag_in, scheme_of, shown

_S3 = ("s3", "s3a")
NO_CREDENTIALS = (
    "no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, on the workers too"
)


class FsspecTransport:
    """A file of an fsspec filesystem, read block by block; each try opens it anew."""

    def __init__(self, uri: str, connect_seconds: float, read_seconds: float) -> None:
        self._uri = uri
        self._fs = filesystem_of(uri, connect_seconds, read_seconds)
        self._path = self._fs._strip_protocol(uri)

    def open(self, start: int, stop: int | None) -> Body:
        """Open the file at a position; `stop` is left to the reader, who asks for no more than it wants."""
        try:
            file = self._fs.open(self._path, "rb", cache_type="none")
            try:
                identity = identity_of(getattr(file, "details", None) or self._fs.info(self._path))
                file.seek(start)
            except BaseException:
                file.close()
                raise
        except Exception as error:
            raise self._failed(error) from error

        def read(size: int) -> bytes:
            try:
                return file.read(size)
            except Exception as error:
                raise self._failed(error) from error

        return Body(identity, start, read, file.close)

    def close(self) -> None:
        """Nothing: fsspec keeps its filesystems for the next file of this process."""

    def _failed(self, error: Exception) -> Exception:
        where = shown(self._uri)
        if isinstance(error, MemoryError | ConnectionLostError | DamagedSourceError):
            return error
        if isinstance(error, FileNotFoundError):
            return DamagedSourceError(f"{where} does not exist")
        if type(error).__name__ == "FileExpired":  # s3fs: the ETag is no longer the one of the first block
            return changed(self._uri)
        if isinstance(error, PermissionError):
            anonymous = getattr(self._fs, "anon", False)
            return (
                DamagedSourceError(f"{where} was refused: {NO_CREDENTIALS}")
                if anonymous
                else ForbiddenError(f"a refusal ({error})")
            )
        return ConnectionLostError(f"{type(error).__name__}: {error}")


def identity_of(details: Mapping[str, Any]) -> Identity:
    """Return what an entry of an fsspec listing says of a file."""
    return Identity(details.get("size"), etag_in(details))


def filesystem_of(uri: str, connect_seconds: float = 10, read_seconds: float = 60) -> Any:
    """Return the fsspec filesystem of a uri, made in this process.

    Raises:
        InputError: the scheme is not known, or its package is missing.
    """
    scheme = scheme_of(uri)
    try:
        fsspec.get_filesystem_class(scheme)
        options = _s3_options(connect_seconds, read_seconds) if scheme in _S3 else {}
        # A listing of an hour ago may not hold what is there now.
        made = fsspec.filesystem(scheme, use_listings_cache=False, **options)
    except ImportError as error:
        package = "pip install 'metaclip-spark[s3]'" if scheme in _S3 else str(error).rstrip(".")
        missing = f"{scheme}:// needs a package that is not installed ({package}), here and on the workers."
        raise InputError(missing) from None
    except ValueError:
        known = "a local path, https://, http://, s3://, or another scheme that fsspec knows"
        raise InputError(f"{shown(uri)} is of the unknown scheme {scheme}://; expected {known}.") from None
    if scheme in _S3:
        made.retries = 1  # the waiting is done in one place: fetching.py
    return made


def _s3_options(connect_seconds: float, read_seconds: float) -> dict[str, Any]:
    import botocore.exceptions
    import botocore.session

    try:
        anonymous = botocore.session.Session().get_credentials() is None
    except botocore.exceptions.BotoCoreError as error:
        raise InputError(f"the AWS credentials of the environment cannot be used: {error}.") from None
    config = {"connect_timeout": connect_seconds, "read_timeout": read_seconds, "retries": {"max_attempts": 0}}
    return {"anon": anonymous, "config_kwargs": config}
