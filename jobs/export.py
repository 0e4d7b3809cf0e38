"""Export the pool or a curated subset as shuffled Parquet shards, for img2dataset and trainers.

This script is `metaclip-spark export` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/export.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
