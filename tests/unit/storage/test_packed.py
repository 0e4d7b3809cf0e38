"""Values survive a page, and no value can break out of it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.storage.packed import block, packed, split_blocks

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(VALUES)
def test_values_come_back_from_a_page(values):
    """Also `</script>` and quotes; the rest of the page is as it was."""
    page = f"<p>before</p>{block('entries', values)}<p>after</p>"
    assert split_blocks(page) == ("<p>before</p><p>after</p>", {"entries": values})
    assert re.fullmatch("[A-Za-z0-9+/=]+", packed(values))


def test_equal_values_give_equal_letters():
    """No time is in them."""
    assert packed(["a", 1]) == packed(["a", 1])


def test_damaged_blocks_have_no_values():
    """What is no base64, no gzip, cut short, or no JSON."""
    whole = packed(["text"] * 100)
    for letters in ("", "A", "AAAA", whole[: len(whole) // 2], whole[:-8] + "AAAAAAA="):
        page = f'<script type="application/octet-stream" id="entry-texts">{letters}</script>'
        assert split_blocks(page) == ("", {"entry-texts": None})
