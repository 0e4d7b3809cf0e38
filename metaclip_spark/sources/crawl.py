"""List the files of whole crawls, sample them, and warn of settings that slow or break their reading."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from metaclip_spark.core.sampling import draw_key
from metaclip_spark.errors import DamagedSourceError, InputError
from metaclip_spark.sources.files import Source, source_of_list
from metaclip_spark.sources.kinds import format_of
from metaclip_spark.sources.lists import CRAWL_ROOT, local_file, manifest_lines, resolve
from metaclip_spark.storage.open import check_transport, info_of

FORMATS = ("wat", "warc")
ROBOTS = "robotstxt"
"""The name of the archives of robots.txt, which are WARCs, in the lists of a crawl."""
REGION = "us-east-1"
"""The region of Common Crawl's bucket."""
MANY_FILES = 1000
"""Number of files over https above which Common Crawl's throttling decides how long a run takes."""
_NAME = re.compile(r"CC-MAIN-(2012|\d{4}-(\d{2}|\d{4}))")
_SEGMENT = re.compile(r"/segments/([^/]+)/")
_CONCURRENT_REQUESTS = 8
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def crawl_sources(
    names: Sequence[str],
    format: str = "wat",
    max_files: int | None = None,
    seed: int = 0,
    root: str = CRAWL_ROOT,
) -> list[Source]:
    """List the files of whole crawls, ordered by source_path.

    Args:
        names: names of crawls, such as CC-MAIN-2024-51.
        format: "wat", "warc", or `ROBOTS`.
        max_files: the number of files to sample over all crawls (see `sample`); None lists all files.
        seed: the seed of the sample.
        root: the folder of `crawl-data/`: a uri or a local mirror.

    Returns:
        Sources whose key is the path inside the crawl. Bytes and etag of remote sources are unknown (0 and "").

    Raises:
        InputError: a name is not that of a crawl, a crawl does not exist, or the root cannot be read.
    """
    if format not in (*FORMATS, ROBOTS):
        raise InputError(f"format must be one of {', '.join((*FORMATS, ROBOTS))}, got {format!r}.")
    root = local_file(root)
    check_transport(root)
    paths: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if not _NAME.fullmatch(name):
            raise InputError(f"crawl {name!r} is not the name of a crawl; expected a name such as CC-MAIN-2024-51.")
        paths.update(dict.fromkeys(_paths(name, format, root), name))
    chosen = sample(paths, max_files, seed) if max_files is not None else list(paths)
    return [source_of_list(resolve(path, root)) for path in sorted(chosen)]


def _paths(name: str, format: str, root: str) -> list[str]:
    manifest = resolve(f"crawl-data/{name}/{format}.paths.gz", root)
    try:
        lines = [line.strip() for line in manifest_lines(manifest)]
    except InputError as error:
        raise InputError(f"crawl {name} cannot be listed: {error}") from error
    lines = [line for line in lines if line]
    kind = "warc" if format == ROBOTS else format
    wrong = next((line for line in lines if format_of(line) != kind or not line.startswith("crawl-data/")), None)
    if wrong is not None or not lines:
        got = repr(wrong) if lines else "nothing"
        raise InputError(f"crawl {name} cannot be listed: {manifest} names {got}; expected {kind.upper()} files.")
    return lines


def sample(paths: Mapping[str, str], number: int, seed: int) -> list[str]:
    """Sample files as evenly as possible over the crawls and the segments of each crawl.

    Segments differ, so a sample covers all of them. The same seed gives the same files, and a larger sample contains
    the smaller ones.

    Args:
        paths: path inside the crawl -> the crawl's name.
        number: the number of files.
    """
    strata: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, crawl in paths.items():
        segment = _SEGMENT.search(path)
        strata[crawl, segment.group(1) if segment else ""].append(path)
    keyed = {path: _hash(path, seed) for path in paths}
    crawls: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for (crawl, _), members in strata.items():
        members.sort(key=keyed.__getitem__)
        crawls[crawl] += [(rank, keyed[path], path) for rank, path in enumerate(members)]
    order: list[tuple[int, int, str]] = []
    for crawl, ranked in crawls.items():
        ranked.sort()  # the first of every segment, then the second of every segment, ...
        order += [(rank, _hash(crawl, seed), path) for rank, (_, _, path) in enumerate(ranked)]
    return [path for _, _, path in sorted(order)[:number]]


def _hash(name: str, seed: int) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8, key=draw_key(seed, "sample").encode()).digest(), "big")


def sample_sizes(sources: Sequence[Source], n: int = 32, seed: int = 0) -> dict[str, int]:
    """Request the sizes of a seeded sample of sources, a few concurrently.

    Returns:
        source_path -> bytes, of the sources whose server reports a size; their mean estimates the other sizes.
    """
    chosen = sorted(sources, key=lambda source: _hash(source.source_path, seed))[:n]

    def size(source: Source) -> int:
        try:
            return source.bytes or info_of(source.uri)[0]
        except (DamagedSourceError, OSError):  # the source's task will report the error; the estimate uses the others
            return 0

    with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as pool:
        sizes = list(pool.map(size, chosen))
    return {source.source_path: known for source, known in zip(chosen, sizes, strict=True) if known}


def warnings_of(sources: Iterable[Source], environ: Mapping[str, str]) -> list[str]:
    """Return warnings of settings that make reading these sources slow or fail, one sentence each.

    Args:
        environ: the environment of the driver; the environment of the workers may differ.
    """
    uris = [source.uri for source in sources]
    over_s3 = any(uri.startswith(("s3://commoncrawl/", "s3a://commoncrawl/")) for uri in uris)
    over_https = sum(uri.startswith(CRAWL_ROOT) for uri in uris)
    warnings = []
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if over_s3 and region != REGION:
        where = f"region here is {region}" if region else "region here is not known (AWS_REGION is not set)"
        warnings.append(
            f"s3://commoncrawl is in {REGION}, and the {where}: from elsewhere it is slower. "
            f"Run in {REGION}, or read https (--crawl-root {CRAWL_ROOT})."
        )
    if over_s3 and not any(environ.get(name) for name in _CREDENTIALS):
        warnings.append(
            "s3://commoncrawl needs AWS credentials, and the environment names none: unless the machines have a role "
            "or ~/.aws/credentials, every file will fail. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, on the workers too."
        )
    if over_https > MANY_FILES:
        warnings.append(
            f"{over_https:,} files over https: Common Crawl throttles many requests at once (503, 403), and a whole "
            f"crawl is meant to be read in {REGION} with --crawl-root s3://commoncrawl/."
        )
    return warnings
