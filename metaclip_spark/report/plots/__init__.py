"""The plots of the data card and of sweeps."""
