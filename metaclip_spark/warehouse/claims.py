"""Leases as objects of a store, made by a conditional create: of two drivers, S3 lets exactly one have a generation.

Delta on S3 keeps writers apart within one driver only: Hadoop overwrites an object that is there. So the lease of a
warehouse on S3 does not depend on Delta. Generation 7 is the object `lease/_claims/00000000000000000007.json`, which is
created with `If-None-Match: *`; its holder alone overwrites it, to renew and to release it.
"""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Mapping
from typing import Any

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.errors import WarehouseError

FOLDER = "lease/_claims"
"""The folder of a warehouse with the objects; a folder that begins with `_` is no part of a Delta table."""
_KEPT = 20
"""Number of last generations that are kept."""
_TAKEN = (errno.EINVAL, errno.EBUSY, errno.EEXIST)
"""s3fs's errors for the answers 412 (the object is there) and 409 (another create runs)."""
_OF_HADOOP = {"access.key": "key", "secret.key": "secret", "session.token": "token"}
"""Hadoop's setting, without fs.s3a. -> the option of s3fs."""


class Claims:
    """The leases of a warehouse in S3.

    Args:
        root: uri of the warehouse's folder, s3:// or s3a://.
        hadoop: Hadoop's settings of s3a that Spark has; what they lack comes from the environment, as for sources.

    Raises:
        WarehouseError: the package s3fs is missing.
    """

    def __init__(self, root: str, hadoop: Mapping[str, str] = {}) -> None:
        try:
            import s3fs
        except ImportError as error:
            raise WarehouseError(f"the lease on S3 needs the package s3fs: {how_to_install('s3')}") from error
        self.files: Any = s3fs.S3FileSystem(**_options(hadoop), use_listings_cache=False, skip_instance_cache=True)
        self._folder = f"{root.partition('://')[2].rstrip('/')}/{FOLDER}"

    def last(self) -> dict[str, Any] | None:
        """Return the lease of the latest generation; None where there is none.

        Raises:
            OSError: the store cannot be read.
        """
        for path in reversed(self._paths()):
            with contextlib.suppress(FileNotFoundError):  # an old generation, removed meanwhile
                lease: dict[str, Any] = json.loads(self.files.cat_file(path))
                return lease
        return None

    def create(self, lease: Mapping[str, Any]) -> bool:
        """Create the object of a lease's generation; return whether this lease is the latest one.

        Raises:
            OSError: the store cannot be written.
        """
        path = self._path(lease["generation"])
        if not self._create(path, lease):
            return False
        # A late creator may have found the number of a generation that was removed: then there is a later one.
        paths = self._paths()
        for old in paths[:-_KEPT]:
            with contextlib.suppress(OSError):
                self.files.rm_file(old)
        return paths[-1:] == [path]

    def refuses(self, lease: Mapping[str, Any]) -> bool:
        """Return whether the store refuses to create an object that is there; the lease must be held.

        Some stores with the interface of S3 ignore the condition. The lease is then overwritten with itself.
        """
        return not self._put(self._path(lease["generation"]), lease, mode="create")

    def replace(self, lease: Mapping[str, Any]) -> None:
        """Overwrite the object of a lease that is held, to renew or release it.

        Raises:
            OSError: the store cannot be written.
        """
        self._put(self._path(lease["generation"]), lease, mode="overwrite")

    def _create(self, path: str, lease: Mapping[str, Any]) -> bool:
        if self._put(path, lease, mode="create"):
            return True
        # A request whose answer was lost is sent again, and then finds its own object.
        try:
            stored = json.loads(self.files.cat_file(path))
        except FileNotFoundError:
            return False
        return bool(stored["holder"] == lease["holder"])

    def _put(self, path: str, lease: Mapping[str, Any], mode: str) -> bool:
        """Write an object; return False where it is there and must not be."""
        try:
            self.files.pipe_file(path, json.dumps(dict(lease)).encode(), mode=mode)
            return True
        except OSError as error:
            if mode == "create" and (isinstance(error, FileExistsError) or error.errno in _TAKEN):
                return False
            raise

    def _paths(self) -> list[str]:
        """Return the objects, oldest generation first."""
        try:
            listed = self.files.ls(self._folder, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(path for path in listed if path.endswith(".json"))

    def _path(self, generation: int) -> str:
        return f"{self._folder}/{generation:020d}.json"


def is_on_s3(place: str | None) -> bool:
    """Return whether a folder is on S3, where Delta's commits do not keep drivers apart.

    >>> is_on_s3("s3a://bucket/warehouse"), is_on_s3("gs://bucket/warehouse"), is_on_s3("/data")
    (True, False, False)
    """
    return place is not None and place.partition("://")[0].lower() in ("s3", "s3a", "s3n") and "://" in place


def _options(hadoop: Mapping[str, str]) -> dict[str, Any]:
    """Return s3fs's options for Hadoop's settings of s3a."""
    options: dict[str, Any] = {to: hadoop[name] for name, to in _OF_HADOOP.items() if hadoop.get(name)}
    client: dict[str, Any] = {}
    endpoint = hadoop.get("endpoint")
    if endpoint:
        secure = hadoop.get("connection.ssl.enabled", "true").lower() != "false"
        client["endpoint_url"] = endpoint if "://" in endpoint else f"http{'s' if secure else ''}://{endpoint}"
    if hadoop.get("endpoint.region"):
        client["region_name"] = hadoop["endpoint.region"]
    config: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 30, "retries": {"max_attempts": 3}}
    if hadoop.get("path.style.access", "").lower() == "true":
        config["s3"] = {"addressing_style": "path"}
    return {**options, "client_kwargs": client, "config_kwargs": config}
