"""The parts that only Databricks has: widgets, `display`, `displayHTML`, and the exit of a wheel task.

A notebook that calls these functions also runs as a plain Python file. The values of widgets then come from the
environment (METACLIP_POOL for `pool`), DataFrames are printed, and pictures and pages are written to the folder
METACLIP_SHOWN, if it is set.
"""

from __future__ import annotations

import base64
import io
import os
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pyspark.sql import DataFrame, SparkSession

SHOWN = "METACLIP_SHOWN"
_numbers = count(1)


def on_databricks() -> bool:
    """Return whether this process runs on the compute of Databricks."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def spark_session() -> SparkSession:
    """Return the session of the notebook, or, in a plain file, a local session with Delta."""
    from metaclip_spark.spark.session import get_session

    return get_session()


def widget(name: str, default: str) -> str:
    """Return the value of a text box of the notebook, or the parameter that a job passes.

    Args:
        name: the name of the box, in lower case.
        default: the first value of the box. In a plain file: the value if METACLIP_<NAME> is not set.
    """
    utilities = _notebook_name("dbutils")
    if utilities is None:
        return os.environ.get(f"METACLIP_{name.upper()}", default)
    utilities.widgets.text(name, default)
    return str(utilities.widgets.get(name))


def show(df: DataFrame, rows: int = 20) -> None:
    """Show the first rows of a DataFrame, as a table to sort and plot; in a plain file, print them."""
    display = _notebook_name("display")
    if display is not None:
        display(df.limit(rows))
    else:
        df.show(rows, truncate=60)


def show_figure(figure: Figure) -> None:
    """Show a matplotlib figure, with any backend."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110, bbox_inches="tight")
    encoded = base64.b64encode(png.getvalue()).decode()
    _show(f'<img alt="plot" style="max-width: 100%" src="data:image/png;base64,{encoded}">', png.getvalue(), "png")


def show_html(page: str) -> None:
    """Show a page of HTML, such as the report of a run."""
    _show(page, page.encode(), "html")


def task() -> None:
    """Run the command of a wheel task: the entry point `databricks-task`.

    Databricks ignores the value that an entry point returns, and treats `sys.exit(0)` as a failure. So a command that
    succeeds returns.

    Raises:
        SystemExit: the exit status of the command is not 0.
    """
    from metaclip_spark.cli import main

    status = main()
    if status:
        raise SystemExit(status)


def _show(page: str, content: bytes, suffix: str) -> None:
    display_html = _notebook_name("displayHTML")
    if display_html is not None:
        display_html(page)
    elif _shell() is not None:
        from IPython.display import HTML, display  # type: ignore[import-not-found]  # IPython is not a dependency

        display(HTML(page))
    folder = os.environ.get(SHOWN)
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{next(_numbers):02}.{suffix}").write_bytes(content)


def _shell() -> Any:
    # IPython is used only if it is running: a plain file must not depend on it.
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _notebook_name(name: str) -> Any:
    """Return the object that Databricks defines in a notebook under this name; None elsewhere."""
    shell = _shell()
    return shell.user_ns.get(name) if shell is not None and on_databricks() else None
