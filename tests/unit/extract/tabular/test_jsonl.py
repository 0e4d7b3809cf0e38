"""JSON lines: strings only for urls, texts and languages; every other line is a counted reject."""

from __future__ import annotations

import time

import pytest

GOOD = b'{"url": "u1", "text": "good"}'


def lines(path, *rows: bytes, end: bytes = b"\n"):
    path.write_bytes(end.join([GOOD, *rows, GOOD.replace(b"u1", b"u2")]) + end)
    return path


def pairs(*more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("u1", "good"), *more, ("u2", "good")]


@pytest.mark.parametrize("field", ["url", "text", "lang"])
@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1984", "1.5", "true", "[]", '["a", "b"]', '{"en": "a"}']
)
def test_values_that_are_no_strings_are_rejects(tmp_path, extract, field, value):
    """A list, a number, a boolean or an object is no url, text or language."""
    row = {"url": '"u"', "text": '"t"', "lang": '"en"', field: value}
    line = "{" + ", ".join(f'"{name}": {it}' for name, it in row.items()) + "}"
    found = extract(lines(tmp_path / "a.jsonl", line.encode()), lang_column="lang")
    assert (found.rows, found.rejected) == (pairs(), {"broken_row": 1})
    (reject,) = found.rejects
    assert reject["record"] == "line 2"
    assert f"'{field}' is " in reject["detail"]
    assert found.ending == ("done", None)


def test_the_text_nan_is_a_text(tmp_path, extract):
    """A string is a string, whatever it says."""
    path = lines(tmp_path / "a.jsonl", b'{"url": "u3", "text": "NaN"}', b'{"url": "1", "text": "null"}')
    assert extract(path).rows == pairs(("u3", "NaN"), ("1", "null"))


@pytest.mark.parametrize("value", ["[1]", "{}", "true", "NaN"])
def test_keys_are_strings_or_numbers(tmp_path, extract, value):
    """A number is a key in its decimal form."""
    rows = [b'{"url": "u3", "text": "t", "id": 12}', b'{"url": "u4", "text": "t", "id": %s}' % value.encode()]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(rows))
    found = extract(path, id_column="id", dedup=False)
    assert [pair["pair_id"] for pair in found.pairs] == ["12"]
    assert found.rejected == {"broken_row": 1}


@pytest.mark.parametrize(
    "line",
    [
        b'{"url": "u", "text": "a", "text": "b"}',
        b'{"url": "u", "url": "u", "text": "a"}',
        b'{"text":"a","url":"u","text":1}',
    ],
)
def test_a_key_that_is_there_twice_is_a_reject(tmp_path, extract, line):
    """Parsers take the first or the last of them; neither is taken in silence."""
    found = extract(lines(tmp_path / "a.jsonl", line))
    assert (found.rows, found.rejected) == (pairs(), {"broken_row": 1})


def test_the_same_key_elsewhere_is_no_repeat(tmp_path, extract):
    """A key of an inner object, a value, and a column that is not wanted may repeat."""
    rows = [
        b'{"url": "u3", "meta": {"text": "x", "text": "y"}, "text": "a"}',
        b'{"url": "u4", "text": "text", "k": "\\"text\\""}',
        b'{"url": "u5", "k": 1, "k": 2, "text": "c"}',
    ]
    found = extract(lines(tmp_path / "a.jsonl", *rows))
    assert (found.rows, found.rejected) == (pairs(("u3", "a"), ("u4", "text"), ("u5", "c")), {})


@pytest.mark.parametrize(
    "line",
    [
        b'{"url": "u", "text": "caf\xe9"}',
        GOOD + GOOD,
        b"{'url': 'u', 'text': 't'}",
        b'{"url": "u", "text": "t"',
        b'{"url": "u", "text": "t"},',
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 100_000,
        b'{"url": "u", "text": "t", "n": ' + b"1" * 10_000 + b"}",
        b"\0" * 100,
        b"{\0}",
        GOOD.decode().encode("utf-16"),
    ],
    ids=["latin-1", "two", "quotes", "cut", "comma", "deep", "deep list", "digits", "nuls", "a nul", "utf-16"],
)
def test_a_broken_line_is_one_reject(tmp_path, extract, line):
    """The lines around it are read."""
    found = extract(lines(tmp_path / "a.jsonl", line.replace(b"\n", b"")))
    assert (found.rows, sum(found.rejected.values())) == (pairs(), 1)
    assert found.ending == ("done", None)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \t\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_blank_lines_and_byte_order_marks(tmp_path, extract, end, mark):
    """None of them is a row or an error; a mark may also be inside, where files were joined."""
    path = lines(tmp_path / "a.jsonl", mark + b'{"url": "u3", "text": "t"}', end=end)
    path.write_bytes(mark + path.read_bytes())
    found = extract(path)
    assert (found.rows, found.rejected) == (pairs(("u3", "t")), {})


def test_rows_of_many_blocks_keep_their_order(tmp_path, extract):
    """Lines are cut at the borders of blocks, and counted once."""
    rows = [b'{"url": "u%d", "text": "%s %d"}' % (n, b"word " * (n % 60), n) for n in range(30_000)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([*rows[:20_000], b"{", *rows[20_000:]]))
    found = extract(path)
    assert [pair["url"] for pair in found.pairs] == [f"u{n}" for n in range(30_000)]
    assert [pair["position"] for pair in found.pairs] == list(range(30_000))
    assert found.rejected == {"broken_json": 1}
    assert found.rejects[0]["record"] == "line 20001"


def test_a_row_of_many_keys_takes_time_in_proportion_to_them(tmp_path, extract):
    """Whether a key is there twice is counted once for all keys, and not for each."""
    keys = ", ".join(f'"k{n}": 0' for n in range(100_000))
    line = f'{{"url": "http://ex.org/a.jpg", "text": "a cat", {keys}, "x": {{"url": 1}}}}'
    (tmp_path / "a.jsonl").write_text(line + "\n")
    began = time.process_time()
    assert [text for _, text in extract(tmp_path / "a.jsonl").rows] == ["a cat"]
    assert time.process_time() - began < 10
