"""helm-controller."""
