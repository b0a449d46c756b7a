"""From an object that names Secrets and service accounts to what these open: Git servers, clouds and their registries,
and the clusters of spec.kubeConfig, which are kept open for as long as somebody uses them.

Flux: source-kustomize.md 3.2 and 3.5, helm-notification-image.md 2.2. What is done with it is the caller's business.
"""
