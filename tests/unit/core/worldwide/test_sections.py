"""The lists of languages as sections of one list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.errors import InputError


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_sections_divide_ids_without_gaps(sizes):
    """Every id has one section, values spread to its entries, and parts are the entries of each."""
    sections = Sections.of({f"l{at}": size for at, size in enumerate(sizes)})
    by_entry = sections.spread(np.arange(len(sizes)))
    assert by_entry.tolist() == [at for at, size in enumerate(sizes) for _ in range(size)]
    assert sections.index_of(np.arange(len(by_entry))).tolist() == by_entry.tolist()
    assert sections.names_of(np.arange(len(by_entry))) == [f"l{at}" for at in by_entry.tolist()]
    for at, part in enumerate(sections.parts(by_entry)):
        assert part.tolist() == [at] * sizes[at]
        assert sections.range(f"l{at}") == (sum(sizes[:at]), sum(sizes[: at + 1]))
    assert sections.sizes.tolist() == sizes


def test_a_list_for_all_languages_is_one_section():
    """Its name is that of an unknown language, as in the tables."""
    sections = Sections.whole(3)
    assert (sections.names, sections.starts, sections.is_one) == (("und",), (0, 3), True)
    assert not Sections.of({"en": 3}).is_one


def test_names_are_distinct_and_have_starts():
    """Wrong sections are refused."""
    for names, starts in ((("en",), (0,)), (("en", "en"), (0, 1, 2))):
        with pytest.raises(InputError, match="distinct names"):
            Sections(names, starts)
