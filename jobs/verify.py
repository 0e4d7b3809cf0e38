"""Check that a warehouse is right, and change nothing.

This script is `metaclip-spark verify` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/verify.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["verify", *sys.argv[1:]]))
