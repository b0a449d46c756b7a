"""Client of the Go worker processes that evaluate kustomize, SOPS, CEL, semver and Helm."""
