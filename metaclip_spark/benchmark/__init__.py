"""`metaclip-spark benchmark`: what matching costs here, engine by engine, on one core and in Spark."""
