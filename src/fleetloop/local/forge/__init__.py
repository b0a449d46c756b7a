"""A small Git forge for one machine: Git over HTTPS and SSH, a subset of GitHub's API, webhooks. Started as a process.

`python -m fleetloop.local.forge` runs it; `ForgeAdmin` sets it up and looks into it.
"""

from .client import AdminRefused, CommitInfo, ForgeAdmin

__all__ = ["AdminRefused", "CommitInfo", "ForgeAdmin"]
