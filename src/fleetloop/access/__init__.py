"""From an object that names Secrets and service accounts to credentials, for every controller that reads Git or registries.

Flux: source-kustomize.md 3.2 and 3.5. What is done with credentials is the caller's business.
"""
