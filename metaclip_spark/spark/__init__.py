"""Spark sessions, broadcasts, and functions of columns."""
