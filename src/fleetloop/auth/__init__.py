"""Secret data to credential values. Where they are used is others' business."""

from fleetloop.auth.git_credentials import GitAccess, InvalidSecret, ProxyAccess, git_access, has_github_app, proxy_access

__all__ = ["GitAccess", "InvalidSecret", "ProxyAccess", "git_access", "has_github_app", "proxy_access"]
