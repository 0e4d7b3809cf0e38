"""Typed settings: what a setting is, all settings, and how a YAML file and flags become settings."""
