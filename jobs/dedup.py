"""Deduplicate: take what was extracted into `pairs`.

The same as `metaclip-spark dedup`, for spark-submit; takes the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/dedup.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["dedup", *sys.argv[1:]]))
