"""`trigger receiver` against a small server of webhooks."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.kit.cli import Finished, run_cli
from tests.kit.served import served

WORDS = ("trigger", "receiver", "built", "-n", "apps")


@dataclass
class Hooks:
    """`answers`: the next statuses, 200 once they are used up; `calls`: method, path, headers and body of each."""

    answers: list[int]
    url: str = ""
    calls: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)

    async def cli(self, *words: str, **environment: str) -> Finished:
        base = {"KUBECONFIG": "/dev/null", "ACTIONS_ID_TOKEN_REQUEST_URL": "", "FLUX_TRIGGER_RECEIVER_OIDC_TOKEN": ""}
        return await asyncio.to_thread(run_cli, (*WORDS, f"--url={self.url}/", *words), base | environment)


@asynccontextmanager
async def hooks(*answers: int) -> AsyncIterator[Hooks]:
    found = Hooks(list(answers))

    async def handle(request: web.Request) -> web.Response:
        found.calls.append((request.method, request.path_qs, dict(request.headers), await request.text()))
        if request.path == "/token":
            return web.json_response({"value": "oidc"})
        return web.Response(status=found.answers.pop(0) if found.answers else 200, text="said so")

    async with served(handle) as address:
        found.url = f"http://{address}"
        yield found


def path_of(token: str) -> str:
    return f"/hook/{hashlib.sha256(f'{token}builtapps'.encode()).hexdigest()}"


DONE = "► triggering Receiver apps/built\n✔ Receiver apps/built triggered\n"


async def test_generic() -> None:
    async with hooks() as server:
        assert await server.cli("--token=secret", '--payload={"a":1}') == Finished("", DONE, 0)
        method, path, headers, body = server.calls[0]
        assert (method, path, body) == ("POST", path_of("secret"), '{"a":1}')
        assert headers["Content-Type"] == "application/json"
        assert headers["User-Agent"].startswith("flux/v")
        assert "Authorization" not in headers


async def test_signed() -> None:
    async with hooks() as server:
        assert (await server.cli("--token=secret", "--type=generic-hmac")).code == 0
        signature = hmac.new(b"secret", b"{}", hashlib.sha256).hexdigest()
        assert server.calls[0][2]["X-Signature"] == f"sha256={signature}"


async def test_oidc() -> None:
    async with hooks() as server:
        job = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/token?v=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"}
        words = ("--type=generic-oidc", "--oidc-provider=github", "--oidc-audience=me")
        assert await server.cli(*words, **job) == Finished("", DONE, 0)
        (asked, _), (called, _) = [(call[1], call[2]) for call in server.calls]
        assert (asked, called) == ("/token?v=1&audience=me", path_of(""))
        assert server.calls[0][2]["Authorization"] == "bearer job"
        assert server.calls[1][2]["Authorization"] == "Bearer oidc"
        given = await server.cli("--type=generic-oidc", FLUX_TRIGGER_RECEIVER_OIDC_TOKEN="other")
        assert given.code == 0
        assert server.calls[2][2]["Authorization"] == "Bearer other"


async def test_not_found_is_tried_again() -> None:
    """⚠ CLI48: the Receiver may be on its way."""
    async with hooks(404, 503) as server:
        done = await server.cli("--token=secret", "--retries=2", "--retry-delay=10ms")
        address = f"{server.url}{path_of('secret')}"
        action, success = DONE.splitlines(keepends=True)
        failed = [
            f"◎ request to {address} failed with status 404 Not Found: said so; retrying in 10ms (1/2)\n",
            f"◎ request to {address} failed with status 503 Service Unavailable: said so; retrying in 10ms (2/2)\n",
        ]
        assert done == Finished("", "".join([action, *failed, success]), 0)
        assert len(server.calls) == 3


async def test_refusals_are_not() -> None:
    async with hooks(400, 404, 404) as server:
        refused = await server.cli("--token=secret", "--retry-delay=10ms")
        assert (refused.code, len(server.calls)) == (1, 1)
        assert refused.errors.endswith("failed with status 400 Bad Request: said so\n")
        late = await server.cli("--token=secret", "--retries=1", "--retry-delay=10ms")
        assert (late.code, len(server.calls)) == (1, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--url is required"),
        (("--url=x", "--type=y"), 'invalid --type "y", must be one of: generic, generic-hmac, generic-oidc'),
        (("--url=x",), "--token is required for --type=generic"),
        (
            ("--url=x", "--token=t", "--oidc-token=o"),
            "--oidc-provider, --oidc-token and --oidc-audience can only be set for --type=generic-oidc",
        ),
        (
            ("--url=x", "--type=generic-oidc", "--token=t"),
            "--token must not be set for --type=generic-oidc, the Receiver of this type has no secret",
        ),
        (
            ("--url=x", "--type=generic-oidc", "--oidc-provider=x"),
            'invalid --oidc-provider "x", must be one of: github, forgejo',
        ),
        (
            ("--url=x", "--type=generic-oidc", "--oidc-audience=x"),
            "--oidc-audience can only be set together with --oidc-provider",
        ),
        (
            ("--url=http://x", "--type=generic-oidc"),
            "no OIDC token provided: set --oidc-provider, --oidc-token or the "
            "FLUX_TRIGGER_RECEIVER_OIDC_TOKEN environment variable",
        ),
    ],
)
def test_usage(words: tuple[str, ...], message: str) -> None:
    done = run_cli((*WORDS, *words), {"KUBECONFIG": "/dev/null", "FLUX_TRIGGER_RECEIVER_OIDC_TOKEN": ""})
    assert done == Finished("", f"✗ {message}\n", 1)
