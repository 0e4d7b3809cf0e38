"""Make `pool.wat.gz`, the WAT that the quickstart curates: pages and texts made up from WordNet's words.

    python jobs/sample/make.py --output jobs/sample/pool.wat.gz
    python jobs/sample/make.py --describe

The same seed and the same `metadata/wordnet.json.gz` give the same bytes. Draws use only basic arithmetic,
square roots and `Random.random()`, because these give the same values on every machine and Python.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import math
from pathlib import Path

from describe import describe
from sample_texts import Draws, Texts

WORDS = Path(__file__).resolve().parents[2] / "metadata" / "wordnet.json.gz"
POOL = Path(__file__).with_name("pool.wat.gz")
DATE = "2026-01-05T00:00:00Z"
FILENAME = "pool.warc.gz"
SEED = 2309
PAGES = 20_000
MOST_IMAGES = 300


def image_link(texts: Texts, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Draw one image link: a url, and perhaps an alt and a title."""
    d = texts.draws
    if d.chance(0.025) and pairs:
        url, alt = d.pick(pairs)
        return {"path": "IMG@/src", "alt": alt, "url": url}
    link = {"path": "IMG@/src"}
    kind = d.below(100)
    if kind < 86:
        link["alt"] = "" if kind < 12 else texts.text()
    if d.chance(0.08):
        link["title"] = link["alt"] if link.get("alt") and d.chance(0.5) else texts.text()
    link["url"] = url = _image_url(texts)
    if link.get("alt") and url.startswith("http"):
        pairs.append((url, link["alt"]))
    return link


def _image_url(texts: Texts) -> str:
    d, kind = texts.draws, texts.draws.below(200)
    name = f"{d.pick(['img', 'photo', 'p'])}{d.below(10**6)}.{d.pick(['jpg', 'png', 'webp'])}"
    name += "?w=300&h=200" * d.chance(0.05)
    if kind < 3:
        return "data:image/gif;base64"
    if kind < 4:
        return ""
    if kind < 40:
        return "/media/" + name
    if kind < 70:
        return d.pick(["", "../", "./", "images/", "my photos/"]) + name
    return d.pick(["https:", "https:", "https:", "http:", ""]) + f"//{texts.host()}/{name}"


def _page_size(d: Draws) -> int:
    # About one page in (1 + n / 3.6)^2 has more than n images: many pages have none, a few have hundreds.
    return min(int(3.6 * (math.sqrt(d.inverse()) - 1)), MOST_IMAGES)


def page_links(texts: Texts, pairs: list[tuple[str, str]]) -> list[dict] | None:
    """Draw a page's links: images, some of them twice, and links of other kinds."""
    d = texts.draws
    links: list[dict] = [image_link(texts, pairs) for _ in range(_page_size(d))]
    if links and d.chance(0.03):
        links.append(dict(d.pick(links)))
    if d.chance(0.1 if links else 0.6):
        links.insert(0, {"path": "A@/href", "text": "home", "url": "/"})
    if d.chance(0.03):
        links.append({"path": "STYLE/#text", "href": f"https://{texts.host()}/body.png"})
    if d.chance(0.005):
        links.append({"path": None, "url": _image_url(texts), "alt": texts.text()})
    return links if links or d.chance(0.8) else None


def html_metadata(texts: Texts, pairs: list[tuple[str, str]]) -> dict | None:
    """Draw the HTML metadata of a page; any level of it may be missing or null."""
    d = texts.draws
    if d.chance(0.01):
        return None
    head: dict = {"Title": texts.text()} if d.chance(0.2) else {}
    if d.chance(0.04):
        head["Base"] = d.pick([f"https://{texts.host()}/", "/static/", "//cdn.example.net/a/b.html"])
    if d.chance(0.03):
        robots = d.pick(["index, follow", "noindex", "noimageindex", "noai, noimageai", "max-image-preview:large"])
        head["Metas"] = [{"name": "robots", "content": robots}]
    elif d.chance(0.01):
        image, title = f"https://{texts.host()}/og.jpg", texts.text()
        head["Metas"] = [
            {"property": "og:image", "content": image},
            {"property": "og:title", "content": title},
        ]
    html = {"Head": head, "Links": page_links(texts, pairs)}
    if html["Links"] is None and d.chance(0.5):
        del html["Links"]
    return html


