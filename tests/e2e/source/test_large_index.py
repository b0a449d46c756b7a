"""An index of almost the size that is allowed: what it costs in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.source.conftest import GATE, Tenant, flags, ready
from tests.e2e.source.test_helm_charts import ChartServer, apply, charts, of_repository, until

pytestmark = pytest.mark.asyncio(loop_scope="package")
__all__ = ["charts"]
MIB = 1 << 20
LARGEST = 50 * MIB
MOST = {"engine": 170, "controller": 250}  # MiB at the peak; 143 and 166 when this was written


def large_index(size: int) -> Iterator[str]:
    """Like those of public collections: many charts, many versions, long descriptions."""
    yield "apiVersion: v1\nentries:\n"
    number = written = 0
    while written < size:
        lines = [f"  chart{number}:\n"]
        for version in range(40):
            name = "web" if number == 0 else f"chart{number}"
            lines.append(
                f"  - apiVersion: v2\n    appVersion: 1.{version}.0\n    created: '2026-01-01T00:00:00Z'\n"
                f"    description: {'A chart that is described at length. ' * 8}\n"
                f"    digest: {'0' * 64}\n    home: https://example.com\n    name: {name}\n    urls:\n"
                f"    - {name}-1.{version}.0.tgz\n    version: 1.{version}.0\n"
            )
        text = "".join(lines).replace("  chart0:", "  web:")
        number, written = number + 1, written + len(text)
        yield text
    yield "generated: '2026-01-01T00:00:00Z'\n"


def peak(pid: int) -> float:
    """MiB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def child(pid: int, program: str) -> int:
    """The process that runs the program."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for one in (task / "children").read_text().split():
            if program in Path(f"/proc/{one}/cmdline").read_text():
                return int(one)
    raise AssertionError(f"{program} does not run")


async def test_fifty_megabytes(tenant: Tenant, charts: ChartServer) -> None:
    text = "".join(large_index(LARGEST - 2 * MIB))
    assert 45 * MIB < len(text) < LARGEST
    charts.index = lambda: text  # type: ignore[method-assign]
    charts.add("1.39.0")
    async with flags(tenant, GATE):
        await until(tenant, await apply(tenant, "HelmRepository", "repo", url=charts.url), ready("True"))
        process = tenant.world.controller.process
        assert process
        found = {"engine": peak(child(process.pid, "engine-helm"))}
        for name in ("one", "two", "three"):
            await apply(tenant, "HelmChart", name, **of_repository(version="*"))
        for name in ("one", "two", "three"):
            await until(tenant, await apply(tenant, "HelmChart", name, **of_repository(version="*")), ready("True"))
        found["controller"] = peak(process.pid)
    print(found)
    assert all(found[name] < MOST[name] for name in MOST), found
