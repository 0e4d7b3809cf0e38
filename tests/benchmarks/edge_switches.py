"""Measure the recall that each switch of worldwide mode buys, on captions of many languages.

    python tests/benchmarks/edge_switches.py [--entries 20000] [--lists FOLDER]

A language's list is read from `--lists` (`<code>.json.gz`). Without it, the list is made of half of the language's own
captions: their frequent words, and parts of words in scripts without spaces. The other half is matched. Texts are as
`run` stores them. For each language and switch, the table says how many texts match at least one entry, and how many
ids a text has.
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
    "none": Switches(),
    "pad_punctuation": Switches(pad_punctuation=True),
    "kana_hangul_edges": Switches(kana_hangul_edges=True),
    "zero_width": Switches(zero_width=True),
    "nfc": Switches(nfc=True),
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
        for setting, switches in SETTINGS.items():
            found = CompiledList.of(metadata, switches).match(array)
            if setting == "none":
                base = found
            texts_matched, more = (found.counts > 0).sum(), (found.counts > 0).sum() - (base.counts > 0).sum()
            rows.append(
                [
                    name,
                    setting,
                    f"{len(metadata.entries):,}",
                    f"{100 * texts_matched / len(matched):.2f}%",
                    f"{100 * more / len(matched):+.2f}",
                    f"{len(found.ids) / len(matched):.3f}",
                    f"{100 * (len(found.ids) / max(len(base.ids), 1) - 1):+.2f}%",
                ]
            )
    print_rows(["texts", "switch", "entries", "matched", "points", "ids per text", "ids"], rows)


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
