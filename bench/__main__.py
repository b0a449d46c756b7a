"""`python -m bench [COUNT]`: runs every phase in one go and writes bench/results/COUNT.json."""

import argparse
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import uvloop
from rich.console import Console

from bench import phases
from bench.phases import Phase
from bench.place import Place, opened
from bench.report import Report, as_json, tables
from bench.small import command_seconds, idle_rss
from fleetloop.api import names

RESULTS = Path(__file__).parent / "results"
PHASES = ("idle", "create", "update", "drift", "no-change", "cli", "floor")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=100, help="number of Kustomizations (%(default)s)")
    parser.add_argument("--no-change-seconds", type=float, default=120.0, help="length of that phase (%(default)g)")
    parser.add_argument("--skip", action="append", default=[], choices=PHASES, help="leave a phase out; repeatable")
    parser.add_argument("--output", type=Path, help="file for the JSON (bench/results/COUNT.json)")
    options = parser.parse_args()
    console = Console(width=max(120, Console().width))
    wanted = [phase for phase in PHASES if phase not in options.skip]
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        report = uvloop.run(run(Path(folder) / "cluster", options.count, wanted, options.no_change_seconds, console))
    output = options.output or RESULTS / f"{options.count}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2) + b"\n")
    for table in tables(report):
        console.print(table)
    console.print(f"✔ written to {output}")
    return 0


async def run(path: Path, count: int, wanted: list[str], no_change_seconds: float, console: Console) -> Report:
    report = Report(count)
    async with opened(path) as place:
        if "idle" in wanted:
            console.print("► controllers at rest")
            report.idle = await idle_rss(place)
        await _measure_controller(place, report, wanted, no_change_seconds, console)
        if "floor" in wanted:  # last: its objects would be in the controller's caches
            console.print("► floor")
            report.floor = await phases.floor(place, count)
    report.load = os.getloadavg()[0]
    return report


async def _measure_controller(
    place: Place, report: Report, wanted: list[str], no_change_seconds: float, console: Console
) -> None:
    count = report.count
    async with place.controller(names.KUSTOMIZE_CONTROLLER) as controller:
        console.print(f"► kustomize-controller is process {controller.pid}")
        steps: dict[str, Callable[[], Awaitable[Phase]]] = {
            "create": lambda: phases.create(place, controller, count),
            "update": lambda: phases.update(place, controller, count),
            "drift": lambda: phases.drift(place, controller, count),
            "no-change": lambda: phases.idle_passes(place, controller, count, no_change_seconds),
        }
        for name, measure in steps.items():
            if name in wanted:
                console.print(f"► {name}")
                phase = await measure()
                report.phases.append(phase)
                console.print(f"  {phase.seconds:.1f} s, {phase.requests_each:.1f} requests each")
        if "cli" in wanted:
            console.print("► command line")
            report.commands = await command_seconds(place)


if __name__ == "__main__":
    sys.exit(main())
