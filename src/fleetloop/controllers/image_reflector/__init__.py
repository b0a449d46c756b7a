"""image-reflector-controller."""
