"""Print what --pii finds in real captions and alt texts, and how many of the finds are right.

    python tests/benchmarks/pii_precision.py [--data ../shared/data] [--show]

A find is a pair and a kind. Each was looked at once; `pii_verdicts.tsv` has the verdicts, as hashes of pair id and
kind: no text, and no url. --show prints the finds without a verdict, with their hashes. A find is right if a person
reads it as data of that kind that names someone or something; an address that stands for any address is wrong.
"""

from __future__ import annotations

import argparse
import gzip
import math
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.candidates.ledger import PII_KINDS
from metaclip_spark.candidates.options import TEXT_FIELDS, ExtractOptions
from metaclip_spark.core.hashing.ids import pair_id
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.filters.pii import scan
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.terminal.tables import print_rows

HERE = Path(__file__).resolve().parent
VERDICTS = HERE / "pii_verdicts.tsv"
TABLES = ("cmoa", "laion_sample", "xflickrco_8lang")
CRAWLS = ("pages.wat.gz", "pages.warc.gz", "ccmain2020-34_sample.warc.gz", "clueweb-quirk.warc.gz")
Z = 1.96


def captions(folder: Path) -> Iterator[tuple[list[str], pa.Array]]:
    """Yield urls and texts of the files of captions."""
    for name in TABLES:
        table = pq.read_table(folder / f"{name}.parquet", columns=["url", "text"]).drop_null().combine_chunks()
        yield table["url"].to_pylist(), table["text"].cast(pa.string()).combine_chunks()
    with gzip.open(folder / "cc3m_val.tsv.gz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    yield [row[1] for row in rows], pa.array([row[0] for row in rows])


def alt_texts(folder: Path) -> Iterator[tuple[list[str], pa.Array]]:
    """Yield urls and texts of the files of crawls."""
    options = ExtractOptions(text_fields=TEXT_FIELDS, opt_outs=())
    for name in CRAWLS:
        for split in splits_of(find_sources([str(folder / name)])):
            for batch in extract_split(split, options, Tools(), Stamp("s", "m", "b")):
                if batch.column("kind")[0].as_py() == "pair":
                    yield batch.column("url").to_pylist(), batch.column("text")


def verdicts() -> dict[str, str]:
    """Return hash -> right or wrong."""
    lines = VERDICTS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))  # type: ignore[misc]


def interval(right: int, judged: int) -> str:
    """Return Wilson's interval of 95%, in words."""
    share, spread = right / judged, Z * Z / judged
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return f"{middle - half:.0%} to {middle + half:.0%}"


def main() -> None:
    """Print the table of each group of texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parents[2] / "shared" / "data")
    parser.add_argument("--show", action="store_true", help="print the finds that have no verdict")
    args = parser.parse_args()
    known = verdicts()
    for title, batches in (("captions", captions(args.data / "captions")), ("crawls", alt_texts(args.data / "crawl"))):
        texts, seen, ended = 0, set[str](), {kind: Counter[str]() for kind in PII_KINDS}
        for urls, column in batches:
            texts += len(column)
            found = scan(column)
            for row, kinds in zip(found.rows.tolist(), found.kinds, strict=True):
                text = column[row].as_py()
                for kind in kinds:
                    name = f"{pair_id(urls[row], text)}:{kind}"
                    digest = blake2b(name.encode(), digest_size=8).hexdigest()
                    if digest in seen:
                        continue  # a page is in a WARC and in a WAT
                    seen.add(digest)
                    ended[kind][known.get(digest, "open")] += 1
                    if args.show and digest not in known:
                        print(digest, kind, text, sep="\t")
        rows = []
        for kind, counts in ended.items():
            judged = counts["right"] + counts["wrong"]
            shown = f"{counts['right'] / judged:.0%} ({interval(counts['right'], judged)})" if judged else ""
            rows.append([kind, *(f"{counts[each]:,}" for each in ("right", "wrong", "open")), shown])
        print(f"\n{title}: {texts:,} texts")
        print_rows(["kind", "right", "wrong", "not judged", "precision (95%)"], rows)


if __name__ == "__main__":
    main()
