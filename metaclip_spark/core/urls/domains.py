"""Read lists of domains, and look up the domains above a host."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.hosts import is_ip, normal_host
from metaclip_spark.errors import ConfigError

# Labels as they occur in urls, "_" included. The last one is no number, or it would be an address.
_LAST_LABEL = r"[a-z0-9_-]*[a-z_-][a-z0-9_-]*"
_PLAIN = rf"(?:[a-z0-9_-]{{1,63}}\.)+{_LAST_LABEL}"
_WILDCARD = r"^\*?\."
_HOSTS_LINE = r"^(?:0\.0\.0\.0|127\.0\.0\.1|255\.255\.255\.255|[0-9a-f]*:[0-9a-f:]*(?:%[a-z0-9]+)?)[ \t]+"
_OWN_NAMES = {"0.0.0.0", "localhost.localdomain"}
"""Names with a dot that hosts files give the machine itself; names without a dot are skipped there anyway."""
_MAX_DOMAIN = 253
_SHOWN_CHARS = 80


def suffixes_of(host: str) -> list[str]:
    """Return the host and the domains above it; an address has none above it."""
    if is_ip(host):
        return [host]
    labels = host.split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def any_above(hosts: Sequence[str], holds: Callable[[list[str]], Sequence[bool] | np.ndarray]) -> np.ndarray:
    """Return bool[n]: whether a host or a domain above it is held, asked of all at once; of an empty host never."""
    owners: list[int] = []
    names: list[str] = []
    for at, host in enumerate(hosts):
        above = suffixes_of(host) if host else []
        owners += [at] * len(above)
        names += above
    held = np.zeros(len(hosts), dtype=bool)
    np.logical_or.at(held, np.array(owners, dtype=np.int64), np.asarray(holds(names), dtype=bool))
    return held


def read_domains(path: str | Path, what: str) -> pa.Array:
    """Read a list of domains, one a line, plain or gzip: large_string, as `normal_host` has them; some may repeat.

    A line is a domain ("example.com", "*.example.com", ".example.com": all mean the domain and what is under
    it), an address, or a line of a hosts file ("0.0.0.0 ads.example.com"). "#" begins a comment. Upper case and
    non-ASCII names are brought to the form that urls use.

    Args:
        what: what errors call the file.

    Raises:
        ConfigError: the file cannot be read, holds no domain, or has a line that cannot be a domain.
    """
    lines = lines_of(Path(path), what)
    trimmed = pc.utf8_trim_whitespace(pc.utf8_lower(pc.replace_substring_regex(lines, "#.*", "")))
    bare = pc.replace_substring_regex(trimmed, rf"{_WILDCARD}|\.$", "")
    # Only what is not plain goes through Python: a list of millions is plain ASCII domains, line after line.
    plain = pc.and_(pc.match_substring_regex(bare, f"^{_PLAIN}$"), pc.less_equal(pc.binary_length(bare), _MAX_DOMAIN))
    rest = pc.invert(pc.or_(plain, pc.equal(trimmed, "")))
    numbers = np.flatnonzero(rest.to_numpy(zero_copy_only=False))
    where = f"{what} {path}, line "
    more = [name for number in numbers for name in _names(trimmed[int(number)].as_py(), f"{where}{number + 1}")]
    domains = pa.concat_arrays([bare.filter(plain), pa.array(more, pa.large_string())])
    if not len(domains):
        raise ConfigError(f"{what} {path} holds no domain.")
    return domains


def lines_of(path: Path, what: str) -> pa.Array:
    """Return the lines of a file, plain or gzip, as a large_string array, without a Python string a line.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8; the file is called `what`.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{what} {path} cannot be read: {error}.") from None
    raw = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    try:
        whole = pa.array([raw], pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        number = next(at for at, line in enumerate(raw.split(b"\n"), 1) if not _is_utf8(line))
        raise ConfigError(f"{what} {path}, line {number} is not UTF-8.") from None
    return pc.list_flatten(pc.split_pattern(whole, "\n"))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _names(line: str, where: str) -> list[str]:
    """Return the domains of a line that is no plain domain; most such lines are of hosts files."""
    if re.match(_HOSTS_LINE, line):
        words = [word for word in line.split()[1:] if "." in word and word not in _OWN_NAMES]
        return [_domain(word, where) for word in words]
    return [_domain(line, where)]


def _domain(written: str, where: str) -> str:
    host = normal_host(re.sub(_WILDCARD, "", written))
    last_label_alone = re.fullmatch(_LAST_LABEL, host) is not None
    if len(host) <= _MAX_DOMAIN:
        if is_ip(host) or re.fullmatch(_PLAIN, host):
            return host
        # A top-level domain needs its dot, so that a stray word does not block a part of the web.
        if last_label_alone and re.match(_WILDCARD, written):
            return host
    shown = written if len(written) <= _SHOWN_CHARS else written[:_SHOWN_CHARS] + "..."
    hint = f' Write ".{host}" to block a whole top-level domain.' if last_label_alone else ""
    raise ConfigError(f"{where}: {shown!r} is not a domain.{hint}")
