"""Summarize a folder of lists from their sidecars: entries and licence by source."""

from __future__ import annotations

import json
from dataclasses import dataclass

from metaclip_spark.metadata.worldwide.lists import WorldwideLists, sidecar_of

UNKNOWN = "unknown"


@dataclass(frozen=True)
class SourceSummary:
    """What a list took from one source.

    Attributes:
        name: The name of the source.
        version: Its version.
        licence: The name of its licence.
        taken: Number of entries; they are consecutive, from `first_id` on.
        first_id: The id of the first of them; None if there are none.
    """

    name: str
    version: str
    licence: str
    taken: int
    first_id: int | None

    @property
    def share_alike(self) -> bool:
        """Whether the licence passes to what is made of it."""
        return "-SA" in self.licence


@dataclass(frozen=True)
class ListSummary:
    """One list of a folder.

    Attributes:
        name: The name of the list.
        codes: Codes of the languages that have it.
        entries: Number of entries; None without a sidecar.
        metadata_id: The id of the list.
        file: The name of its file.
        sources: Its sources in the order of the list; empty without a sidecar.
    """

    name: str
    codes: tuple[str, ...]
    entries: int | None
    metadata_id: str
    file: str
    sources: tuple[SourceSummary, ...]

    @property
    def share_alike(self) -> bool:
        """Whether a source with entries in the list has a share-alike licence."""
        return any(source.share_alike and source.taken for source in self.sources)


def summarize(lists: WorldwideLists) -> list[ListSummary]:
    """Return what the sidecars say of each list, by name; lists are not loaded.

    Raises:
        MetadataError: A sidecar is damaged.
    """
    codes: dict[str, list[str]] = {name: [] for name in lists.files}
    for code in lists.languages.codes.values():
        codes.setdefault(code.list_name, []).append(code.code)
    summaries = []
    for name, file in sorted(lists.files.items()):
        beside = sidecar_of(file)
        sidecar = json.loads(beside.read_text(encoding="utf-8")) if beside is not None else {}
        sources = tuple(
            SourceSummary(
                source.get("name", UNKNOWN),
                source.get("version", UNKNOWN),
                source.get("licence", UNKNOWN),
                source.get("taken") or 0,
                source.get("first_id"),
            )
            for source in sidecar.get("sources", ())
        )
        summaries.append(
            ListSummary(name, tuple(codes[name]), sidecar.get("entries"), lists.ids[name], file.name, sources)
        )
    return summaries


def markdown(summaries: list[ListSummary]) -> str:
    """Return a table in Markdown: one row per list, its entries by source with the licence of each."""
    rows = ["| list | entries | taken from | share-alike |", "|---|---|---|---|"]
    for one in summaries:
        entries = f"{one.entries:,}" if one.entries is not None else UNKNOWN
        taken = [
            f"{source.name} {source.taken:,} ({source.licence})" for source in one.sources if source.name != "numbers"
        ]
        rows.append(f"| `{one.name}` | {entries} | {'; '.join(taken)} | {'yes' if one.share_alike else 'no'} |")
    return "\n".join(rows) + "\n"
