"""The commands `optouts`."""
