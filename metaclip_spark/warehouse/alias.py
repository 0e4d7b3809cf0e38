"""Names without special characters for folders, because the embedded engine takes a path for a url or a pattern."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import re
import shutil
import tempfile

_PLAIN = re.compile(r"[A-Za-z0-9_./+,-]*")


def plain_path(folder: str) -> str:
    """Return a path of a local folder that reads the same as a path and as a url.

    A folder such as `my pairs` or `50%` gets a symbolic link in the temporary folder of this process.

    >>> plain_path("/data/warehouse")
    '/data/warehouse'
    """
    return folder if _PLAIN.fullmatch(folder) else _link(folder)


@functools.cache
def _link(folder: str) -> str:
    path = os.path.join(_links(), hashlib.sha256(os.fsencode(folder)).hexdigest()[:16])
    os.symlink(folder, path)
    return path


@functools.cache
def _links() -> str:
    links = tempfile.mkdtemp(prefix="metaclip-links-")
    atexit.register(shutil.rmtree, links, ignore_errors=True)
    return links
