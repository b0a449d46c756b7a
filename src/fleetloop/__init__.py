"""fleetloop keeps a fleet of Kubernetes clusters equal to what Git says."""

__version__ = "0.1.0"
