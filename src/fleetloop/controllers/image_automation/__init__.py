"""image-automation-controller."""
