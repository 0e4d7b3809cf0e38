"""`python -m metaclip_spark`."""

import sys

from metaclip_spark.cli import main

sys.exit(main())
