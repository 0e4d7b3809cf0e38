"""What the readers of tabular files share: the columns of a batch."""

from __future__ import annotations

import pyarrow as pa

BATCH_ROWS = 8192

Columns = dict[str, pa.Array]
"""Column name -> Arrow array of the type that the file has; all arrays have one length."""
