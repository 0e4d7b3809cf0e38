"""Name what became of an image in a download, and choose what to try again."""

from __future__ import annotations

import re
from collections.abc import Iterable

from metaclip_spark.errors import ConfigError

SUCCESS = "success"
DOWNLOAD = "failed_to_download"
RESIZE = "failed_to_resize"
"""The values of `status` in img2dataset's tables."""
OPTED_OUT = "opted_out"
"""The server answered with an opt-out (X-Robots-Tag), which img2dataset reports as a failed download."""
NOT_TRIED = "not_tried"
"""No table has the image: img2dataset was given other images, or did not finish the image's shard."""
NO_STATUS = "no_status"
"""The status is null."""

CHOICES = (DOWNLOAD, RESIZE, NOT_TRIED, OPTED_OUT)
"""What `--retry-status` takes, besides `http_NNN`."""
_HTTP = re.compile(r"http_\d{3}")


def parse_statuses(given: str | None) -> tuple[str, ...] | None:
    """Return the names in a list `A,B`; None if none is given.

    Raises:
        ConfigError: a name is not known, or the list is empty.
    """
    if given is None:
        return None
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    wrong = [name for name in names if name not in CHOICES and not _HTTP.fullmatch(name)]
    if wrong or not names:
        raise ConfigError(
            f"--retry-status takes {', '.join(CHOICES)}, or http_NNN such as http_503; got "
            f"{', '.join(wrong) or repr(given)}."
        )
    return names


def to_retry(outcomes: Iterable[str], statuses: tuple[str, ...] | None) -> list[str]:
    """Return the outcomes to try again: those that were named, or all but successes and opt-outs.

    >>> to_retry(["success", "http_404", "opted_out", "not_tried"], None)
    ['http_404', 'not_tried']
    >>> to_retry(["success", "http_404", "http_503", "not_tried"], ("failed_to_download",))
    ['http_404', 'http_503']
    """
    if statuses is None:
        return [name for name in outcomes if name not in (SUCCESS, OPTED_OUT)]
    return [name for name in outcomes if name in statuses or (_HTTP.fullmatch(name) and DOWNLOAD in statuses)]
