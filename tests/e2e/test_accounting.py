"""What a command says at its end: sources without a pair, an empty pool or subset, and numbers that add up."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from e2e_world import SHARED, UNMATCHED, row, rows_of, write_parquet, write_tsv

from metaclip_spark.core.draw import draws, pair_keys

pytestmark = pytest.mark.spark

AGAIN = "A source is read once per warehouse and snapshot: to read it with other settings, use `snapshots replace`."


def assert_adds_up(funnel: list[dict]) -> None:
    """Check that each row of a funnel is the row before it and the lines between them."""
    for before, after in zip(funnel, funnel[1:], strict=False):
        assert before["value"] - sum(after["left_out"].values()) + sum(after["added"].values()) == after["value"]


def warnings_of(err: str) -> list[str]:
    """Return the warnings that a command printed, without those about the entry list, which come first."""
    lines = [line.removeprefix("warning: ") for line in err.splitlines() if line.startswith("warning: ")]
    return [line for line in lines if not line.startswith("metadata: ")]


def sentence_of(err: str) -> str:
    """Return the sentence of an error, the last line."""
    return err.splitlines()[-1].removeprefix("metaclip-spark: ")


@pytest.mark.timeout(900)
def test_sources_without_a_pair_are_warned_of_in_few_lines(world, metaclip):
    """They are done and have records. The lines, the outcome and the card name the most common reason."""
    for at in range(3):
        write_tsv(
            world.pool / f"no_url_{at}.tsv", [("", text, *more) for _, text, *more in [row("x", at), row("y", at)]]
        )
    write_tsv(world.pool / "none.tsv", [UNMATCHED])
    words = world.words("warehouse", "--outcome", world.root / "o.json", "--json")
    first = metaclip("run", *words)
    assert first.status == 0, first.err
    lines = [
        "3 sources are done without a pair; most common reason: no_url (a text without a url): 6 of 6 texts, e.g. "
        f"{world.pool}/no_url_0.tsv",
        "1 source is done without a pair; most common reason: no_match (the text matches no entry): 1 of 1 text, e.g. "
        f"{world.pool}/none.tsv",
    ]
    assert warnings_of(first.err) == lines
    assert "7 sources, 30 pairs, " in first.err
    assert " rows" not in first.err
    outcome = json.loads((world.root / "o.json").read_text(encoding="utf-8"))
    groups = [
        {
            "reason": "no_url",
            "sources": 3,
            "number": 6,
            "records": 6,
            "texts": 6,
            "example": f"{world.pool}/no_url_0.tsv",
        },
        {
            "reason": "no_match",
            "sources": 1,
            "number": 1,
            "records": 1,
            "texts": 1,
            "example": f"{world.pool}/none.tsv",
        },
    ]
    assert (outcome["status"], outcome["incomplete"]) == (0, [])
    assert outcome["sources_without_pairs"] == groups
    numbers = json.loads(first.out)
    assert numbers["sources_without_pairs"] == groups
    assert_adds_up(numbers["funnel"])
    assert [level["value"] for level in numbers["funnel"]][2:4] == [30, 28]
    assert numbers["funnel"][3]["left_out"] == {"repeats that met in deduplication": 2}
    second = metaclip("run", *words)
    assert (second.status, second.out) == (0, first.out)
    assert warnings_of(second.err) == lines


@pytest.mark.timeout(900)
def test_a_pool_of_other_languages_says_so_and_later_input_goes_on(spark, world, metaclip):
    """Nothing is drawn, the second command says the same, and texts in the language make the pool."""
    warehouse, outcome = world.root / "warehouse", world.root / "o.json"
    more = ["--lang-column", "lang", "--languages", "fr", "--outcome", outcome]
    words = world.words("warehouse", *more, input=world.pool / "b.tsv")
    sentence = (
        "the pool of snapshot default is empty: none of the 10 texts of 1 source gave a pair: 10 language (the text is "
        "not in one of the wanted languages). --languages all keeps every language, --languages de,fr these. "
        f"{AGAIN} Nothing was drawn."
    )
    for _ in range(2):
        ended = metaclip("run", *words)
        assert (ended.status, ended.out, sentence_of(ended.err)) == (1, "", sentence)
        written = json.loads(outcome.read_text(encoding="utf-8"))
        assert (written["status"], written["error"]) == (1, sentence)
        assert written["sources_without_pairs"][0]["reason"] == "language"
        for table in ("pairs", "curated_pairs", "entry_probabilities", "run_statistics"):
            assert rows_of(spark, warehouse, table) == []
    assert metaclip("sweep", "--warehouse", warehouse, "--metadata", world.metadata).status == 1
    french = [(url, text, "fr", *rest) for url, text, _, *rest in (row("f", n) for n in range(4))]
    write_tsv(world.root / "f.tsv", french)
    ended = metaclip("run", *world.words("warehouse", *more, "--json", input=world.root / "f.tsv"))
    assert ended.status == 0, ended.err
    numbers = json.loads(ended.out)
    assert (numbers["texts_read"], numbers["unique_pairs"], numbers["curated_size"] > 0) == (14, 4, True)
    assert_adds_up(numbers["funnel"])


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("rows", "more", "sentence"),
    [
        (
            [UNMATCHED, UNMATCHED],
            [],
            "the pool of snapshot default is empty: none of the 2 texts of 1 source gave a pair: 2 no_match (the text "
            "matches no entry). Check --metadata: `metaclip-spark metadata inspect` shows what is in a list. "
            f"{AGAIN} Nothing was drawn.",
        ),
        (
            [UNMATCHED],
            ["--keep-unmatched"],
            "the only pair of snapshot default matches no entry of the list. Check --metadata: `metaclip-spark "
            "metadata inspect` shows what is in a list. Nothing was drawn.",
        ),
        (
            None,
            [],
            "the pool of snapshot default is empty: its only source failed; the table `sources` has the reasons. Mend "
            "them, and run again with --retry failed. Nothing was drawn.",
        ),
    ],
)
def test_an_empty_pool_is_a_sentence(world, metaclip, rows, more, sentence):
    """Nothing matched, nothing matched but is kept, or no source could be read."""
    path = world.root / "input" / ("a.tsv" if rows else "a.parquet")
    if rows:
        write_tsv(path, rows)
    else:
        path.parent.mkdir()
        path.write_bytes(b"PAR1 but no more")
    ended = metaclip("run", *world.words("warehouse", *more, input=path, threshold=None))
    assert (ended.status, ended.out, sentence_of(ended.err)) == (1, "", sentence)
    if rows is None:
        assert f"{path} is failed: " in warnings_of(ended.err)[0]


@pytest.mark.timeout(900)
def test_an_empty_subset_is_a_sentence_with_the_odds(spark, world, metaclip):
    """Two pairs with p = 1/2 are both dropped. The card is printed, and another input goes on."""
    pairs = [("http://example.org/1.jpg", "zebra one"), ("http://example.org/2.jpg", "zebra two")]
    keys = pair_keys(*(pa.array(column) for column in zip(*pairs, strict=True)))
    seed = next(seed for seed in range(1_000) if (draws(keys, seed) >= 0.5).all())
    write_tsv(world.root / "z.tsv", [(*pair, "en", str(at), "") for at, pair in enumerate(pairs)])
    words = world.words("warehouse", "--seed", seed, "--json", input=world.root / "z.tsv", threshold=1)
    for _ in range(2):
        ended = metaclip("run", *words)
        assert ended.status == 1
        numbers = json.loads(ended.out)
        assert (numbers["unique_pairs"], numbers["curated_size"]) == (2, 0)
        assert_adds_up(numbers["funnel"])
        (sentence,) = warnings_of(ended.err)
        assert sentence.startswith("the curated subset is empty: of 2 pairs with an expected subset of 1.00 (± 0.71)")
        assert "none was drawn at t = 1. Raise --threshold, add input, or give another --seed" in sentence
    assert rows_of(spark, world.root / "warehouse", "curated_pairs") == []
    ended = metaclip("run", *world.words("warehouse", "--json", input=world.pool / "b.tsv"))
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["curated_size"] > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_snapshots_and_survivors_add_up(world, metaclip):
    """Pairs that an earlier snapshot has get a line of their own, and so do pairs that do not survive."""
    a = [row("a", n) for n in range(8)]
    write_parquet(world.root / "1" / "a.parquet", [*a, SHARED])
    write_parquet(world.root / "2" / "b.parquet", [*a[:3], *(row("b", n) for n in range(4)), SHARED])
    write_parquet(world.root / "2" / "c.parquet", [SHARED, row("b", 0)])
    assert metaclip("run", *world.words(input=world.root / "1", snapshot="one")).status == 0
    ended = metaclip("run", *world.words("warehouse", "--json", input=world.root / "2", snapshot="two"))
    assert ended.status == 0, ended.err
    numbers = json.loads(ended.out)
    assert_adds_up(numbers["funnel"])
    assert numbers["funnel"][3] == {
        "name": "Unique pairs: the pool",
        "value": 13,
        "left_out": {"pairs that an earlier snapshot has": 4, "repeats that met in deduplication": 2},
        "added": {},
    }
    tables = ["--warehouse", world.root / "warehouse", "--metadata", world.metadata, "-t", 2]
    ended = metaclip("balance", *tables, "--where", "url LIKE '%/a/%'", "--json")
    assert ended.status == 0, ended.err
    funnel = json.loads(ended.out)["funnel"]
    assert_adds_up(funnel)
    assert [level["value"] for level in funnel][3:5] == [13, 8]
    assert funnel[4]["left_out"] == {"pairs that are not left": 5}
    ended = metaclip("balance", *tables, "--where", "url LIKE 'nothing'")
    assert ended.status == 2
    assert "--where \"url LIKE 'nothing'\" leaves no matched pair of the pool" in ended.err

    write_parquet(world.root / "3" / "a.parquet", a[:2])
    ended = metaclip("run", *world.words("warehouse", "--snapshots", "three", input=world.root / "3", snapshot="three"))
    assert (ended.status, ended.out) == (1, "")
    assert sentence_of(ended.err) == (
        "the pool of snapshot three is empty. Its sources gave 2 pairs, but other snapshots had all of them before, or "
        "they were taken down. Balance it together with one, two (--snapshots). Nothing was drawn."
    )
