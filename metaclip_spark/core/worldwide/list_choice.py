"""Choose the list of each text by the language of the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

UNKNOWN = "und"
"""The code of a text in an unknown language (ISO 639-2, undetermined)."""

OTHER = "other"
"""The list of languages without a list of their own, and of texts whose language is not known."""


@dataclass(frozen=True)
class ListChoice:
    """The list of each language.

    Attributes:
        list_of: code of a language -> name of its list; a code that is not here has no list.
        with_unknown: the list of texts whose language is not known; None drops them.
    """

    list_of: Mapping[str, str]
    with_unknown: str | None = OTHER

    def choose(self, codes: pa.Array) -> pa.Array:
        """Return the name of the list of each text, string; null for a text without one.

        Args:
            codes: string array of languages; null counts as not known.

        >>> choice = ListChoice({"en": "en", "yue": "zh"}, "other")
        >>> choice.choose(pa.array(["yue", "en", "und", None, "tlh"])).to_pylist()
        ['zh', 'en', 'other', 'other', None]
        """
        encoded = pc.fill_null(codes, UNKNOWN).dictionary_encode()
        names = [
            self.with_unknown if code == UNKNOWN else self.list_of.get(code) for code in encoded.dictionary.to_pylist()
        ]
        return pa.array(names, pa.string()).take(encoded.indices)
