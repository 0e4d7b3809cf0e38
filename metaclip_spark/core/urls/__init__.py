"""Urls made absolute, their hosts, and the domains above a host."""
