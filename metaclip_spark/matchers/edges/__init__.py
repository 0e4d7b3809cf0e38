"""Search entries inside tokens: the part of a list whose entries lost a boundary space to the edge rule.

An edge entry is a sequence of characters, its remaining boundary space included. So it is found as the phrase matcher
finds phrases (`metaclip_spark.matchers.phrases`), with characters in the place of tokens: from each character of the
spaced text, transition by transition. The tables are of the same kind, and the same kernels read them.
"""
