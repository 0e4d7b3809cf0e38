"""What the tests of pages share: `import whole` works under importlib mode too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
