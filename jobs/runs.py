"""List runs, show their settings and size on disk, and delete old subsets.

This script is `metaclip-spark runs` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/runs.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["runs", *sys.argv[1:]]))
