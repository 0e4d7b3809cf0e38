"""One headless browser for the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Browser, installed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for all pages."""
    path = installed()
    if path is None:
        pytest.skip("no Chromium on the PATH: only the HTML parser checks the pages")
    found = Browser(path)
    yield found
    found.close()
