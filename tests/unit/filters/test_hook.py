"""Filters of users: their names, their input, and every mistake that they can make."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.errors import ConfigError, FilterError
from metaclip_spark.filters.hook import HOOK_SCHEMA, Hook, load_filter

CATS = """
import pyarrow.compute as pc

LIST = ["no function"]

def no_cats(batch):
    return pc.invert(pc.match_substring(batch.column("text"), "cat")), "cat"
"""

FACTORY = """
class Longer:
    def __init__(self, chars):
        self.chars = int(chars)
        self.id = chars

    def __call__(self, batch):
        return [len(text) <= self.chars for text in batch.column("text").to_pylist()], "long"

def longer(chars="3"):
    return Longer(chars)

def without_id():
    return len

def local():
    made = lambda batch: (True, "")
    made.id = "1"
    return made
"""


def hook(call) -> Hook:
    """Return a hook around a function of the test."""
    return Hook("my:filter", "my:filter@0", call)


def test_a_filter_drops_what_its_mask_says(module, batch):
    """False in the mask drops the text, under the filter's reason."""
    module("cats", CATS)
    found = load_filter("cats:no_cats").reasons(batch(["a cat", "a dog"]))
    assert found.to_pylist() == ["filter:cat", None]
    assert load_filter("cats:no_cats").reasons(batch(["a dog"])) is None


def test_a_filter_sees_the_documented_columns(batch):
    """Every column exists with its type, and is null if the reader has no values."""
    batches = []

    def look(given):
        batches.append(given)
        return np.ones(len(given), dtype=bool), "never"

    columns = {"page_url": ["http://ex.org/"], "lang": ["en"], "extra": [[("width", "80")]]}
    assert hook(look).reasons(batch(["a cat"], **columns)) is None
    assert hook(look).reasons(batch(["a cat"])) is None
    assert [given.schema for given in batches] == [HOOK_SCHEMA, HOOK_SCHEMA]
    first = {"url": "http://ex.org/0.jpg", "text": "a cat", "text_source": "alt"}
    assert batches[0].to_pylist() == [first | {"page_url": "http://ex.org/", "lang": "en", "extra": [("width", "80")]}]
    assert batches[1].to_pylist() == [first | {"page_url": None, "lang": None, "extra": None}]


@pytest.mark.parametrize(
    "mask",
    [np.array([True, False]), pa.array([True, False]), pa.chunked_array([[True], [False]])],
    ids=["numpy", "array", "chunked"],
)
@pytest.mark.parametrize(
    "reason",
    ["b", pa.array([None, "b"]), pa.array(["", "b"], pa.large_string()), pa.chunked_array([["a"], ["b"]])],
    ids=["str", "array", "large", "chunked"],
)
def test_masks_and_reasons_may_come_in_several_forms(batch, mask, reason):
    """Arrow or numpy; one reason for all rows or one per row, which a kept row may lack."""
    assert hook(lambda _: (mask, reason)).reasons(batch(["a", "b"])).to_pylist() == [None, "filter:b"]


KEEP, DROP = [True, True], [True, False]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "returned NoneType; expected a tuple (mask, reason)."),
        (pa.array(KEEP), "returned BooleanArray; expected a tuple (mask, reason)."),
        ((pa.array(KEEP), "a", "b"), "returned tuple; expected a tuple (mask, reason)."),
        ((KEEP, "a"), "returned a mask of type list; expected a boolean pyarrow or numpy array."),
        ((pa.array([1, 0]), "a"), "returned a mask of type int64; expected a boolean pyarrow or numpy array."),
        ((np.array([1, 0]), "a"), "returned a mask of type int64; expected a boolean pyarrow or numpy array."),
        ((pa.array([True]), "a"), "returned a mask of 1 rows; expected 2, one for each row of the batch."),
        ((pa.array([True, None]), "a"), "returned a mask with 1 nulls; expected true (keep) or false for each row."),
        ((pa.array(DROP), 7), "returned a reason of type int; expected a str, or a string array."),
        ((pa.array(DROP), pa.array([1, 2])), "returned a reason of type int64; expected a str, or a string array."),
        (
            (pa.array(DROP), pa.array(["a"])),
            "returned a reason array of 1 rows; expected 2, one for each row of the batch.",
        ),
        (
            (pa.array(DROP), pa.array(["a", None])),
            "rejected a row without a reason; expected a reason wherever the mask is false.",
        ),
        ((pa.array(DROP), ""), "rejected a row without a reason; expected a reason wherever the mask is false."),
        (
            (pa.array(DROP), "r" * 101),
            "returned 1 different reasons in one batch, the longest of 101 characters; "
            "expected a few kinds, of at most 100 characters.",
        ),
    ],
)
def test_a_filter_that_breaks_its_promise_ends_the_task(batch, result, message):
    """No row is lost in silence: the error names the filter, the value returned and the value expected."""
    with pytest.raises(FilterError) as error:
        hook(lambda _: result).reasons(batch(["a", "b"]))
    assert str(error.value) == f"filter my:filter {message}"


