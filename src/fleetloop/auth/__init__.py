"""Secret data and identities to credential values. Where they are used is others' business.

Tokens of clouds: `azure_token`, `gcp_token`, `aws_credentials`; of a GitHub App: `installation_token`; logins at
registries of clouds: `cloud_registry`; kept by a `TokenCache`.
"""

from fleetloop.auth.aws import AwsCredentials, aws_credentials
from fleetloop.auth.azure import DEVOPS_SCOPE, STORAGE_SCOPE, AzureClient, azure_client_token, azure_token
from fleetloop.auth.codecommit import NotCodeCommit
from fleetloop.auth.errors import IdentityError, SdkMissing
from fleetloop.auth.gcp import gcp_token
from fleetloop.auth.git_credentials import GitAccess, InvalidSecret, ProxyAccess, git_access, has_github_app, proxy_access
from fleetloop.auth.identity import OWN_IDENTITY, WorkloadIdentity
from fleetloop.auth.registries import RegistryLogin, cloud_registry
from fleetloop.auth.tokens import CacheObserver, Subject, Token, TokenCache

__all__ = [
    "DEVOPS_SCOPE",
    "OWN_IDENTITY",
    "STORAGE_SCOPE",
    "AwsCredentials",
    "AzureClient",
    "CacheObserver",
    "GitAccess",
    "IdentityError",
    "InvalidSecret",
    "NotCodeCommit",
    "ProxyAccess",
    "RegistryLogin",
    "SdkMissing",
    "Subject",
    "Token",
    "TokenCache",
    "WorkloadIdentity",
    "aws_credentials",
    "azure_client_token",
    "azure_token",
    "cloud_registry",
    "gcp_token",
    "git_access",
    "has_github_app",
    "proxy_access",
]
