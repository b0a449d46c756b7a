"""kustomize-controller."""
