"""Read lists of domains, and look up the domains above a host."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.hosts import is_ip, normal_host
from metaclip_spark.core.wording import shortened
from metaclip_spark.errors import ConfigError

# Labels may have the characters that occur in urls, "_" included. A last label that is a number would be an address.
_LAST_LABEL = r"[a-z0-9_-]*[a-z_-][a-z0-9_-]*"
_PLAIN = rf"(?:[a-z0-9_-]{{1,63}}\.)+{_LAST_LABEL}"
_WILDCARD = r"^\*?\."
_HOSTS_LINE = r"^(?:0\.0\.0\.0|127\.0\.0\.1|255\.255\.255\.255|[0-9a-f]*:[0-9a-f:]*(?:%[a-z0-9]+)?)[ \t]+"
_OWN_NAMES = {"0.0.0.0", "localhost.localdomain"}
"""Names with a dot that hosts files use for the machine itself. Names without a dot are skipped in any case."""
_MAX_DOMAIN = 253
_SHOWN_CHARS = 80


def suffixes_of(host: str) -> list[str]:
    """Return the host and the domains above it; an address has no domain above it."""
    if is_ip(host):
        return [host]
    labels = host.split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def any_above(
    hosts: Sequence[str], contains: Callable[[list[str]], Sequence[bool] | npt.NDArray[np.bool_]]
) -> npt.NDArray[np.bool_]:
    """Return for each host whether a set contains it or a domain above it; False for an empty host.

    Args:
        hosts: normalised hosts.
        contains: tests the membership of many names in one call.

    Returns:
        bool, shape (hosts,).
    """
    owners: list[int] = []
    names: list[str] = []
    for at, host in enumerate(hosts):
        above = suffixes_of(host) if host else []
        owners += [at] * len(above)
        names += above
    contained = np.zeros(len(hosts), dtype=bool)
    np.logical_or.at(contained, np.array(owners, dtype=np.int64), np.asarray(contains(names), dtype=bool))
    return contained


def parse_domains(lines: pa.Array, source: str) -> pa.Array:
    """Return the domains of a list's lines: large_string, in the form of `normal_host`, with possible repeats.

    A line is a domain, an address, or a line of a hosts file ("0.0.0.0 ads.example.com"). "example.com",
    "*.example.com" and ".example.com" all mean the domain and the domains below it. "#" begins a comment. Upper case
    and non-ASCII names are converted to the form that urls use.

    Args:
        lines: large_string array of the file's lines, without line ends.
        source: the name of the list in errors.

    Raises:
        ConfigError: no line has a domain, or a line cannot be a domain.
    """
    trimmed = pc.utf8_trim_whitespace(pc.utf8_lower(pc.replace_substring_regex(lines, "#.*", "")))
    bare = pc.replace_substring_regex(trimmed, rf"{_WILDCARD}|\.$", "")
    # Only other lines go through Python: nearly all lines of a list of millions are plain ASCII domains.
    plain = pc.and_(pc.match_substring_regex(bare, f"^{_PLAIN}$"), pc.less_equal(pc.binary_length(bare), _MAX_DOMAIN))
    rest = pc.invert(pc.or_(plain, pc.equal(trimmed, "")))
    numbers = np.flatnonzero(rest.to_numpy(zero_copy_only=False))
    where = f"{source}, line "
    more = [name for number in numbers for name in _names(trimmed[int(number)].as_py(), f"{where}{number + 1}")]
    domains = pa.concat_arrays([bare.filter(plain), pa.array(more, pa.large_string())])
    if not len(domains):
        raise ConfigError(f"{source} holds no domain.")
    return domains


def _names(line: str, where: str) -> list[str]:
    """Return the domains of a line that is not a plain domain; most such lines come from hosts files."""
    if re.match(_HOSTS_LINE, line):
        words = [word for word in line.split()[1:] if "." in word and word not in _OWN_NAMES]
        return [_domain(word, where) for word in words]
    return [_domain(line, where)]


def _domain(written: str, where: str) -> str:
    host = normal_host(re.sub(_WILDCARD, "", written))
    is_short = len(host) <= _MAX_DOMAIN  # the pattern takes time by the square of the length
    last_label_alone = is_short and re.fullmatch(_LAST_LABEL, host) is not None
    if is_short:
        if is_ip(host) or re.fullmatch(_PLAIN, host):
            return host
        # A top-level domain needs its dot, so that a stray word does not block a part of the web.
        if last_label_alone and re.match(_WILDCARD, written):
            return host
    hint = f' Write ".{host}" to block a whole top-level domain.' if last_label_alone else ""
    raise ConfigError(f"{where}: {shortened(repr(written), _SHOWN_CHARS)} is not a domain.{hint}")
