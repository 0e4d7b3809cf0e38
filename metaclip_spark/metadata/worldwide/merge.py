"""Merge the lists of several Wikipedias into one, as `zh_yue` into `zh`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from metaclip_spark.metadata.assemble import AssembledList, SourceCounts

MERGED = "in the list of an earlier Wikipedia"


def merge(lists: Sequence[AssembledList]) -> AssembledList:
    """Append each list to the first one, without the entries that are there already.

    Each list has had its own quotas, so an entry of two lists used a place of both, as in the reference's code.

    Returns:
        The merged list. Its sources are those of all lists, in order.
    """
    merged = AssembledList()
    ids: dict[str, int] = {}
    for one in lists:
        offset = len(merged.source_counts)
        merged.source_counts += [
            SourceCounts(counts.name, counts.read, counts.offered, cut=Counter(counts.cut))
            for counts in one.source_counts
        ]
        for at, entry in enumerate(one.entries):
            index = offset + one.sources[at]
            counts = merged.source_counts[index]
            also = [offset + other for other in one.also_in.get(at, ())]
            if entry in ids:
                counts.cut[MERGED] += 1
                merged.also_in.setdefault(ids[entry], []).extend([index, *also])
                continue
            ids[entry] = len(merged.entries)
            counts.first_id = ids[entry] if counts.first_id is None else counts.first_id
            counts.taken += 1
            merged.entries.append(entry)
            merged.sources.append(index)
            merged.ranks.append(one.ranks[at])
            merged.scores.append(one.scores[at])
            if also:
                merged.also_in[ids[entry]] = also
    return merged
