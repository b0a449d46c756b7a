"""What the demo shows, act by act. Everything is done as a team would do it: by commits, merges, and one hand that slips."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from fleetloop.api import names
from fleetloop.kube import AlreadyExists, Kube, Manifest, ObjectRef
from fleetloop.local.demo.organisation import ORGANISATION, Organisation, call_at_pushes, edited, set_up
from fleetloop.local.demo.place import CLUSTERS, Place, bring_up, shown
from fleetloop.local.demo.releases import change_a_value, fail_and_recover
from fleetloop.local.demo.updates import publish_and_follow
from fleetloop.local.demo.watching import Say, ready_of, until_fetched, until_object, until_ready
from fleetloop.task_group import TaskGroup

BOOTSTRAP_TIMEOUT = 300.0
READY_TIMEOUT = 300.0
ACT_TIMEOUT = 120.0
OLD_IMAGE, NEW_IMAGE = "nginx-unprivileged:1.29.1", "nginx-unprivileged:1.29.2"
STOREFRONT = ObjectRef("apps/v1", "Deployment", "apps", "storefront")
SERVICE = ObjectRef("v1", "Service", "apps", "storefront")
APPS = ObjectRef("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "apps", "apps")
ESCAPE = """apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: everything
rules:
  - {apiGroups: ["*"], resources: ["*"], verbs: ["*"]}
"""


async def tell(folder: Path, say: Say, title: "Title") -> Place:
    """The whole demo; the fleet goes on running. Raises DemoFailed."""
    title("A forge, a registry, a chat room and two clusters on this machine")
    place = await bring_up(folder, lambda cluster, event: say.waiting(f"{cluster}: {event}"))
    for cluster, kubeconfig in place.kubeconfigs.items():
        say.success(f"{cluster}: a real Kubernetes API server, kubeconfig {kubeconfig}")
    say.success(f"forge: {place.forge_url}")

    title("Three repositories: fleet, infra, apps; charts of our own in the registry")
    organisation = await set_up(place)
    say.success(f"pushed {ORGANISATION}/fleet, {ORGANISATION}/infra and {ORGANISATION}/apps, secrets encrypted with SOPS and age")
    say.success(f"pushed charts to oci://{organisation.names.registry}/charts")

    for cluster in CLUSTERS:
        title(f"Bootstrap {cluster} with the bot's token")
        await _bootstrap(organisation, cluster, say)

    title("Everything follows from Git")
    async with place.cluster("staging") as staging, place.cluster("production") as production:
        async with TaskGroup() as group:
            for name, kube in (("staging", staging), ("production", production)):
                group.create_task(until_ready(name, kube, say, READY_TIMEOUT))
        title("The forge calls both clusters at each push")
        await call_at_pushes(organisation, {"staging": staging, "production": production})
        say.success(f"webhooks of infra and apps lead to both clusters; alerts are shown at {place.chat_url}")
        await _change(organisation, staging, production, say, title)
        await _promote(organisation, production, say, title)
        title("A new chart and a new image are published")
        await publish_and_follow(organisation, staging, production, say)
        await _drift(staging, say, title)
        await _escape(organisation, staging, say, title)
        title("A value of a Helm release is committed to apps, branch main")
        await change_a_value(organisation, staging, production, say)
        title("A version that crashes is committed, then one that works")
        await fail_and_recover(organisation, staging, say)
    return place


class Title:
    """Writes the heading of an act."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def __call__(self, text: str) -> None:
        self._say.action(f"\n━━ {text}".lstrip())


async def _bootstrap(organisation: Organisation, cluster: str, say: Say) -> None:
    place = organisation.place
    async with place.cluster(cluster) as kube:
        await _give_key(kube, organisation)
    arguments = [
        "bootstrap",
        "github",
        f"--hostname={place.forge_host}",
        f"--ca-file={place.ca_file}",
        "--components-extra=image-reflector-controller,image-automation-controller",
        f"--owner={ORGANISATION}",
        "--repository=fleet",
        "--branch=main",
        "--token-auth",
        f"--path=clusters/{cluster}",
        f"--kubeconfig={place.kubeconfigs[cluster]}",
    ]
    say.action(f"GITHUB_TOKEN=… fleetloop {' '.join(arguments)}")
    environment: Mapping[str, str] = os.environ | {"GITHUB_TOKEN": organisation.bot_token}
    await shown(arguments, timeout=BOOTSTRAP_TIMEOUT, environment=environment)


