"""Many clusters as one thing: how a fleet's repositories are laid out."""

from fleetloop.fleet.age_key import AgeKey, new_age_key
from fleetloop.fleet.layout import (
    CHARTS,
    Cluster,
    FleetNames,
    InvalidNames,
    Seal,
    SecretDraft,
    default_clusters,
    fleet_files,
    reference_folder,
    write_fleet,
)
from fleetloop.fleet.seal import UNFILLED, sealing

__all__ = [
    "CHARTS",
    "UNFILLED",
    "AgeKey",
    "Cluster",
    "FleetNames",
    "InvalidNames",
    "Seal",
    "SecretDraft",
    "default_clusters",
    "fleet_files",
    "new_age_key",
    "reference_folder",
    "sealing",
    "write_fleet",
]
