"""Build Spark sessions; broadcast values and functions to the workers."""
