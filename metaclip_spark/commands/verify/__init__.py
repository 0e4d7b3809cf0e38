"""The command `verify`: check a warehouse, and print what was checked and what differs."""
