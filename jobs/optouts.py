"""Read archives of robots.txt into a table of rules by host, for `run --robots`.

This script is `metaclip-spark optouts` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/optouts.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["optouts", *sys.argv[1:]]))
