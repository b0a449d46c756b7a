"""What an organisation's CI does: packages charts and pushes them, and images, to the registry."""

import asyncio
import tempfile
from pathlib import Path

import aiohttp
import orjson

from fleetloop import oci
from fleetloop.engine import Engines, Family
from fleetloop.local.demo.place import DemoFailed
from fleetloop.oci.content import HELM_CHART, HELM_CONFIG, OCI_MANIFEST

PACKAGE_TIMEOUT = 30.0  # seconds, the engine's start included
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"


async def push_chart(engines: Engines, chart: Path, repository: str) -> str:
    """The chart in a folder as `REPOSITORY/NAME:VERSION`; gives the version. Raises DemoFailed, OciError."""
    with tempfile.TemporaryDirectory(prefix="fleetloop-demo-") as folder:
        made = await engines.call(
            Family.HELM,
            "charts.build",
            PACKAGE_TIMEOUT,
            source={"root": str(chart.parent), "path": chart.name},
            dependencies=[],
            valuesFiles=[],
            valuesRoot="",
            ignoreMissing=False,
            metadata="",
            into=folder,
        )
        if made["problem"]:
            raise DemoFailed(f"chart {chart.name}: {made['error']}")
        content = await asyncio.to_thread(Path(made["path"]).read_bytes)
    name, version = str(made["name"]), str(made["version"])
    config = orjson.dumps({"apiVersion": "v2", "name": name, "version": version})
    await _push(f"{repository}/{name}", version, (HELM_CONFIG, config), (HELM_CHART, content))
    return version


async def push_image(repository: str, tag: str) -> None:
    """A name and a tag; no pod here pulls its image."""
    config = orjson.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"version": tag}}})
    await _push(repository, tag, (IMAGE_CONFIG, config))


async def _push(repository: str, tag: str, config: tuple[str, bytes], *layers: tuple[str, bytes]) -> None:
    place = oci.Repository.parse(repository)
    async with aiohttp.ClientSession() as http:
        registry = oci.Registry(http)
        await registry.push_blob(place, config[1])
        pushed = [(kind, *await registry.push_blob(place, content)) for kind, content in layers]
        await registry.push_manifest(place.tagged(tag), oci.pushed_manifest(config[1], pushed, {}, config[0]), OCI_MANIFEST)
