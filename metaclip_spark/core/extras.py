"""Name the command that installs a missing package or an extra, in an error."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

DISTRIBUTION = "metaclip-spark"


def how_to_install(extra: str) -> str:
    """Return the command that installs what an extra needs, such as `pip install 's3fs>=2024.2'`.

    The command names the packages, not the extra. It works wherever this package came from (an index, a clone, a wheel
    or an archive), and it never replaces the pyspark of a cluster.

    Args:
        extra: The name of an extra of setup.py.
    """
    packages = requirements(extra)
    # Modules from a zip have no list of requirements.
    return pip_install(*packages) if packages else pip_install(f"{DISTRIBUTION}[{extra}]")


def how_to_install_package(name: str) -> str:
    """Return the command that installs a package that every installation has, in the versions that are supported."""
    known = [line for line in requirements() if _name(line) == name]
    return pip_install(*(known or [name]))


def pip_install(*arguments: str) -> str:
    """Return a `pip install` with these arguments, by a pip that installs into the environment of this process."""
    return f"{pip()} install {shlex.join(arguments)}"


def pip() -> str:
    """Return the words that start the pip of this environment; `pip` alone where the one on PATH is of it."""
    on_path = shutil.which("pip")
    if on_path is not None and Path(on_path).parent == Path(sys.executable).parent:
        return "pip"
    if find_spec("pip") is None and shutil.which("uv") is not None:
        return "uv pip"
    return f"{shlex.quote(sys.executable or 'python3')} -m pip"


def requirements(extra: str | None = None) -> list[str]:
    """List the requirements of an extra, or those of every installation, as setup.py has them.

    Returns:
        Requirements in the order of setup.py. Empty if the package is not installed, or has no such extra.
    """
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        of = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        if (of and of[1]) == extra:
            rest = re.sub(r"(?:\s*and\s*)?extra == ['\"][\w-]+['\"]", "", marker).strip().removeprefix("(")
            rest = rest.removesuffix(")").strip()
            found.append(f"{requirement.strip()}; {rest}" if rest else requirement.strip())
    return found


def extra_of(module: str) -> str | None:
    """Return the extra that brings a module; "" if every installation has it, None if it is none of this package's.

    It asks the packages of this environment: a module that is missing here, too, has None.

    >>> extra_of("numba"), extra_of("my_filters")
    ('', None)
    """
    packages = {_normal(name) for name in metadata.packages_distributions().get(module, ())}
    for extra in ("", *_extras()):
        if packages & {_normal(_name(line)) for line in requirements(extra or None)}:
            return extra
    return None


def _extras() -> list[str]:
    """List the extras, those with few requirements first: `all` has those of the others."""
    try:
        names = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []
    return sorted(names, key=lambda name: (len(requirements(name)), name))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _name(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]
