"""Balance: choose t and draw the curated subset.

The same as `metaclip-spark balance`, for spark-submit; takes the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/balance.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["balance", *sys.argv[1:]]))
