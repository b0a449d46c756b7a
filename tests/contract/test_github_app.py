"""A GitHub App's token, bought over TLS from a server that checks the App's signature as GitHub does."""

import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import jwt
import pytest
import pytest_asyncio
from aiohttp import web

from fleetloop.auth import IdentityError, InvalidSecret, ProxyAccess
from fleetloop.auth.github_app import app_jwt, github_app, installation_token
from tests.kit.clouds import APP_ID, Clouds, running_clouds
from tests.kit.proxies import ProxyServer, http_proxy, socks5_proxy
from tests.kit.tls import Authority


@pytest_asyncio.fixture
async def clouds(tmp_path: Path) -> AsyncIterator[Clouds]:
    async with running_clouds(tmp_path) as made:
        yield made


def secret(clouds: Clouds, **fields: str) -> dict[str, bytes]:
    base = {"githubAppID": APP_ID, "githubAppBaseURL": clouds.url + "/api/v3/", "githubAppInstallationID": "77"} | fields
    found = {key: value.encode() for key, value in base.items() if value}
    return found | {"githubAppPrivateKey": clouds.app_key, "ca.crt": clouds.ca}


async def test_by_id(clouds: Clouds) -> None:
    token = await installation_token(github_app(secret(clouds)))
    assert token.value == clouds.git_token and abs(token.expires_at - time.time() - 3600) < 60
    assert clouds.seen == [{"service": "github", "path": "/api/v3/app/installations/77/access_tokens"}]


@pytest.mark.parametrize("owner", ["acme", "ada"])
async def test_by_owner(clouds: Clouds, owner: str) -> None:
    """An organisation, or else a user."""
    app = github_app(secret(clouds, githubAppInstallationID="", githubAppInstallationOwner=owner))
    assert (await installation_token(app)).value == clouds.git_token
    assert clouds.asked("github-owner")[-1]["path"].endswith(f"/{owner}/installation")


async def test_refusals_hold_no_secret(clouds: Clouds) -> None:
    app = github_app(secret(clouds))
    cases = [
        (dataclasses.replace(app, installation="78"), "installation 78 of the GitHub App: HTTP 404 Not Found"),
        (dataclasses.replace(app, app_id="9"), "HTTP 401 A JSON web token could not be decoded"),
        (dataclasses.replace(app, installation="", owner="nobody"), "owner 'nobody': HTTP 404"),
        (dataclasses.replace(app, ca=b""), "certificate verify failed"),
        (dataclasses.replace(app, base_url="https://127.0.0.1:1"), "POST https://127.0.0.1:1/app/installations/77/"),
    ]
    for case, message in cases:
        with pytest.raises(IdentityError) as caught:
            await installation_token(case)
        assert message in str(caught.value) and "eyJ" not in str(caught.value)


async def test_no_redirect_is_followed(clouds: Clouds) -> None:
    """CVE-2021-32690 and alike: the App's word goes to the host that the Secret names."""

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(clouds.url + "/api/v3/app/installations/77/access_tokens")

    app = web.Application()
    app.router.add_route("*", "/{_:.*}", away)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        with pytest.raises(IdentityError, match="HTTP 307"):
            await installation_token(github_app(secret(clouds, githubAppBaseURL=f"http://127.0.0.1:{port}")))
    finally:
        await runner.cleanup()
    assert clouds.seen == []


@pytest.mark.parametrize("kind", [http_proxy, socks5_proxy])
async def test_through_a_proxy(clouds: Clouds, kind: Callable[..., AbstractAsyncContextManager[ProxyServer]]) -> None:
    app, target = github_app(secret(clouds)), clouds.url.removeprefix("https://")
    async with kind("ada", "p@ss") as proxy:
        token = await installation_token(app, ProxyAccess(proxy.address, "ada", "p@ss"))
        assert (token.value, proxy.targets) == (clouds.git_token, [target])
        assert not any(b"eyJ" in head for head in proxy.heads)  # the App's word is not for the proxy
        with pytest.raises(IdentityError) as caught:
            await installation_token(app, ProxyAccess(proxy.address, "ada", "wr0ng"))
        assert "wr0ng" not in str(caught.value) and proxy.targets == [target]
    with pytest.raises(IdentityError):
        await installation_token(app, ProxyAccess(proxy.address, "ada", "p@ss"))


async def test_client_certificate(clouds: Clouds, tmp_path: Path) -> None:
    """`tls.crt` and `tls.key` of the same Secret."""
    ours = Authority("clients")

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"token": "mutual", "expires_at": "2030-01-01T00:00:00Z"}, status=201)

    app = web.Application()
    app.router.add_route("*", "/{_:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    server = Authority("server")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server.server_context(tmp_path, clients=ours.ca)).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    data = secret(clouds, githubAppBaseURL=url) | {"ca.crt": server.ca}
    pair = ours.pair("team")
    try:
        with pytest.raises(IdentityError):
            await installation_token(github_app(data))
        token = await installation_token(github_app(data | {"tls.crt": pair.cert, "tls.key": pair.key}))
    finally:
        await runner.cleanup()
    assert token.value == "mutual"


def test_the_jwt_lives_less_than_ten_minutes(clouds: Clouds) -> None:
    claims = jwt.decode(app_jwt(github_app(secret(clouds)), 1000.0), options={"verify_signature": False})
    assert claims == {"iat": 940, "exp": 1540, "iss": APP_ID}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"githubAppID": ""}, "'githubAppID' is required"),
        ({"githubAppInstallationID": ""}, "one of 'githubAppInstallationID' and 'githubAppInstallationOwner' must be set"),
        ({"githubAppInstallationOwner": "acme"}, "only one of"),
        ({"githubAppInstallationID": "7/../8"}, "'githubAppInstallationID' is not a number"),
        ({"githubAppBaseURL": "ftp://x"}, "'githubAppBaseURL' must be"),
        ({"githubAppBaseURL": "https://u:p@x"}, "without user info"),
    ],
)
def test_bad_secrets(clouds: Clouds, fields: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSecret, match=message):
        github_app(secret(clouds, **fields))


async def test_bad_keys(clouds: Clouds) -> None:
    data = secret(clouds) | {"githubAppPrivateKey": b"no key"}
    with pytest.raises(InvalidSecret, match="'githubAppPrivateKey' is not a private RSA key in PEM form"):
        await installation_token(github_app(data))
    with pytest.raises(InvalidSecret, match=r"'ca\.crt' holds no certificate"):
        await installation_token(github_app(secret(clouds) | {"ca.crt": b"-----BEGIN CERTIFICATE-----\nx"}))
    with pytest.raises(InvalidSecret, match=r"'tls\.crt' and 'tls\.key' are required together"):
        github_app(secret(clouds) | {"tls.crt": b"x"})
