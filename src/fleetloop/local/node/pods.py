"""All pods of the node: one PodLife each, fed by the watch."""

import asyncio
import shutil

import structlog

from fleetloop.kube import ApiError, Manifest, Unreachable, ref_of
from fleetloop.local.node.context import NodeContext
from fleetloop.local.node.pod_life import PodLife
from fleetloop.task_group import TaskGroup

RETRY_PAUSE = 1.0


class Pods:
    """`changed` hears every change of a pod; `tasks` is where pods live."""

    def __init__(self, node: NodeContext, tasks: TaskGroup) -> None:
        self._node = node
        self._tasks = tasks
        self._lives: dict[str, PodLife] = {}

    def find(self, namespace: str, name: str) -> PodLife | None:
        for life in self._lives.values():
            metadata = life.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                return life
        return None

    def all(self) -> list[PodLife]:
        return list(self._lives.values())

    def changed(self, old: Manifest | None, new: Manifest | None) -> None:
        old_uid = old["metadata"]["uid"] if old else ""
        new_uid = new["metadata"]["uid"] if new else ""
        if old_uid != new_uid and old_uid in self._lives:
            self._lives[old_uid].vanished()
        if new is None:
            return
        if life := self._lives.get(new_uid):
            life.observe(new)
        else:
            self._lives[new_uid] = PodLife(self._node, new)
            self._tasks.create_task(self._live(self._lives[new_uid]))

    async def _live(self, life: PodLife) -> None:
        """A bug with one pod is logged and tried again; it must not take the other pods and clusters with it."""
        try:
            while True:
                try:
                    await life.run()
                    return
                except (ApiError, Unreachable) as error:
                    structlog.get_logger().info("pod waits for the API server", pod=str(ref_of(life.pod)), error=str(error))
                except Exception:
                    structlog.get_logger().exception("pod failed", pod=str(ref_of(life.pod)))
                await asyncio.sleep(RETRY_PAUSE)
        finally:
            self._lives.pop(life.pod["metadata"]["uid"], None)


def remove_strangers(node: NodeContext, pods: list[Manifest]) -> None:
    """Folders of pods that went while nobody was here."""
    known = {node.pod_folder(pod["metadata"]["namespace"], pod["metadata"]["name"], pod["metadata"]["uid"]) for pod in pods}
    folders = list(node.folder.iterdir()) if node.folder.exists() else []
    for folder in folders:
        if folder not in known:
            shutil.rmtree(folder, ignore_errors=True)
