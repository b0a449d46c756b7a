"""`python -m bench`: measures each scenario in a cluster of its own, prints tables, writes bench/results/bench.json."""

import argparse
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import orjson
import uvloop
from rich.console import Console

from bench import charts, events, fleet, images, monorepo, releases, repositories, small, webhook
from bench.place import Place, opened
from bench.report import Section, as_json, tables

RESULTS = Path(__file__).parent / "results"
SCENARIOS = ("rest", "fleet", "monorepo", "paths", "git", "helm", "images", "events", "webhook")
Scenario = tuple[str, Callable[[Place, Section], Awaitable[None]]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS, metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[100, 500, 1000], help="Kustomizations of the fleet, HelmReleases"
    )
    parser.add_argument("--no-change-seconds", type=float, default=300.0, help="of the largest (%(default)g)")
    parser.add_argument("--objects", type=int, default=5000, help="of a monorepo, a file each (%(default)s)")
    parser.add_argument("--repositories", type=int, default=200, help="in which nothing changes (%(default)s)")
    parser.add_argument("--policies", type=int, default=1000, help="over 50 ImageRepositories (%(default)s)")
    parser.add_argument("--events", type=int, default=5000, help="through 50 Alerts (%(default)s)")
    parser.add_argument("--pushes", type=int, default=50, help="each a webhook (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench.json", help="file for the JSON (%(default)s)")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    console = Console(width=max(160, Console().width))
    sections = [uvloop.run(_measure(*scenario, console)) for scenario in _wanted(options)]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(orjson.dumps(as_json(sections), option=orjson.OPT_INDENT_2) + b"\n")
    for table in tables(sections):
        console.print(table)
    console.print(f"✔ written to {options.output}")
    return 0


def _wanted(options: argparse.Namespace) -> Iterator[Scenario]:
    objects = options.objects
    if "rest" in options.scenarios:
        yield "rest", small.measure
    if "fleet" in options.scenarios:
        for count in sorted(options.counts):
            idle = options.no_change_seconds if count == max(options.counts) else 0.0
            yield f"{count} Kustomizations", partial(fleet.measure, count=count, no_change_seconds=idle)
    if "monorepo" in options.scenarios:
        yield f"{objects} objects in one", partial(monorepo.measure, objects=objects, kustomizations=monorepo.in_one())
    if "paths" in options.scenarios:
        yield f"{objects} objects by path", partial(monorepo.measure, objects=objects, kustomizations=monorepo.by_path())
    if "git" in options.scenarios:
        yield f"Git, {objects} files", partial(repositories.measure, files=objects, repositories=options.repositories)
    if "helm" in options.scenarios:
        for count in sorted(options.counts):
            idle = options.no_change_seconds if count == max(options.counts) else 0.0
            yield f"{count} HelmReleases", partial(releases.measure, count=count, no_change_seconds=idle, tested=False)
        yield f"{count} HelmReleases, tested", partial(releases.measure, count=count, no_change_seconds=0.0, tested=True)
        yield f"{count} charts from a registry", partial(charts.measure, count=count)
    if "images" in options.scenarios:
        yield f"{options.policies} ImagePolicies", partial(images.measure, policies=options.policies)
    if "events" in options.scenarios:
        yield f"{options.events} events", partial(events.measure, count=options.events)
    if "webhook" in options.scenarios:
        yield f"{options.pushes} pushes", partial(webhook.measure, pushes=options.pushes)


async def _measure(title: str, scenario: Callable[[Place, Section], Awaitable[None]], console: Console) -> Section:
    section = Section(title, lambda words: console.print(f"  {words}"))
    console.print(f"► {title}")
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        async with opened(Path(folder) / "cluster") as place:
            await scenario(place, section)
    section.load = os.getloadavg()[0]
    return section


if __name__ == "__main__":
    sys.exit(main())
