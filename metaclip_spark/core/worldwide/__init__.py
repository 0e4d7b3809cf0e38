"""The rules of worldwide mode: the edge rule and its switches, the lists of languages, and their t."""
