"""Update the table `entry_counts`.

This script is `metaclip-spark count` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/count.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["count", *sys.argv[1:]]))