async def _give_key(kube: Kube, organisation: Organisation) -> None:
    """The one secret that does not come from Git: the key that opens those that do."""
    namespace = names.DEFAULT_NAMESPACE
    for manifest in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "sops-age", "namespace": namespace},
            "stringData": {"platform.agekey": organisation.platform_key.identity},
        },
    ):
        try:
            await kube.create(manifest)
        except AlreadyExists:
            continue


async def _change(organisation: Organisation, staging: Kube, production: Kube, say: Say, title: Title) -> None:
    title("A new version of an application is committed to apps, branch main")
    started = time.monotonic()
    sha = await organisation.commit("apps", "Storefront 1.29.2", edited("base/storefront/deployment.yaml", OLD_IMAGE, NEW_IMAGE))
    say.success(f"pushed {sha[:8]}: {NEW_IMAGE}")
    await until_fetched(staging, sha, ACT_TIMEOUT)
    say.success(f"the forge's webhook brought it to staging in {time.monotonic() - started:.1f}s")
    await until_object(staging, STOREFRONT, lambda live: image_of(live).endswith(NEW_IMAGE), ACT_TIMEOUT)
    say.success(f"staging runs {NEW_IMAGE} after {time.monotonic() - started:.1f}s")
    live = await production.get(STOREFRONT)
    say.success(f"production, on branch production, still runs {image_of(live).rpartition('/')[2]}")


async def _promote(organisation: Organisation, production: Kube, say: Say, title: Title) -> None:
    title("Promotion: main is merged into production")
    started = time.monotonic()
    sha = await organisation.merge("apps", "production", "main")
    say.success(f"merged as {sha[:8]}")
    await until_object(production, STOREFRONT, lambda live: image_of(live).endswith(NEW_IMAGE), ACT_TIMEOUT)
    say.success(f"production runs {NEW_IMAGE} after {time.monotonic() - started:.1f}s")


async def _drift(staging: Kube, say: Say, title: Title) -> None:
    title("Somebody deletes a Service by hand")
    uid = (await staging.get(SERVICE))["metadata"]["uid"]
    started = time.monotonic()
    await staging.delete(SERVICE)
    say.action("deleted Service apps/storefront on staging")
    await until_object(staging, SERVICE, lambda live: live is not None and live["metadata"]["uid"] != uid, ACT_TIMEOUT)
    say.success(f"it is back after {time.monotonic() - started:.1f}s")


async def _escape(organisation: Organisation, staging: Kube, say: Say, title: Title) -> None:
    title("A tenant tries to leave its namespace")
    kustomization = Path("staging", "kustomization.yaml")

    def escape(tree: Path) -> None:
        (tree / "staging" / "escape.yaml").write_text(ESCAPE)
        text = (tree / kustomization).read_text()
        (tree / kustomization).write_text(text.replace("resources:\n", "resources:\n  - escape.yaml\n", 1))

    def repent(tree: Path) -> None:
        (tree / "staging" / "escape.yaml").unlink()
        text = (tree / kustomization).read_text()
        (tree / kustomization).write_text(text.replace("  - escape.yaml\n", "", 1))

    sha = await organisation.commit("apps", "A role for everything", escape)
    say.action(f"pushed {sha[:8]}: a ClusterRole in the apps repository")
    refused = await until_object(staging, APPS, lambda live: _refused(live, sha), ACT_TIMEOUT)
    say.failure(f"staging: Kustomization apps/apps: {ready_of(refused)[1]}")
    sha = await organisation.commit("apps", "No role for everything", repent)
    await until_object(staging, APPS, lambda live: ready_of(live)[0] == "True" and ready_of(live)[1].endswith(sha), ACT_TIMEOUT)
    say.success("the commit was taken back; staging is Ready again")


def _refused(live: Manifest | None, sha: str) -> bool:
    attempted = ((live or {}).get("status") or {}).get("lastAttemptedRevision") or ""
    status, message = ready_of(live)
    return attempted.endswith(sha) and status == "False" and "forbidden" in message.lower()


def image_of(deployment: Manifest | None) -> str:
    containers = ((((deployment or {}).get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers") or []
    return str(containers[0]["image"]) if containers else ""
