"""Typed settings: the properties of a setting, all settings, and the merge of a YAML file and flags."""
