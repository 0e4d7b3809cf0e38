"""Write the HTML data card of a run.

This script is `metaclip-spark report` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/report.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
