"""Figures for people and for machines: tables on the terminal, and JSON. Pure."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from bench.phases import Floor, Phase

MIB = 1 << 20
PURPOSES = ("dry-run", "apply", "objects", "status", "events", "reads", "discovery")
COLUMNS = (
    *("", "of", "seconds", "× floor", "requests", "registry's", "CPU ms", "children's", "API CPU ms", "× floor CPU"),
    *("peak MiB", "own", "children's", "p50 ms", "p99 ms"),
)


@dataclass(slots=True)
class Section:
    """What was measured in one cluster. `figures`: what it is -> a number."""

    title: str
    say: Callable[[str], None]
    phases: list[Phase] = field(default_factory=list)
    floors: list[Floor] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    load: float = 0.0

    def add(self, phase: Phase) -> Phase:
        self.phases.append(phase)
        self.say(f"{phase.name}: {phase.seconds:.1f} s, {phase.requests_each:.1f} requests each")
        return phase


def ratio(phase: Phase) -> float | None:
    """Its time to that of the bare requests."""
    return phase.seconds / phase.floor.seconds if phase.floor else None


def cpu_ratio(phase: Phase) -> float | None:
    """The API server's CPU to that of the bare requests: neighbours on the machine disturb it less."""
    return phase.api_server_cpu / phase.floor.api_server_cpu if phase.floor and phase.floor.api_server_cpu else None


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of all are not above. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def as_json(sections: Sequence[Section]) -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "sections": {section.title: _figures(section) for section in sections}}


def tables(sections: Sequence[Section]) -> list[Table]:
    found = [_phase_table(sections), _request_table(sections), _floor_table(sections), _small_table(sections)]
    return [table for table in found if table.row_count]


def _figures(section: Section) -> dict[str, Any]:
    return {
        "load": section.load,
        "phases": {phase.name: _phase_figures(phase) for phase in section.phases},
        "floor": {floor.name: asdict(floor) for floor in section.floors},
        "figures": section.figures,
    }


def _phase_figures(phase: Phase) -> dict[str, Any]:
    found = {key: value for key, value in asdict(phase).items() if key not in {"name", "latencies", "floor"}}
    found |= {
        "requests": dict(phase.requests),
        "requests_each": round(phase.requests_each, 2),
        "ratio_to_floor": ratio(phase),
        "cpu_ratio_to_floor": cpu_ratio(phase),
    }
    if phase.latencies:
        found |= {"p50": percentile(phase.latencies, 50), "p99": percentile(phase.latencies, 99)}
    return found


def _phase_table(sections: Sequence[Section]) -> Table:
    table = _table("Phases; requests and CPU of each", COLUMNS)
    for section in sections:
        if section.phases:
            table.add_row(section.title, style="bold")
        for phase in section.phases:
            units = max(phase.units, 1)
            table.add_row(
                f"  {phase.name}",
                str(phase.units),
                f"{phase.seconds:.1f}",
                _number(ratio(phase)),
                f"{phase.requests_each:.1f}",
                f"{phase.registry_requests / units:.1f}" if phase.registry_requests else "",
                *(f"{cpu / units * 1000:.1f}" for cpu in (phase.cpu, phase.children_cpu, phase.api_server_cpu)),
                _number(cpu_ratio(phase)),
                *(f"{size / MIB:.0f}" for size in (phase.peak_rss, phase.peak_own_rss, phase.peak_children_rss)),
                *(f"{percentile(phase.latencies, p) * 1000:.0f}" if phase.latencies else "" for p in (50, 99)),
            )
    return table


def _request_table(sections: Sequence[Section]) -> Table:
    table = _table("Requests, by what they were for", ("", *PURPOSES))
    for section in sections:
        for phase in section.phases:
            table.add_row(f"{section.title}: {phase.name}", *(str(phase.requests[purpose]) for purpose in PURPOSES))
    return table


def _floor_table(sections: Sequence[Section]) -> Table:
    table = _table("Floor: bare requests", ("", "of", "seconds", "a second", "API CPU ms"))
    for section in sections:
        for floor in section.floors:
            rate, cpu = floor.requests / floor.seconds, floor.api_server_cpu / floor.requests * 1000
            row = (str(floor.requests), f"{floor.seconds:.1f}", f"{rate:.0f}", f"{cpu:.1f}")
            table.add_row(f"{section.title}: {floor.name}", *row)
    return table


def _small_table(sections: Sequence[Section]) -> Table:
    table = _table("And", ("", ""))
    for section in sections:
        for name, value in section.figures.items():
            table.add_row(f"{section.title}: {name}", f"{value:.3g}")
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
