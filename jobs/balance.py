"""Choose t and draw the curated subset.

This script is `metaclip-spark balance` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/balance.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["balance", *sys.argv[1:]]))
