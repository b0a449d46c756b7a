"""Sends webhooks: one signed POST for each event and hook, in the order of the events. No second try, as on GitHub."""

import asyncio
import hashlib
import hmac
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec

from fleetloop.task_group import TaskGroup

from . import payloads
from .api import hooks
from .forge import Forge, RefChange
from .model import Hook, Pull, Repository

TIMEOUT = aiohttp.ClientTimeout(total=10.0)  # seconds; GitHub's
QUEUE_LIMIT = 1000  # deliveries that may wait; more are dropped and noted at the hook


@dataclass(frozen=True, slots=True)
class Delivery:
    hook: Hook
    event: str
    body: bytes


def signed_headers(hook: Hook, event: str, body: bytes, identity: str) -> dict[str, str]:
    """What GitHub puts on a delivery; the signatures only with a secret."""
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json" if hook.content_type == "json" else "application/x-www-form-urlencoded",
        "User-Agent": "GitHub-Hookshot/fleetloop",
        "X-GitHub-Delivery": identity,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-Type": "repository",
    }
    if hook.secret:
        key = hook.secret.encode()
        headers["X-Hub-Signature"] = f"sha1={hmac.new(key, body, hashlib.sha1).hexdigest()}"
        headers["X-Hub-Signature-256"] = f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
    return headers


class Deliveries:
    """The forge's Listener: turns events into deliveries and sends them one after the other."""

    def __init__(self, forge: Forge, session: aiohttp.ClientSession) -> None:
        self._forge = forge
        self._session = session
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue(QUEUE_LIMIT)

    async def pushed(self, repository: Repository, actor: str, change: RefChange) -> None:
        if _listening(repository, "push"):
            payload = await payloads.push_payload(self._forge, repository, actor, change)
            self._offer(_listening(repository, "push"), "push", payload)

    async def pinged(self, repository: Repository, actor: str, hook: Hook) -> None:
        shown = hooks.shown(f"{self._forge.url}/api/v3/repos/{repository.full_name}", hook)
        self._offer([hook], "ping", payloads.ping_payload(self._forge, repository, actor, hook, shown))

    async def pull_changed(self, repository: Repository, actor: str, pull: Pull, action: str) -> None:
        payload = payloads.pull_payload(self._forge, repository, actor, pull, action)
        self._offer(_listening(repository, "pull_request"), "pull_request", payload)

    async def send_all(self) -> None:
        """Send what comes, for ever."""
        while True:
            delivery = await self._queue.get()
            await self._send(delivery)
            await self._forge.save()

    def _offer(self, wanting: list[Hook], event: str, payload: dict[str, Any]) -> None:
        document = msgspec.json.encode(payload)
        for hook in wanting:
            body = document if hook.content_type == "json" else urlencode({"payload": document.decode()}).encode()
            try:
                self._queue.put_nowait(Delivery(hook, event, body))
            except asyncio.QueueFull:
                hook.last_status, hook.last_code, hook.last_message = "dropped", None, "too many deliveries wait"

    async def _send(self, delivery: Delivery) -> None:
        hook = delivery.hook
        headers = signed_headers(hook, delivery.event, delivery.body, str(uuid.uuid4()))
        verify = hook.insecure_ssl != "1"
        try:
            async with self._session.post(
                hook.url, data=delivery.body, headers=headers, ssl=verify, allow_redirects=False
            ) as response:
                hook.last_code = response.status
                hook.last_status = "active" if response.ok else "failed"
                hook.last_message = response.reason
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            hook.last_status, hook.last_code, hook.last_message = "failed", None, type(error).__name__


@asynccontextmanager
async def delivering(forge: Forge, ca_file: Path) -> AsyncIterator[None]:
    """Tell webhooks what happens, until left. The forge's own authority is trusted besides the system's."""
    context = await asyncio.to_thread(_trust, ca_file)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session, TaskGroup() as tasks:
        deliveries = Deliveries(forge, session)
        forge.listener = deliveries
        sending = tasks.create_task(deliveries.send_all())
        try:
            yield
        finally:
            forge.listener = None
            sending.cancel()


def _listening(repository: Repository, event: str) -> list[Hook]:
    return [hook for hook in repository.hooks if hook.active and {event, "*"} & set(hook.events)]


def _trust(ca_file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context
