"""Read sources from s3, and of every other scheme that fsspec knows, with one request per block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fsspec

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.errors import (
    ConnectionLostError,
    CredentialsError,
    DamagedSourceError,
    ForbiddenError,
    InputError,
)
from metaclip_spark.storage.filesystem import filesystem_of
from metaclip_spark.storage.refusal import refused
from metaclip_spark.storage.transport import Body, Identity, changed, etag_in, scheme_of, shown

_S3 = ("s3", "s3a")
NO_CREDENTIALS = (
    "no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, on the workers too"
)


class FsspecTransport:
    """A transport that reads a file of an fsspec filesystem block by block; each attempt opens the file again."""

    def __init__(self, uri: str, connect_seconds: float, read_seconds: float) -> None:
        self._uri = uri
        self._files, self._path = source_filesystem(uri, connect_seconds, read_seconds)

    def open(self, start: int, stop: int | None) -> Body:
        """Open the file at a position. `stop` is not used: the caller reads no more than it needs."""
        try:
            file = self._files.open(self._path, "rb", cache_type="none")
            try:
                identity = identity_of(getattr(file, "details", None) or self._files.info(self._path))
                file.seek(start)
            except BaseException:
                file.close()
                raise
        except Exception as error:
            raise self._translated(error) from error

        def read(size: int) -> bytes:
            try:
                piece: bytes = file.read(size)
                return piece
            except Exception as error:
                raise self._translated(error) from error

        return Body(identity, start, read, file.close)

    def close(self) -> None:
        """Do nothing: fsspec keeps its filesystems for the next file of this process."""

    def _translated(self, error: Exception) -> Exception:
        """Translate an error of the filesystem into an error of `Transport.open`."""
        where = shown(self._uri)
        if isinstance(error, MemoryError | ConnectionLostError | DamagedSourceError):
            return error
        if isinstance(error, FileNotFoundError):
            return DamagedSourceError(f"{where} does not exist")
        if type(error).__name__ == "FileExpired":  # s3fs: the ETag is no longer the one of the first block
            return changed(self._uri)
        problem = refused(where, None, *self._why(error))
        if problem is not None:
            return problem
        if isinstance(error, PermissionError):
            anonymous = getattr(self._files, "anon", False)
            return (
                CredentialsError(f"{where} was refused: {NO_CREDENTIALS}")
                if anonymous
                else ForbiddenError(f"a refusal ({error})")
            )
        return ConnectionLostError(f"{type(error).__name__}: {error}")

    def _why(self, error: Exception) -> tuple[str, str]:
        """Return the code and the text of a store's refusal.

        The answer to a question for a file's size has no text, so a refused one is asked again for its first byte.
        """
        code = code_of(error)
        if code in ("400", "401", "403"):
            try:
                self._files.cat_file(self._path, start=0, end=1)
            except Exception as again:
                return code_of(again), str(again)
        return code, str(error)


def code_of(error: BaseException) -> str:
    """Return the code that an object store gave for an error, or ""."""
    link: BaseException | None = error
    for _ in range(10):
        if link is None:
            break
        response = getattr(link, "response", None)
        if isinstance(response, Mapping):
            return str(response.get("Error", {}).get("Code", ""))
        link = link.__cause__ or link.__context__
    return ""


def identity_of(details: Mapping[str, Any]) -> Identity:
    """Return the size and etag in an entry of an fsspec listing."""
    return Identity(details.get("size"), etag_in(details))


def source_filesystem(uri: str, connect_seconds: float = 10, read_seconds: float = 60) -> tuple[Any, str]:
    """Return the fsspec filesystem that a source is read from, and the source's path on it.

    Raises:
        InputError: the scheme is not known, or its package is missing.
    """
    scheme = scheme_of(uri)
    try:
        fsspec.get_filesystem_class(scheme)  # a missing package is reported before credentials are looked up
        options = _s3_options(connect_seconds, read_seconds) if scheme in _S3 else {}
        # The uris in a listing name no host: the listing and the read must both go to the environment's host.
        files, path = filesystem_of(uri, options_in_uri=False, **options)
    except ImportError as error:
        package = how_to_install("s3") if scheme in _S3 else str(error).rstrip(".")
        missing = f"{scheme}:// needs a package that is not installed ({package}), here and on the workers."
        raise InputError(missing) from None
    except ValueError:
        known = "a local path, https://, http://, s3://, or another scheme that fsspec knows"
        raise InputError(f"{shown(uri)} is of the unknown scheme {scheme}://; expected {known}.") from None
    if scheme in _S3:
        files.retries = 1  # `Fetch` alone retries, and waits
    return files, path


def _s3_options(connect_seconds: float, read_seconds: float) -> dict[str, Any]:
    """Return s3fs's options: anonymous access without credentials, the timeouts, and no retries."""
    import botocore.exceptions
    import botocore.session

    try:
        anonymous = botocore.session.Session().get_credentials() is None
    except botocore.exceptions.BotoCoreError as error:
        raise InputError(f"the AWS credentials of the environment cannot be used: {error}.") from None
    config = {"connect_timeout": connect_seconds, "read_timeout": read_seconds, "retries": {"max_attempts": 0}}
    return {"anon": anonymous, "config_kwargs": config}
