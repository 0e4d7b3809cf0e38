"""The batch of candidate pairs that a reader yields and a task reduces."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Candidates:
    """Candidate pairs that passed a reader's checks: each text is cleaned and not empty, each url is absolute.

    All arrays have one element per pair; an array that is None has no values yet. Strings are Arrow strings.

    Attributes:
        position: int64: the row or record in the source.
        key: the input's key if `--id-column` names one, else the pair_id once repeats were searched for.
        extra: map<string, string>: the kept columns.
        entry_ids: list<int32>, after matching.
        lang_score: float32, after language identification.
        list_lang: the language of the list that the text is matched against, where each language has one.
    """

    url: pa.Array
    text: pa.Array
    text_source: pa.Array
    position: pa.Array
    page_url: pa.Array | None = None
    lang: pa.Array | None = None
    key: pa.Array | None = None
    extra: pa.Array | None = None
    entry_ids: pa.Array | None = None
    lang_score: pa.Array | None = None
    list_lang: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.url)

    def select(self, keep: pa.Array) -> Candidates:
        """Return the pairs that `keep` selects: a boolean array of n, or an array of int64 indices."""

        def selected(array: pa.Array | None) -> pa.Array | None:
            if array is None:
                return None
            return array.filter(keep) if pa.types.is_boolean(keep.type) else array.take(keep)

        return Candidates(**{name: selected(array) for name, array in vars(self).items()})
