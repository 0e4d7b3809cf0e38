"""The fsspec filesystem of a path or uri."""

from __future__ import annotations

from typing import Any

import fsspec

from metaclip_spark.core.secrets import remember, secrets_in
from metaclip_spark.errors import ConfigError
from metaclip_spark.storage.transport import is_chain, scheme_of


def filesystem_of(uri: str, *, options_in_uri: bool = True, **options: Any) -> tuple[Any, str]:
    """Return the fsspec filesystem of a path or uri, and the path on that filesystem.

    Listings are not cached: a listing from an hour ago may lack files that exist now.

    Args:
        uri: a local path, a uri, or a chain such as `simplecache::s3://bucket/key`.
        options_in_uri: use the options that the uri names, such as a host.
        options: further options of the filesystem.

    Raises:
        ImportError: the package of the scheme is missing.
        ValueError: fsspec does not know the scheme.
    """
    remember(secrets_in(fsspec.config.conf))  # an error may quote them
    if is_chain(uri):
        files, path = fsspec.core.url_to_fs(uri, use_listings_cache=False, **options)
        return files, path
    rest = uri.partition("://")[2]
    scheme = scheme_of(uri)
    # fsspec knows schemes in lower case only. url_to_fs is for chains alone: it splits at "::", which a key may hold.
    uri = f"{scheme}://{rest}" if scheme else uri
    kind = fsspec.get_filesystem_class(scheme or "file")
    named = kind._get_kwargs_from_urls(uri) if options_in_uri else {}
    files = fsspec.filesystem(scheme or "file", use_listings_cache=False, **{**named, **options})
    return files, kind._strip_protocol(uri)


def writable_filesystem_of(uri: str, what: str = "output") -> tuple[Any, str]:
    """Return the filesystem of a path or uri that a user named for writing, and the path on that filesystem.

    Args:
        what: the setting that named it, for the error.

    Raises:
        ConfigError: the scheme is unknown, or its package is missing.
    """
    try:
        return filesystem_of(uri)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{what} {uri} cannot be written: {error}. Give a folder, or a uri that is known.") from error
