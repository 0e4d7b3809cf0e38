"""Make urls absolute, and find their hosts and the domains above a host."""
