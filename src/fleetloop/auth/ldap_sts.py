"""Credentials for an object store, for who is known to an LDAP directory: AssumeRoleWithLDAPIdentity, as MinIO's STS has it.

Flux: source-kustomize.md 4.1.
"""

import datetime
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlencode
from xml.etree import ElementTree

from fleetloop.auth.aws import AwsCredentials
from fleetloop.auth.errors import IdentityError
from fleetloop.auth.git_credentials import ProxyAccess
from fleetloop.auth.http import json_http

_NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
_VERSION = "2011-06-15"
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
_SHOWN = 200  # characters of what a server says


@dataclass(frozen=True, slots=True)
class LdapLogin:
    """`endpoint`: the STS's URL."""

    endpoint: str
    username: str
    password: str = field(repr=False)


async def ldap_credentials(login: LdapLogin, trust: ssl.SSLContext, proxy: ProxyAccess | None = None) -> AwsCredentials:
    """Raises IdentityError."""
    form = {"Action": "AssumeRoleWithLDAPIdentity", "Version": _VERSION}
    form |= {"LDAPUsername": login.username, "LDAPPassword": login.password}
    async with json_http(proxy, trust, _HEADERS) as http:
        status, raw = await http.exchange_bytes("POST", login.endpoint, urlencode(form))
    root = _parsed(raw)
    if status != 200:
        raise IdentityError(f"STS '{login.endpoint}' refused with status {status}{_told(root)}")
    try:
        assert root is not None
        found = {key: _text(root, key) for key in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")}
        until = datetime.datetime.fromisoformat(found["Expiration"]).timestamp()
    except (AssertionError, LookupError, ValueError):
        raise IdentityError(f"STS '{login.endpoint}' gave an answer without credentials") from None
    return AwsCredentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], until)


def _parsed(raw: bytes) -> ElementTree.Element | None:
    """None for what is no XML, or has declarations of its own: entities can make much of little."""
    if b"<!" in raw:
        return None
    try:
        return ElementTree.fromstring(raw)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None


def _text(root: ElementTree.Element, name: str) -> str:
    """Raises LookupError."""
    found = root.findtext(f".//{_NAMESPACE}{name}", "").strip()
    if not found:
        raise LookupError(name)
    return found


def _told(root: ElementTree.Element | None) -> str:
    """The server's own words, where it has some."""
    if root is None:
        return ""
    words = [root.findtext(f".//{_NAMESPACE}{name}", "") for name in ("Code", "Message")]
    text = " ".join(": ".join(filter(None, words)).split())[:_SHOWN]
    return f": {text}" if text else ""
