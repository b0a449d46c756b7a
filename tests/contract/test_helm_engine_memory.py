"""What the engine of Helm costs: at rest, and at the peak with charts that want all memory there is. Figures in MiB."""

import gzip
import io
import tarfile
from pathlib import Path

from fleetloop.engine import EngineError, EngineGone, Engines, EngineSettings, Family

REST, PEAK = 110, 400  # 384 is the limit


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def memory(pid: int, what: str) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


META = b"apiVersion: v2\nname: web\nversion: 1.0.0\n"


async def test_at_rest_and_at_the_peak(tmp_path: Path) -> None:
    """A file of 300 MiB, and templates that repeat themselves: refused or ended, and small charts are inspected meanwhile."""
    good, bomb, large = tmp_path / "good.tgz", tmp_path / "bomb.tgz", tmp_path / "large.tgz"
    good.write_bytes(packed({"web/Chart.yaml": META}))
    bomb.write_bytes(packed({"web/Chart.yaml": META, "web/big": b"\0" * (300 << 20)}))
    repeated = b'{{ range $i := until 200 }}{{ repeat 10000000 "aaaaaaaaaaaaaaaa" }}{{ end }}'
    large.write_bytes(packed({"web/Chart.yaml": META, "web/templates/t.yaml": repeated}))
    async with Engines(EngineSettings()) as engines:

        async def inspect(chart: Path) -> None:
            place = {"path": str(chart), "version": ""}
            await engines.call(Family.HELM, "helm.chart", 60, chart=place, values={"layers": [], "inline": {}})

        async def render() -> None:
            place = {"path": str(large), "version": ""}
            values: dict[str, object] = {"layers": [], "inline": {}}
            await engines.call(Family.HELM, "helm.render", 60, chart=place, values=values, name="x", namespace="x")

        await inspect(good)
        pid = engines.pid_of(Family.HELM)
        assert pid
        found = {"at rest": memory(pid, "VmRSS")}
        for name, attack in (("a file", inspect(bomb)), ("templates", render())):
            try:
                await attack
            except (EngineError, EngineGone) as error:
                found[f"{name}: {str(error)[:60]}"] = 0
            await inspect(good)
            if engines.pid_of(Family.HELM) == pid:
                found[f"peak after {name}"] = memory(pid, "VmHWM")
    print(found)
    assert found["at rest"] < REST
    assert len(found) >= 3 and all(value < PEAK for value in found.values()), found
