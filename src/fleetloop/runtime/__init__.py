"""What every controller needs: queue, loop, outcome and settle, waits, events, lease, probes, metrics."""

from fleetloop.runtime.controller import Controller, LoopSettings, Report
from fleetloop.runtime.outcome import Done, Failure, Outcome, Retry, Target, Waiting
from fleetloop.runtime.process import Tools, run_process

__all__ = [
    "Controller",
    "Done",
    "Failure",
    "LoopSettings",
    "Outcome",
    "Report",
    "Retry",
    "Target",
    "Tools",
    "Waiting",
    "run_process",
]
