"""Print the software bill of materials of what ships, with licences: CycloneDX 1.6, JSON.

    python jobs/requirements/sbom.py > jobs/requirements/sbom.cdx.json

It covers the package, its entry lists and the packages of machine.txt; those of cluster.txt are a part of them. Run it
where the package is installed with [report,s3]: licences are read from the installed packages.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOCK = HERE / "machine.txt"
KNOWN = {"async-timeout": "Apache-2.0", "colorama": "BSD-3-Clause", "fasttext-predict-v2": "MIT", "pysimdjson": "MIT"}
"""Licences as the files LICENSE say, of packages whose metadata names none, or that other systems and Pythons need."""
_LONG = 80
"""Longer texts of a field License are the licence itself."""


def locked(path: Path) -> list[tuple[str, str, list[str]]]:
    """Return (name, version, sha256 hashes) of each package of a lock file; a name may have several versions."""
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found = [re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", line) for line in lines]
    hashes = [re.findall(r"--hash=sha256:(\w+)", line) for line in lines]
    return [(each[1], each[2], sums) for each, sums in zip(found, hashes, strict=True) if each is not None]


def licence_of(name: str) -> list[dict[str, Any]]:
    """Return the licences that an installed package names; empty if it is not installed or names none."""
    if name in KNOWN:
        return [{"license": {"id": KNOWN[name]}}]
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return []
    expression = about.get("License-Expression")
    if expression:
        return [{"expression": expression}]
    classifiers = [text.rpartition(" :: ")[2] for text in about.get_all("Classifier") or () if "License :: " in text]
    named = (about.get("License") or "").strip()
    names = [named] if named and len(named) < _LONG and "\n" not in named else []
    return [{"license": {"name": each}} for each in dict.fromkeys(names or classifiers) if each]


def component_of_package(name: str, version: str) -> dict[str, Any]:
    """Return a package of the lock file, with its licences if they are known."""
    licences = licence_of(name)
    place = f"pkg:pypi/{name.lower()}@{version}"
    made = {"type": "library", "bom-ref": place, "name": name, "version": version, "purl": place}
    return {**made, "licenses": licences} if licences else made


def component_of_list(path: Path) -> dict[str, Any]:
    """Return an entry list, with the licences of its sources as its sidecar names them."""
    sidecar = path.with_name(path.name.replace(".json.gz", ".sidecar.json"))
    sources = json.loads(sidecar.read_text(encoding="utf-8")).get("sources", [])
    names = sorted({licence for source in sources for licence in _licences(source)})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    place = path.relative_to(ROOT).as_posix()
    made = {"type": "data", "bom-ref": place, "name": place, "hashes": [{"alg": "SHA-256", "content": digest}]}
    return {**made, "licenses": [{"license": {"name": name}} for name in names]}


def _licences(source: dict[str, Any]) -> list[str]:
    named = source.get("licence") or ""
    return [part.strip() for part in named.split(";") if part.strip() and part.strip() != "none needed"]


def bill() -> dict[str, Any]:
    """Return the document. Equal files and installed packages give equal bytes."""
    version = re.search(r'__version__ = "([^"]+)"', (ROOT / "metaclip_spark" / "version.py").read_text())
    assert version is not None, "version.py names no version"
    lists = [*sorted((ROOT / "metadata").glob("*.json.gz")), *sorted((ROOT / "metadata/worldwide").glob("*.json.gz"))]
    packages = [component_of_package(name, number) for name, number, _ in locked(LOCK)]
    parts = [*map(component_of_list, lists), *packages]
    own = {"type": "application", "bom-ref": "metaclip-spark", "name": "metaclip-spark", "version": version[1]}
    digest = hashlib.sha256(json.dumps([own, parts], sort_keys=True).encode()).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32])}",
        "version": 1,
        "metadata": {"component": {**own, "licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": parts,
        "dependencies": [{"ref": "metaclip-spark", "dependsOn": [part["bom-ref"] for part in parts]}],
    }


if __name__ == "__main__":
    made = bill()
    without = [part["name"] for part in made["components"] if "licenses" not in part]
    print(json.dumps(made, indent=1, ensure_ascii=False))
    if without:
        print(f"No licence is known of {', '.join(without)}: they are not installed here.", file=sys.stderr)
