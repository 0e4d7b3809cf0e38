"""Run a supervised fastText model over Arrow strings in compiled loops: its file, its tables, its kernels."""
