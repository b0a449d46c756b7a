"""`trigger receiver`: call a Receiver's webhook, as a pipeline does when it has built something. Asks no cluster."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetloop import __version__
from fleetloop.api.durations import duration_text
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import DURATION, quoted

if TYPE_CHECKING:
    import aiohttp

TOKEN_VARIABLE = "FLUX_TRIGGER_RECEIVER_OIDC_TOKEN"
_ID_URL, _ID_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_TYPES = ("generic", "generic-hmac", "generic-oidc")
_PROVIDERS = ("github", "forgejo")
_AUDIENCE = "notification-controller"
_AGAIN = {404, 408, 429, 500, 502, 503, 504}
_PATIENCE = 30.0  # seconds, for one request
_SHOWN = 1024  # bytes of an answer


class TryAgain(CliError):
    """The call may succeed later."""


@dataclass(frozen=True)
class TriggerReceiver(Command):
    """Call the webhook of a Receiver of type generic, generic-hmac or generic-oidc.

    Examples:
      fleetloop trigger receiver built -n apps --url=https://hooks.example.com --token=$TOKEN
      fleetloop trigger receiver built -n apps --url=https://hooks.example.com --type=generic-oidc --oidc-provider=github
    """

    names: tuple[str, ...] = argument(many=True)
    url: str = flag("--url", help="address of the notification-controller's webhooks")
    type: str = flag("--type", default="generic", help="type of the Receiver: generic, generic-hmac or generic-oidc")
    token: str = flag("--token", help="the Receiver's token")
    payload: str = flag("--payload", default="{}", help="the JSON that is sent")
    oidc_provider: str = flag("--oidc-provider", help="who issues the OIDC token: github or forgejo, in an Actions job")
    oidc_token: str = flag("--oidc-token", help=f"the OIDC token; {TOKEN_VARIABLE} otherwise")
    oidc_audience: str = flag("--oidc-audience", help=f"audience of the token, {_AUDIENCE} unless given")
    retries: int = flag("--retries", default=10, help="how often a failed call is made again")
    retry_delay: float = flag("--retry-delay", type=DURATION, default=10.0, help="how long to wait before")

    def check(self) -> None:
        if len(self.names) != 1:
            raise UsageError(f"accepts 1 arg(s), received {len(self.names)}")
        if not self.url:
            raise UsageError("--url is required")
        if self.type not in _TYPES:
            raise UsageError(f"invalid --type {quoted(self.type)}, must be one of: {', '.join(_TYPES)}")
        if self.type == "generic-oidc":
            self._check_oidc()
            return
        if not self.token:
            raise UsageError(f"--token is required for --type={self.type}")
        if self.oidc_provider or self.oidc_token or self.oidc_audience:
            raise UsageError("--oidc-provider, --oidc-token and --oidc-audience can only be set for --type=generic-oidc")

    def _check_oidc(self) -> None:
        if self.token:
            raise UsageError("--token must not be set for --type=generic-oidc, the Receiver of this type has no secret")
        if self.oidc_provider and self.oidc_token:
            raise UsageError("--oidc-provider and --oidc-token are mutually exclusive")
        if self.oidc_provider and self.oidc_provider not in _PROVIDERS:
            raise UsageError(f"invalid --oidc-provider {quoted(self.oidc_provider)}, must be one of: {', '.join(_PROVIDERS)}")
        if self.oidc_audience and not self.oidc_provider:
            raise UsageError("--oidc-audience can only be set together with --oidc-provider")

    async def run(self, cx: Context) -> None:
        import aiohttp

        name = f"{cx.namespace}/{self.names[0]}"
        async with aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(_PATIENCE)) as session:
            headers = await self._headers(cx.environment, session)
            cx.say.action(f"triggering Receiver {name}")
            await self._call_until_it_works(cx, session, self._address(cx.namespace), headers)
        cx.say.success(f"Receiver {name} triggered")

    def _address(self, namespace: str) -> str:
        digest = hashlib.sha256(f"{self.token}{self.names[0]}{namespace}".encode()).hexdigest()
        return f"{self.url.rstrip('/')}/hook/{digest}"

    async def _headers(self, environment: Mapping[str, str], session: "aiohttp.ClientSession") -> dict[str, str]:
        """Raises CliError."""
        found = {"Content-Type": "application/json", "User-Agent": f"flux/v{__version__}"}
        if self.type == "generic-hmac":
            signature = hmac.new(self.token.encode(), self.payload.encode(), hashlib.sha256).hexdigest()
            return found | {"X-Signature": f"sha256={signature}"}
        if self.type == "generic-oidc":
            return found | {"Authorization": f"Bearer {await self._oidc_token(environment, session)}"}
        return found

    async def _oidc_token(self, environment: Mapping[str, str], session: "aiohttp.ClientSession") -> str:
        """Raises CliError."""
        if self.oidc_provider:
            return await _actions_token(environment, session, self.oidc_audience or _AUDIENCE)
        if token := self.oidc_token or environment.get(TOKEN_VARIABLE):
            return token
        raise CliError(f"no OIDC token provided: set --oidc-provider, --oidc-token or the {TOKEN_VARIABLE} environment variable")

    async def _call_until_it_works(
        self, cx: Context, session: "aiohttp.ClientSession", address: str, headers: dict[str, str]
    ) -> None:
        """Raises CliError."""
        for attempt in range(1, self.retries + 1):
            try:
                return await _call(session, address, headers, self.payload)
            except TryAgain as error:
                cx.say.waiting(f"{error}; retrying in {duration_text(self.retry_delay)} ({attempt}/{self.retries})")
                await asyncio.sleep(self.retry_delay)
        return await _call(session, address, headers, self.payload)


async def _call(session: "aiohttp.ClientSession", address: str, headers: dict[str, str], payload: str) -> None:
    """⚠ CLI48: 404 may pass, for the Receiver may not be there yet. Raises CliError, TryAgain."""
    async with _answer(session, "POST", address, headers, payload) as answer:
        if answer.status < 300:
            return
        body = (await answer.content.read(_SHOWN)).decode(errors="replace").strip()
        message = f"request to {address} failed with status {answer.status} {answer.reason}" + (f": {body}" if body else "")
    raise (TryAgain if answer.status in _AGAIN else CliError)(message)


async def _actions_token(environment: Mapping[str, str], session: "aiohttp.ClientSession", audience: str) -> str:
    """What the Actions of GitHub and Forgejo issue to a job. Raises CliError."""
    url, request_token = environment.get(_ID_URL), environment.get(_ID_TOKEN)
    if not url or not request_token:
        raise CliError(
            f"{_ID_URL} and {_ID_TOKEN} must be set in the environment; "
            "ensure the Actions job has the 'id-token: write' permission"
        )
    from yarl import URL

    asked = str(URL(url).update_query(audience=audience))
    async with _answer(session, "GET", asked, {"Authorization": f"bearer {request_token}"}, None) as answer:
        found = await answer.json(content_type=None) if answer.status == 200 else {}
    if not isinstance(found, dict) or not found.get("value"):
        raise CliError(f"the Actions service gave no OIDC token, but status {answer.status}")
    return str(found["value"])


@asynccontextmanager
async def _answer(
    session: "aiohttp.ClientSession", method: str, url: str, headers: dict[str, str], payload: str | None
) -> AsyncIterator["aiohttp.ClientResponse"]:
    """Raises TryAgain for no answer."""
    import aiohttp

    try:
        async with session.request(method, url, headers=headers, data=payload, allow_redirects=False) as answer:
            yield answer
    except (aiohttp.ClientError, TimeoutError) as error:
        raise TryAgain(f"request to {url} failed: {error or type(error).__name__}") from None
