"""From an object that names Secrets and service accounts to credentials, for every controller that reads Git.

Flux: source-kustomize.md 3.2. What is done with credentials is the caller's business.
"""
