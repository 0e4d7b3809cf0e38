"""Run a DAG of jobs/airflow to its end by `dag.test()`, and print the outcome of its tasks as JSON (last line).

python tests/airflow/run_dag.py DAG_FOLDER DAG_ID LOGICAL_DATE
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select


def main(folder: str, dag_id: str, logical_date: str) -> None:
    bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name="dags-folder")
    dag = bag.dags[dag_id]
    for task in dag.tasks:
        task.retry_delay, task.retry_exponential_backoff = timedelta(seconds=1), False
    run = dag.test(logical_date=datetime.fromisoformat(logical_date))
    with create_session() as session:
        instances = run.get_task_instances(session=session)
        tasks = {task.task_id: {"state": task.state, "tries": task.try_number} for task in instances}
        pushed = select(XComModel).where(XComModel.run_id == run.run_id, XComModel.key == "return_value")
        xcoms = {row.task_id: XComModel.deserialize_value(row) for row in session.scalars(pushed)}
    print(json.dumps({"state": run.state, "tasks": tasks, "outcomes": xcoms}))


if __name__ == "__main__":
    main(*sys.argv[1:])
