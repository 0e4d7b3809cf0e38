"""All stages and the report: curate a snapshot's sources into a balanced subset.

The same as `metaclip-spark run`, for spark-submit; takes the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/run.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
