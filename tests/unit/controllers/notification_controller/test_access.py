"""What Secrets of Providers may hold, and what of it nobody may read."""

import ssl

import pytest

from fleetloop.api.meta import ObjectMeta
from fleetloop.api.notification import Provider, ProviderSpec
from fleetloop.auth import ProxyAccess, TokenCache
from fleetloop.auth.tls import own_tls_context
from fleetloop.controllers.notification.access import Access, _headers, _login
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.identity_tokens import IdentityTokens
from fleetloop.kube import Kube
from fleetloop.kube.connection import Connection
from tests.kit.tls import Authority


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"token": b" t\n"}, ("t", "", "")),
        ({"username": b"u", "password": b"p"}, ("", "u", "p")),
        ({"token": b"t", "username": b"u"}, ("", "", "")),
        ({"token": b"t", "password": b"p"}, ("", "", "")),
        ({"token": b"t", "tls.crt": b"c"}, ("", "", "")),
        ({}, ("", "", "")),
    ],
)
def test_malformed_logins_are_none(data: dict[str, bytes], wanted: tuple[str, str, str]) -> None:
    assert _login(data) == wanted


@pytest.mark.parametrize("raw", [b"[1]", b"1", b"a: [1]", b"a: [", b'a: "b\\r\\nc: d"'])
def test_headers_that_are_none(raw: bytes) -> None:
    with pytest.raises(DeliveryFailed):
        _headers({"headers": raw})


def test_headers_are_texts_whatever_yaml_takes_them_for() -> None:
    raw = b"X-Tenant: 12\nX-Trace: on\nX-Rate: 1.50\nX-None:\n"
    assert _headers({"headers": raw}) == {"X-Tenant": "12", "X-Trace": "true", "X-Rate": "1.5", "X-None": ""}


def test_tokens_and_headers_are_masked() -> None:
    access = Access("https://x", token="tok", password="passw0rd", headers={"X": "abcdef"}, data={"creds": b"seed-line"})
    assert access.masked("tok passw0rd abcdef seed-line") == "***** ***** ***** *****"
    assert "passw0rd" not in repr(access) and "tok" not in repr(access).replace("token", "")


async def test_the_controllers_own_identity_takes_no_way_that_a_tenant_made() -> None:
    """A tenant's proxy with a tenant's authority would read the token."""
    async with Kube(Connection("http://127.0.0.1:1")) as kube:
        tokens = IdentityTokens(kube, TokenCache(1, 60.0), per_object=False, default_account="")
        provider = Provider(
            api_version="v1beta3",
            kind="Provider",
            metadata=ObjectMeta(name="p", namespace="n"),
            spec=ProviderSpec(type="azuredevops"),
        )
        with pytest.raises(DeliveryFailed, match=r"not sent through spec\.proxySecretRef"):
            await tokens.of(provider, {}, "", "https://dev.azure.com/o/p/_git/r", (ProxyAccess("http://127.0.0.1:1"), True))


def test_a_custom_authority_stands_in_place_of_the_systems() -> None:
    """Where a registry's stands beside them."""
    assert len(own_tls_context(Authority().ca).get_ca_certs()) == 1
    assert own_tls_context().verify_mode is own_tls_context(Authority().ca).verify_mode is ssl.CERT_REQUIRED
    assert own_tls_context(Authority().ca).check_hostname
