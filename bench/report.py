"""Figures for people and for machines: a table on the terminal, and JSON. Pure but for writing it."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from bench.fleet import SIZE
from bench.phases import Phase

MIB = 1 << 20
WHOLE = {"created", "updated"}  # phases that bring as many objects as the floor does
PURPOSES = ("dry-run", "apply", "objects", "status", "events", "reads")


@dataclass(slots=True)
class Report:
    """`idle`: component -> bytes of RSS; `commands`: command line -> seconds."""

    count: int
    phases: list[Phase] = field(default_factory=list)
    floor: list[Phase] = field(default_factory=list)
    idle: dict[str, int] = field(default_factory=dict)
    commands: dict[str, float] = field(default_factory=dict)
    load: float = 0.0

    def ratio(self, phase: Phase) -> float | None:
        """Its time to that of the bare applies."""
        return phase.seconds / self.floor[0].seconds if self.floor and phase.name in WHOLE else None

    def cpu_ratio(self, phase: Phase) -> float | None:
        """The API server's CPU to that of the bare applies: neighbours on the machine disturb it less."""
        return phase.api_server_cpu / self.floor[0].api_server_cpu if self.floor and phase.name in WHOLE else None


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of all are not above. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def as_json(report: Report) -> dict[str, Any]:
    return {
        "count": report.count,
        "objects": report.count * SIZE,
        "cpus": os.cpu_count(),
        "load": report.load,
        "phases": {phase.name: _figures(report, phase) for phase in (*report.phases, *report.floor)},
        "idle_rss": report.idle,
        "command_seconds": report.commands,
    }


def tables(report: Report) -> list[Table]:
    found = [_phase_table(report), _request_table(report.phases), _floor_table(report.floor), _small_table(report)]
    return [table for table in found if table.row_count]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _figures(report: Report, phase: Phase) -> dict[str, Any]:
    found = {key: value for key, value in asdict(phase).items() if key not in {"name", "latencies"}}
    found |= {
        "requests": dict(phase.requests),
        "requests_each": round(phase.requests_each, 2),
        "ratio_to_floor": report.ratio(phase),
    }
    found["cpu_ratio_to_floor"] = report.cpu_ratio(phase)
    if phase.latencies:
        found |= {"p50": percentile(phase.latencies, 50), "p99": percentile(phase.latencies, 99)}
    return found


def _phase_table(report: Report) -> Table:
    table = Table(title=f"{report.count} Kustomizations of {SIZE} objects", title_justify="left")
    for name in ("", "seconds", "× floor", "requests", "CPU ms", "API CPU ms", "× floor CPU", "peak MiB", "p50 ms", "p99 ms"):
        table.add_column(name, justify="right" if name else "left")
    for phase in report.phases:
        units = max(phase.units, 1)
        table.add_row(
            f"{phase.name} ({phase.units})",
            f"{phase.seconds:.1f}",
            _ratio(report.ratio(phase)),
            f"{phase.requests_each:.1f}",
            f"{phase.cpu / units * 1000:.1f}",
            f"{phase.api_server_cpu / units * 1000:.1f}",
            _ratio(report.cpu_ratio(phase)),
            f"{phase.peak_rss / MIB:.0f}",
            *(f"{percentile(phase.latencies, p) * 1000:.0f}" if phase.latencies else "" for p in (50, 99)),
        )
    return table


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _request_table(phases: Sequence[Phase]) -> Table:
    table = Table(title="Requests of each, by what they were for", title_justify="left")
    for name in ("", *PURPOSES):
        table.add_column(name, justify="right" if name else "left")
    for phase in phases:
        table.add_row(phase.name, *(f"{phase.requests[purpose] / max(phase.units, 1):.1f}" for purpose in PURPOSES))
    return table


def _floor_table(floor: Sequence[Phase]) -> Table:
    table = Table(title="Floor: bare requests", title_justify="left")
    for name in ("", "seconds", "a second", "API CPU ms"):
        table.add_column(name, justify="right" if name else "left")
    for phase in floor:
        rate, cpu = phase.units / phase.seconds, phase.api_server_cpu / phase.units * 1000
        table.add_row(f"{phase.units} {phase.name.partition(': ')[2]}", f"{phase.seconds:.1f}", f"{rate:.0f}", f"{cpu:.1f}")
    return table


def _small_table(report: Report) -> Table:
    table = Table(title="At rest, and the command line", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for component, size in report.idle.items():
        table.add_row(component, f"{size / MIB:.0f} MiB")
    for command, seconds in report.commands.items():
        table.add_row(command, f"{seconds * 1000:.0f} ms")
    return table
