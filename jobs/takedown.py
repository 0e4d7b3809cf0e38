"""Delete the rows of urls, domains and pairs from every table, and keep them out.

This script is `metaclip-spark takedown` for spark-submit, with the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/takedown.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["takedown", *sys.argv[1:]]))
