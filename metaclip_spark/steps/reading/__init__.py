"""How extraction reads many sources: its pace, and the gate after it."""
