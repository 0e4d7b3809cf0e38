"""Run commands of metaclip-spark on an engine of this process, for tests that compare two engines.

    python other_engine.py embedded COMMANDS.json OUTCOMES.json

A process has one engine. So one side of a comparison runs in the tests' process, and the other side here. Both sides
run the same scripts: folder of a warehouse -> commands. The words of a command may name the warehouse as `{warehouse}`,
and the run of the script's first command with a run id as `{run}`, of the second as `{run2}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
OTHER = {"spark": "embedded", "embedded": "spark"}
Script = Sequence[Sequence[str]]
"""Commands; `copy FROM TO` is one, too, and changes a file of the input between others."""


def play(script: Script, warehouse: str) -> list[list]:
    """Run the commands of a script in this process; return [status, stdout, stderr] of each."""
    from e2e_world import call

    outcomes, names = [], {"{warehouse}": warehouse}
    for words in script:
        if words[0] == "copy":
            shutil.copy2(words[1], words[2])
            outcomes.append([0, "", ""])
            continue
        ended = call(*(_filled(word, names) for word in words))
        run_id = _run_id(ended.out)
        if run_id is not None and run_id not in names.values():
            number = len(names)
            names["{run}" if number == 1 else f"{{run{number}}}"] = run_id
        outcomes.append([ended.status, ended.out.replace(warehouse, "{warehouse}"), ended.err])
    return outcomes


def _filled(word: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        word = word.replace(name, value)
    return word


def _run_id(out: str) -> str | None:
    with contextlib.suppress(ValueError):
        found = json.loads(out)
        return found.get("run_id") if isinstance(found, dict) else None
    return None


def clean_env() -> dict[str, str]:
    """Return the environment for a process with an engine of its own, as the fixture `child_env` does."""
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent), "PYSPARK_PYTHON": sys.executable}
    for name in ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET", "SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE"):
        env.pop(name, None)
    return env


def play_elsewhere(engine: str, scripts: Mapping[str, Script], folder: Path, env: Mapping[str, str]) -> dict:
    """Run scripts in one other process, on its own engine; return warehouse -> outcomes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scripts.json").write_text(json.dumps(scripts), encoding="utf-8")
    with open(folder / "log", "wb") as log:
        ended = subprocess.run(
            [sys.executable, __file__, engine, str(folder / "scripts.json"), str(folder / "outcomes.json")],
            env={**env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    assert ended.returncode == 0, (folder / "log").read_text(errors="replace")[-3000:]
    outcomes: dict = json.loads((folder / "outcomes.json").read_text(encoding="utf-8"))
    return outcomes


def main() -> int:
    """Run the scripts of the second argument on the engine of the first; write the outcomes to the third."""
    sys.path[:0] = [str(TESTS), str(TESTS / "helpers"), str(TESTS / "e2e")]
    engine, scripts, outcomes = sys.argv[1:]
    if engine == "embedded":
        from metaclip_spark.spark.embedded import embedded_session

        embedded_session()
    else:
        from e2e_world import FOR_A_DOZEN_ROWS
        from sessions import TEST_CONF

        from metaclip_spark.spark.session import get_session

        get_session("local[2]", "2g", {**TEST_CONF, **FOR_A_DOZEN_ROWS})
    found = {}
    for warehouse, script in json.loads(Path(scripts).read_text(encoding="utf-8")).items():
        os.makedirs(os.path.dirname(warehouse), exist_ok=True)
        found[warehouse] = play(script, warehouse)
    Path(outcomes).write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