def envelope(kind: str, uri: str, payload: dict | None) -> bytes:
    """Wrap the metadata of a WARC record in an envelope, as Common Crawl's extractor does."""
    header = {"WARC-Target-URI": uri, "WARC-Type": kind}
    body = {"Envelope": {"Format": "WARC/1.0", "WARC-Header-Metadata": header, "Payload-Metadata": payload}}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Wat:
    """A WAT under construction: gzip with one member per record."""

    def __init__(self) -> None:
        self._buffer, self._number = io.BytesIO(), 0

    def add(self, body: bytes, uri: str = "") -> None:
        """Add a record about `uri`; without one, the warcinfo record."""
        self._number += 1
        about = ["WARC-Type: metadata", f"WARC-Target-URI: {uri}"]
        refers = [f"WARC-Refers-To: <urn:uuid:00000000-0000-4000-9000-{self._number:012x}>"]
        if not uri:
            about, refers = ["WARC-Type: warcinfo", f"WARC-Filename: {FILENAME[:-3]}.wat.gz"], []
        lines = [
            "WARC/1.0",
            *about,
            f"WARC-Date: {DATE}",
            f"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{self._number:012x}>",
            *refers,
            f"Content-Type: application/{'json' if uri else 'warc-fields'}",
            f"Content-Length: {len(body)}",
        ]
        header = "\r\n".join(lines) + "\r\n\r\n"
        # The header that gzip.compress() writes differs between versions of Python.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=self._buffer, mtime=0) as member:
            member.write(header.encode() + body + b"\r\n\r\n")

    def getvalue(self) -> bytes:
        """Return the bytes of the records that were added."""
        return self._buffer.getvalue()


BROKEN = [
    b'{"Envelope":{"WARC-Header-Metadata":{"WARC-Type":"response","WARC-Tar',
    b"<html>503 Slow Down</html>",
    b"[]",
    b'{"Envelope":null}',
    b"",
    b'{"Envelope":{"Payload-Metadata":{"HTTP-Response-Metadata":null}}}',
]


def add_page(wat: Wat, texts: Texts, pairs: list[tuple[str, str]]) -> None:
    """Add the records of one page: its response and, for some pages, its request and metadata."""
    d = texts.draws
    uri = f"https://{texts.host()}/{d.pick(['', 'blog/', 'a/b/', 'item?id='])}{d.below(10**5)}"
    whole = d.chance(0.02)
    if whole:
        request = {
            "Headers": {"User-Agent": "CCBot/2.0"},
            "Request-Message": {"Method": "GET", "Version": "HTTP/1.1"},
        }
        wat.add(envelope("request", uri, {"HTTP-Request-Metadata": request}), uri)
    headers: dict = {"Content-Type": "text/html"}
    if d.chance(0.03):
        headers["Set-Cookie"] = ["a=1", "b=2"]
    html = html_metadata(texts, pairs)
    response: dict = {"Response-Message": {"Status": "200"}, "Headers": headers, "HTML-Metadata": html}
    if html is None and d.chance(0.5):
        del response["HTML-Metadata"]
    wat.add(envelope("response", uri, {"HTTP-Response-Metadata": response}), uri)
    if whole:
        records = {"Metadata-Records": [{"Name": "fetchTimeMs", "Value": str(d.below(900))}]}
        wat.add(envelope("metadata", uri, {"WARC-Metadata-Metadata": records}), uri)


def make_pool(entries: list[str], pages: int, seed: int) -> bytes:
    """Make the WAT, with broken records at even distances."""
    wat, texts, pairs = Wat(), Texts(entries, Draws(seed)), []
    wat.add(b"software: jobs/sample/make.py\r\nformat: WARC File Format 1.0\r\n")
    info = {"WARC-Info-Metadata": {"format": "WARC File Format 1.0"}}
    wat.add(envelope("warcinfo", FILENAME, info), FILENAME)
    distance = pages // len(BROKEN)
    for page in range(pages):
        add_page(wat, texts, pairs)
        index, rest = divmod(page, distance)
        if rest == distance // 2 and index < len(BROKEN):
            wat.add(BROKEN[index], f"https://www.example.org/broken/{page}")
    return wat.getvalue()


def main() -> None:
    """Parse the flags, and make the pool or describe it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--output", type=Path, help="the WAT to write")
    mode.add_argument(
        "--describe",
        type=Path,
        nargs="?",
        const=POOL,
        metavar="WAT",
        help="print what is in a WAT that this script made (default: the shipped one)",
    )
    parser.add_argument("--metadata", type=Path, default=WORDS, help="the list of words (default: the shipped one)")
    parser.add_argument("--pages", type=int, default=PAGES, help="how many pages (default %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default %(default)s")
    arguments = parser.parse_args()
    if arguments.pages < len(BROKEN):
        parser.error(f"--pages must be >= {len(BROKEN)} (one for each broken record), got {arguments.pages}")
    entries = json.loads(gzip.decompress(arguments.metadata.read_bytes()))
    if arguments.describe:
        print(describe(arguments.describe.read_bytes(), entries))
    else:
        arguments.output.write_bytes(make_pool(entries, arguments.pages, arguments.seed))


if __name__ == "__main__":
    main()
