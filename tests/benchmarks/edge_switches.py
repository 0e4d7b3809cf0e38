"""Measure the recall that each switch of worldwide mode buys, on captions of many languages.

    python tests/benchmarks/edge_switches.py [--entries 20000] [--lists FOLDER]

A language's list is read from `--lists` (`<code>.json.gz`). Without it, the list is made of half of the language's own
captions: their frequent words, and parts of words in scripts without spaces. The other half is matched. Texts are as
`run` stores them. The table says how many texts match at least one entry, how many ids a text has, and what each switch
changes of both.
"""

from __future__ import annotations

import argparse
import gzip
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from worldwide_texts import CAPTIONS, captions_of

from metaclip_spark.core.text import clean_text
from metaclip_spark.core.worldwide.edge_rule import edge_table
from metaclip_spark.core.worldwide.switches import Switches
from metaclip_spark.matchers.worldwide.compiled import CompiledList
from metaclip_spark.matchers.worldwide.lists import lists_in
from metaclip_spark.metadata import Metadata, load_metadata
from metaclip_spark.terminal.tables import print_rows

LANGUAGES = ("de", "en", "es", "id", "ja", "ru", "tr", "zh")
SETTINGS = {
    "padding": Switches(pad_punctuation=True),
    "kana, Hangul": Switches(kana_hangul_edges=True),
    "zero width": Switches(zero_width=True),
    "NFC": Switches(nfc=True),
    "all": Switches(True, True, True, True),
}


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--lists", type=Path)
    args = parser.parse_args()
    given = lists_in(args.lists) if args.lists else {}
    rows = []
    for name, code, texts in captions():
        matched = texts[1::2]
        if code in given:
            metadata = load_metadata(given[code])
        else:
            metadata = Metadata.from_entries(frequent(texts[::2], args.entries))
        array = pa.array(matched)
        base = CompiledList.of(metadata, Switches()).match(array)
        row = [
            name,
            f"{len(metadata.entries):,}",
            f"{100 * (base.counts > 0).mean():.2f}%",
            f"{len(base.ids) / len(matched):.2f}",
        ]
        for switches in SETTINGS.values():
            found = CompiledList.of(metadata, switches).match(array)
            texts_more = 100 * ((found.counts > 0).mean() - (base.counts > 0).mean())
            row.append(f"{100 * (len(found.ids) / max(len(base.ids), 1) - 1):+.2f}% {texts_more:+.2f}")
        rows.append(row)
    print("Each switch: change of the ids in percent, and of the texts that match in points")
    print_rows(["texts", "entries", "match", "ids", *SETTINGS], rows)


def captions() -> list[tuple[str, str, list[str]]]:
    """Return (name, language, texts) of every file of captions."""
    found = [(f"xflickrco {code}", code, captions_of(code)) for code in LANGUAGES]
    for path in sorted(CAPTIONS.parent.glob("*.parquet")):
        if path != CAPTIONS:
            found.append((path.stem, "en", pq.read_table(path, columns=["text"])["text"].to_pylist()))
    for path in sorted(CAPTIONS.parent.glob("*.tsv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            found.append((path.name, "en", [line.split("\t")[0] for line in lines]))
    return [(name, code, [clean_text(text) for text in texts if text]) for name, code, texts in found]


def frequent(texts: list[str], number: int) -> list[str]:
    """Return frequent words in NFC; of words in scripts without spaces, the parts of up to four characters."""
    counts: Counter[str] = Counter()
    for text in texts:
        for word in re.findall(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*)*", unicodedata.normalize("NFC", text)):
            if has_no_spaces(word):
                sizes = range(1, 5)
                counts.update(word[at : at + size] for size in sizes for at in range(len(word) - size + 1))
            else:
                counts[word] += 1
    return [word for word, count in counts.most_common(number) if count > 1]


def has_no_spaces(word: str) -> bool:
    """Return whether a word has an edge character, kana or Hangul, and so may be a whole sentence."""
    table = edge_table(kana_hangul=True)
    return any(table[ord(char)] for char in word)


if __name__ == "__main__":
    main()
