"""The edges: each step reads tables, calls a stage, writes the result, and knows what is done already."""
