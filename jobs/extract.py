"""Extract and match: read sources into the staging table `extracted`.

The same as `metaclip-spark extract`, for spark-submit; takes the same flags:

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/extract.py --help
"""

import sys

from metaclip_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["extract", *sys.argv[1:]]))
