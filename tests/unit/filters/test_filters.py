"""All filters of a run together: their order, their defaults, and their pickles."""

from __future__ import annotations

import pickle

import pytest

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.filters import Filters, load_blocklist, load_filter

DROP_X = """
import pyarrow.compute as pc

def drop_x(batch):
    return pc.invert(pc.match_substring(batch.column("text"), "x")), "x"

def drop_all(batch):
    return pc.is_null(batch.column("text")), f"all of {len(batch)}"
"""


@pytest.fixture
def filters(tmp_path, module):
    """Build filters of these settings; `hooks` name functions of a module (drop_x, drop_all), `blocked` are domains."""
    module("some_filters", DROP_X)

    def build(*, hooks: tuple[str, ...] = (), blocked: tuple[str, ...] = (), **settings) -> Filters:
        blocklist = None
        if blocked:
            (tmp_path / "list.txt").write_text("\n".join(blocked))
            blocklist = load_blocklist(tmp_path / "list.txt")
        loaded = [load_filter(f"some_filters:{name}") for name in hooks]
        settings |= {"filters": tuple(hook.id for hook in loaded), "blocklist": blocklist and blocklist.id}
        return Filters(ExtractOptions(**settings), blocklist, loaded)

    return build


def test_nothing_is_on_by_default(filters, batch):
    """The paper keeps short texts and numbers."""
    assert not filters().any
    assert filters().reasons(batch(["a", "1984", "IMG_1234.jpg"])) is None


@pytest.mark.parametrize(
    ("settings", "text", "reason"),
    [
        ({"min_chars": 4}, "cat", "too_short"),
        ({"min_words": 2}, "cat", "too_short"),
        ({"max_chars": 2}, "cat", "too_long"),
        ({"max_words": 1}, "a cat", "too_long"),
        ({"no_digits": True}, "1984", "digits"),
        ({"no_file_names": True}, "DSC00012", "file_name"),
        ({"image_extensions": ("png",)}, "cat", "image_extension"),
        ({"blocked": ("ex.org",)}, "cat", "blocklist"),
        ({"hooks": ("drop_x",)}, "x", "filter:x"),
    ],
)
def test_each_filter_gives_its_reason(filters, batch, settings, text, reason):
    """One text is dropped for the filter's reason; the other text, which no filter rejects, is kept."""
    made = filters(**settings)
    assert made.any
    found = made.reasons(batch([text, "good dog" if "max_words" not in settings else "dog"], **urls(settings)))
    if "max_chars" in settings:
        assert found.to_pylist() == [reason, reason]
    else:
        assert found.to_pylist() == [reason, None]


def urls(settings: dict) -> dict:
    """Return a second url that neither the blocklist nor the extensions reject."""
    return {"url": ["http://ex.org/1.jpg", "http://other.com/2.png"]}


def test_the_first_reason_counts(filters, batch):
    """The order is blocklist, image_extension, too_short, too_long, digits, file_name, then the hooks."""
    everything = {
        "blocked": ("bad.org",),
        "image_extensions": ("jpg",),
        "min_chars": 2,
        "max_chars": 9,
        "no_digits": True,
        "no_file_names": True,
        "hooks": ("drop_x", "drop_all"),
    }
    texts = ["1", "1", "1", "12345678901", "123", "IMG_123", "an x", "a cat"]
    url = ["http://bad.org/1.png", "http://ex.org/1.png", *["http://ex.org/1.jpg"] * 6]
    assert filters(**everything).reasons(batch(texts, url=url)).to_pylist() == [
        "blocklist",
        "image_extension",
        "too_short",
        "too_long",
        "digits",
        "file_name",
        "filter:x",
        "filter:all of 1",
    ]


def test_the_page_is_blocked_as_the_image_is(filters, batch):
    """Texts of a listed page are dropped, whatever the image's host; a text without a page depends on its image."""
    pages = ["http://bad.org/p", "http://good.org/p", None]
    assert filters(blocked=("bad.org",)).reasons(batch(["a", "b", "c"], page_url=pages)).to_pylist() == [
        "blocklist",
        None,
        None,
    ]


def test_a_batch_without_texts_reaches_no_hook(filters, batch):
    """An empty batch, and a batch whose texts were all rejected, reach no hook."""
    assert filters(hooks=("drop_all",)).reasons(batch([])) is None
    assert filters(min_chars=5, hooks=("drop_all",)).reasons(batch(["a"])).to_pylist() == ["too_short"]


def test_filters_can_be_pickled(filters, batch):
    """Pickled filters reject the same texts."""
    made = filters(blocked=("bad.org",), min_chars=2, hooks=("drop_x",))
    again = pickle.loads(pickle.dumps(made))
    texts = batch(
        ["a", "x or so", "a cat", "dog"], url=["http://ex.org/1", "http://e/2", "http://e/3", "http://bad.org"]
    )
    assert again.reasons(texts).to_pylist() == ["too_short", "filter:x", None, "blocklist"]
    assert again.options == made.options


def test_filters_that_the_options_do_not_name_are_refused(filters):
    """A filter that drops rows must be part of extract_id."""
    made = filters(blocked=("bad.org",), hooks=("drop_x",))
    message = "the options must name the blocklist and the filters that are given, and no others"
    for given in ((ExtractOptions(), made.blocklist, ()), (ExtractOptions(), None, made.hooks), (made.options,)):
        with pytest.raises(ValueError, match=message):
            Filters(*given)
