"""A small data card, for tests of what is made of its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from metaclip_spark.report.card import Card

REJECTED = {
    "no_match": 100,
    "noai": 10,
    "tdm": 5,
    "too_short": 8,
    "filter:mine:ugly": 7,
    "repeat": 20,
    "language": 10,
    "empty_text": 3,
    "broken_json": 2,
}


def make_card(**changes) -> Card:
    """Make a card of 300 texts, 170 of them matched, 140 pairs, 130 of them unique, 40 of them sampled."""
    values: dict[str, Any] = {
        "run_id": "a",
        "attempt_id": "1",
        "created_at": "2025",
        "metaclip_spark_version": "0.1.0",
        "snapshots": ["default"],
        "metadata_id": "ab",
        "metadata_path": "list.json",
        "n_entries": 2,
        "seed": 0,
        "threshold": 10,
        "tail_fraction_target": None,
        "tail_fraction": 0.05,
        "sources": {"done": 1},
        "records_read": 400,
        "texts_read": 300,
        "texts_matched": 170,
        "pairs_sent": 140,
        "unique_pairs": 130,
        "rejected": REJECTED,
        "entry_counts": np.array([100, 9]),
        "curated_entry_counts": np.array([12, 9]),
        "entries": ["cat", "dog"],
        "matches_per_text": {1: 126, 2: 4},
        "curated_matches_per_text": {1: 39, 2: 1},
        "curated_size": 40,
        "expected_size": 38.0,
        "expected_sd": 4.0,
        "table_paths": {"curated_pairs": "wh/curated_pairs"},
    }
    return Card(**(values | changes))
