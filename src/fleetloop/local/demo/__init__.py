"""The demo: a real fleet on this machine, and what it does when Git, people or tenants change something."""

from fleetloop.local.demo.story import tell

__all__ = ["tell"]
