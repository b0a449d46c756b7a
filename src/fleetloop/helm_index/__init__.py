"""Chart repositories over HTTP: fetch the index, find a chart's versions in it, fetch a chart. Decides nothing about versions."""

from fleetloop.helm_index.errors import (
    AuthenticationFailed,
    ChartNotFound,
    HelmRepositoryError,
    InvalidRepositoryUrl,
    RepositoryUnreachable,
    TooLarge,
)
from fleetloop.helm_index.index import ChartVersion, Index
from fleetloop.helm_index.repository import Access, fetch, index_url, resolved

__all__ = [
    "Access",
    "AuthenticationFailed",
    "ChartNotFound",
    "ChartVersion",
    "HelmRepositoryError",
    "Index",
    "InvalidRepositoryUrl",
    "RepositoryUnreachable",
    "TooLarge",
    "fetch",
    "index_url",
    "resolved",
]
