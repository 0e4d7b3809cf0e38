"""A batch of texts with their images, as the readers hand it on to matching."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Candidates:
    """Texts that passed a reader's checks: cleaned, not empty, with an absolute url.

    All arrays have one element a text. `key` is the pool's own key where `--id-column` names one, else pair_id
    once repeats were looked for. `entry_ids` (list<int32>) comes with matching, `lang_score` with identification.
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

    def __len__(self) -> int:
        return len(self.url)

    def select(self, keep: pa.Array) -> Candidates:
        """Return the texts for which `keep` (boolean array, or int64 indices) says so."""
        take = (lambda a: a.filter(keep)) if pa.types.is_boolean(keep.type) else (lambda a: a.take(keep))
        return Candidates(**{name: None if a is None else take(a) for name, a in vars(self).items()})
