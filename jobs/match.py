"""Match stored pairs again, with another list.

This script is `metaclip-spark match` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/match.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["match", *sys.argv[1:]]))
