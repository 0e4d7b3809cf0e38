"""Read statements about the use of content: IETF AIPREF's Content-Usage, and Content-Signal.

Sources: draft-ietf-aipref-vocab-07 and draft-ietf-aipref-attach-05 (August 2026), with the labels of the drafts before
them, which pages were written to; contentsignals.org (2025).
"""

from __future__ import annotations

from typing import Any, cast

import http_sf

MAX_CHARS = 8192
"""Maximum length of a statement; a longer one states nothing."""

_TRAINING = ("train-ai", "ai", "train-genai", "genai")
"""Labels for training. `ai` and the two of generative AI are those of drafts 01 to 03; draft 04 merged them."""

_BROADER = ("bots", "all", "tdm")
"""Labels of drafts 01 to 04 for every automated use, training included."""


def usage_disallows(value: str) -> bool:
    """Return whether a Content-Usage value, a dictionary of structured fields (RFC 9651), disallows training.

    A label for training decides; where none states a preference, a label for every automated use does. A value that is
    no dictionary, or a preference other than the tokens `y` and `n`, states nothing.

    >>> usage_disallows("train-ai=n, search=y"), usage_disallows("train-ai=y, search=n"), usage_disallows("bots=n")
    (True, False, True)
    """
    if len(value) > MAX_CHARS:
        return False
    try:
        stated = cast(dict[str, Any], http_sf.parse(value.encode(), tltype="dictionary"))
    except ValueError:  # also of a string that is no UTF-8
        return False
    for labels in (_TRAINING, _BROADER):
        tokens = {
            str(stated[label][0]) for label in labels if label in stated and isinstance(stated[label][0], http_sf.Token)
        }
        if tokens & {"y", "n"}:
            return "n" in tokens
    return False


def signal_disallows(value: str) -> bool:
    """Return whether a Content-Signal value disallows training; one `no` is enough.

    >>> signal_disallows("search=yes, ai-train=no"), signal_disallows("ai-train=yes")
    (True, False)
    """
    signals = (part.partition("=") for part in value[:MAX_CHARS].lower().split(","))
    return any((name.strip(), answer.strip()) == ("ai-train", "no") for name, _, answer in signals)