def test_texts_are_no_reasons(batch):
    """Each reason is stored with each source, so a filter with one reason per text is refused."""
    texts = [f"text {at}" for at in range(101)]
    with pytest.raises(FilterError, match="returned 101 different reasons in one batch"):
        hook(lambda given: (np.zeros(len(given), dtype=bool), given.column("text"))).reasons(batch(texts))


def test_a_filter_that_raises_ends_the_task_under_its_name(batch):
    """The error of the filter is reported and kept as the cause."""
    with pytest.raises(FilterError, match=r"^filter my:filter raised KeyError: 'texts'$") as error:
        hook(lambda given: {}["texts"]).reasons(batch(["a"]))
    assert isinstance(error.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cats", "filter must be named package:function, got 'cats'."),
        ("cats.py:no_cats()", "filter must be named package:function, got 'cats.py:no_cats()'."),
        (":no_cats", "filter must be named package:function, got ':no_cats'."),
        (
            "dogs:no_dogs",
            "filter dogs:no_dogs: there is no module 'dogs'. Install it, or put its folder on PYTHONPATH "
            "(on a cluster: --py-files).",
        ),
        ("cats:no_dogs", "filter cats:no_dogs: module cats has no 'no_dogs'."),
        ("cats:LIST", "filter cats:LIST: LIST is list; expected a function."),
        ("broken:f", "filter broken:f: importing broken raised ZeroDivisionError: division by zero"),
        ("needs:f", "filter needs:f: importing needs needs 'no_such_thing', which is missing."),
        (
            "sys:exit",
            "filter sys:exit: the source of module sys cannot be read; its hash is part of the filter's id. "
            "Define the filter in a Python file.",
        ),
        (
            "factory:longer?chars",
            "filter factory:longer: parameters must be name=value&name=value, each once, got 'chars'.",
        ),
        (
            "factory:longer?chars=1&chars=2",
            "filter factory:longer: parameters must be name=value&name=value, each once, got 'chars=1&chars=2'.",
        ),
        (
            "factory:longer?chars=x",
            "filter factory:longer?chars=x: ValueError: invalid literal for int() with base 10: 'x'",
        ),
        (
            "factory:longer?words=1",
            "filter factory:longer?words=1: TypeError: longer() got an unexpected keyword argument 'words'",
        ),
        (
            "factory:without_id?",
            "filter factory:without_id: the factory returned builtin_function_or_method; expected "
            "an object that is called with a batch, with an attribute id (str) that changes with all of its data.",
        ),
    ],
)
def test_a_filter_that_cannot_be_loaded_is_refused_before_the_work(module, spec, message):
    """Each wrong name has its error, which is one of configuration."""
    module("cats", CATS)
    module("factory", FACTORY)
    module("broken", "1 / 0")
    module("needs", "import no_such_thing")
    with pytest.raises(ConfigError) as error:
        load_filter(spec)
    assert str(error.value) == message


def test_what_cannot_be_pickled_is_refused_at_the_start(module):
    """Workers are other processes, so the object of a factory has to be pickled."""
    module("factory", FACTORY)
    with pytest.raises(
        ConfigError, match=r"^filter factory:local: the object of the factory cannot be pickled for the workers: "
    ):
        load_filter("factory:local?")


def test_the_id_changes_with_the_source(module):
    """A name with other code is another filter; the same code is the same filter."""
    module("cats", CATS)
    first = load_filter("cats:no_cats").id
    assert load_filter("cats:no_cats").id == first
    name, _, digest = first.partition("@")
    assert (name, len(digest)) == ("cats:no_cats", 12)
    module("cats", CATS + "\n# changed\n")
    assert load_filter("cats:no_cats").id != first


def test_the_id_changes_with_the_source_behind_another_name(module):
    """A function that a package only re-exports is identified by the module that defines it."""
    module("cats", CATS)
    module("front", "from cats import no_cats")
    first = load_filter("front:no_cats").id
    module("cats", CATS + "\n# changed\n")
    module("front", "from cats import no_cats")
    assert load_filter("front:no_cats").id != first


def test_the_id_changes_with_what_a_factory_holds(module):
    """Parameters are part of the id because they decide which texts are dropped; their spelling is not."""
    module("factory", FACTORY)
    ids = [load_filter(f"factory:longer?{query}").id for query in ("", "chars=3", "chars=4", "chars=%33")]
    assert ids[0] == ids[1] == ids[3] != ids[2]
    assert ids[0].startswith("factory:longer@")


def test_a_plain_function_is_pickled_by_name(module):
    """A worker imports the function by its name."""
    module("cats", CATS)
    sent = pickle.dumps(load_filter("cats:no_cats"))
    del sys.modules["cats"]
    assert pickle.loads(sent).id == load_filter("cats:no_cats").id
    assert b"match_substring" not in sent


def test_a_worker_with_another_source_is_an_error(module):
    """Two workers must not filter by two versions."""
    module("cats", CATS)
    sent = pickle.dumps(load_filter("cats:no_cats"))
    module("cats", CATS + "\n# changed\n")
    with pytest.raises(FilterError, match="^filter cats:no_cats differs on this worker: got cats:no_cats@"):
        pickle.loads(sent)
