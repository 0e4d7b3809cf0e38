"""Read the sources of a snapshot: the plan, extraction, its pace, the gate after it, and reading again."""
