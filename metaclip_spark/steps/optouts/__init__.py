"""The steps of `optouts`, and the table that extraction reads."""
