"""source-controller."""
