"""The act about new versions: a chart and an image are published; commits, staging, people and production follow."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from fleetloop.engine import Engines
from fleetloop.fleet import CHARTS
from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.local.demo.charts import push_chart, push_image
from fleetloop.local.demo.organisation import ORGANISATION, WRITTEN, Organisation, edited
from fleetloop.local.demo.place import DemoFailed
from fleetloop.local.demo.watching import Say, is_ready, ready_of, until_object
from fleetloop.local.forge import ForgeAdmin
from fleetloop.task_group import TaskGroup

ACT_TIMEOUT = 120.0
FORGE_POLL = 0.2  # seconds; a forge tells nobody of a new status
IMAGE_API, NOTIFICATION_API = "image.toolkit.fluxcd.io/v1", "notification.toolkit.fluxcd.io/v1"
PUBLISHED = ObjectRef(NOTIFICATION_API, "Receiver", "apps", "published")
RELEASE = ObjectRef("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", "catalog")
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "apps", "catalog")
OLD_CHART, NEW_CHART, NEW_IMAGE = "1.0.0", "1.1.0", "2.1.0"


@dataclass(frozen=True, slots=True)
class Clock:
    """Says what happened, and when."""

    say: Say
    started: float

    def __call__(self, text: str) -> None:
        self.say.success(f"{time.monotonic() - self.started:5.1f}s  {text}")


async def publish_and_follow(organisation: Organisation, staging: Kube, production: Kube, say: Say) -> None:
    before = await organisation.head("apps", "main")
    tell = Clock(say, time.monotonic())
    await _publish(organisation, staging)
    tell(f"CI pushed charts/catalog:{NEW_CHART} and catalog:{NEW_IMAGE}, and called staging's webhook")
    async with TaskGroup() as group:
        for name, tag in (("catalog-chart", NEW_CHART), ("catalog", NEW_IMAGE)):
            group.create_task(_until_selected(staging, name, tag))
    tell(f"staging: ImagePolicies select {NEW_CHART} and {NEW_IMAGE}")
    await _until_released(staging)
    tell(f"staging: {ready_of(await staging.get(RELEASE))[1]}")
    for sha, diff in await organisation.changes("apps", "main", before):
        tell(f"commit {sha[:8]} of the automation, on main:\n{diff}")
    head = await organisation.head("apps", "main")
    tell(f"commit {head[:8]} has the status {await _status(organisation, head, 'staging/apps')}")
    tell(f"alert in the chat: {await _alert(organisation, 'staging')}")
    live = await production.get(RELEASE)
    say.success(f"        production, on branch production, still has the chart {_chart_of(live)}")
    stable = await organisation.head("apps", "production")
    sha = await organisation.merge("apps", "production", "main")
    tell(f"merged main into production as {sha[:8]}")
    await _until_released(production)
    tell(f"production: {ready_of(await production.get(RELEASE))[1]}")
    tell(f"commit {sha[:8]} has the status {await _status(organisation, sha, 'production/apps')}, and changed:")
    say.action(await organisation.difference("apps", "production", stable))


async def _publish(organisation: Organisation, staging: Kube) -> None:
    """What the CI of the charts and of the application does."""
    chart = organisation.place.folder / WRITTEN / CHARTS / "catalog"
    edited("Chart.yaml", f"version: {OLD_CHART}", f"version: {NEW_CHART}")(chart)
    registry = organisation.names.registry
    async with Engines() as engines:
        await push_chart(engines, chart, f"{registry}/charts")
    await push_image(f"{registry}/catalog", NEW_IMAGE)
    receiver = await staging.get(PUBLISHED)
    url = organisation.place.webhooks("staging") + receiver["status"]["webhookPath"]
    async with aiohttp.ClientSession() as http, http.post(url) as answer:
        if answer.status != 200:
            raise DemoFailed(f"the webhook {url} answered {answer.status}")


async def _until_selected(staging: Kube, policy: str, tag: str) -> None:
    def is_selected(live: Manifest | None) -> bool:
        latest = ((live or {}).get("status") or {}).get("latestRef") or {}
        return bool(latest.get("tag") == tag)

    await until_object(staging, ObjectRef(IMAGE_API, "ImagePolicy", "apps", policy), is_selected, ACT_TIMEOUT)


async def _until_released(kube: Kube) -> None:
    """Both the new chart and the new image, and the release is Ready with them."""

    def has_both(live: Manifest | None) -> bool:
        tag = (((live or {}).get("spec") or {}).get("values") or {}).get("image", {}).get("tag")
        return is_ready(live) and _chart_of(live) == NEW_CHART and tag == NEW_IMAGE

    await until_object(kube, RELEASE, has_both, ACT_TIMEOUT)
    image = await until_object(kube, DEPLOYMENT, lambda live: live is not None, ACT_TIMEOUT)
    if not str(image and image["spec"]["template"]["spec"]["containers"][0]["image"]).endswith(f":{NEW_IMAGE}"):
        raise DemoFailed(f"{RELEASE} is Ready, but {DEPLOYMENT} has another image")


async def _status(organisation: Organisation, sha: str, context: str) -> str:
    """Of a commit, once it is good."""
    place = organisation.place

    async def ask(forge: ForgeAdmin) -> str:
        while True:
            for status in reversed(await forge.statuses(ORGANISATION, "apps")):
                if (status["sha"], status["context"], status["state"]) == (sha, context, "success"):
                    return f"{status['context']}: {status['state']}, {status['description']}"
            await asyncio.sleep(FORGE_POLL)

    async with ForgeAdmin(place.forge_url, place.admin_token, place.ca_file) as forge:
        return await _within(ask(forge), f"commit {sha[:8]} got no good status {context}")


async def _alert(organisation: Organisation, cluster: str) -> str:
    """The message about the new release of the chart on that cluster."""

    def is_meant(attachment: dict[str, Any]) -> bool:
        fields = {field["title"]: field["value"] for field in attachment["fields"]}
        about = attachment["author_name"].lower() == "helmrelease/catalog.apps"
        return about and fields.get("cluster") == cluster and f"catalog@{NEW_CHART}" in attachment["text"]

    return await _within(_read_chat(organisation.place.chat_url, is_meant), f"no alert from {cluster} about the release")


async def _read_chat(url: str, is_meant: Callable[[dict[str, Any]], bool]) -> str:
    last = 0
    async with aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{url}/messages", params={"after": str(last)}) as answer:
                found = await answer.json()
            last = found["last"]
            for message in found["messages"]:
                for attachment in message["post"]["attachments"]:
                    if is_meant(attachment):
                        return f"{attachment['author_name']}: {attachment['text']}"


async def _within(answer: Any, problem: str) -> str:
    try:
        async with asyncio.timeout(ACT_TIMEOUT):
            return str(await answer)
    except TimeoutError:
        raise DemoFailed(f"{problem} within {ACT_TIMEOUT:g}s") from None


def _chart_of(live: Manifest | None) -> str:
    """The version that is deployed."""
    history = ((live or {}).get("status") or {}).get("history") or [{}]
    newest = history[0]
    return str(newest.get("chartVersion", "")).partition("+")[0] if newest.get("status") == "deployed" else ""
