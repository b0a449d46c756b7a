"""What every controller can be told by flags, read once at the start. A controller adds its own flags to the parser.

Flux: helm-notification-image.md 1.3. Flags are written `--flag=value`; of repeated ones the last wins, feature gates add up.
"""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from fleetloop.api import names
from fleetloop.api.durations import InvalidDuration, seconds_of

_PUNCTUAL = {names.NOTIFICATION_CONTROLLER, names.IMAGE_REFLECTOR_CONTROLLER, names.IMAGE_AUTOMATION_CONTROLLER}  # no jitter
TRUE, FALSE = {"1", "t", "T", "true", "TRUE", "True"}, {"0", "f", "F", "false", "FALSE", "False"}


class BadFlag(Exception):
    """The command line is unusable; the message is what the user reads."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs, from its environment."""

    namespace: str
    hostname: str
    bind: str  # address for flags like `:8080`; empty for all
    service_map: Path | None
    service_account: Path | None

    def address(self, flag: str) -> tuple[str, int]:
        """`:9090` -> (bind address, 9090); `127.0.0.1:9090` is taken as it is."""
        host, _, port = flag.rpartition(":")
        return (host or self.bind or "0.0.0.0", int(port))

    def advertised(self, given: str, served: str) -> str:
        """What artifact URLs begin with, no slash at the end: the flag, else made from the address served."""
        if given:
            address = given.replace("$(RUNTIME_NAMESPACE)", self.namespace).rstrip("/")
        else:
            host, _, port = served.rpartition(":")
            address = f"{ {'': self.bind or 'localhost', '0.0.0.0': self.hostname}.get(host, host) }:{port}"
        return address if address.startswith(("http://", "https://")) else f"http://{address}"


def place_of(environment: Mapping[str, str]) -> Place:
    def path(name: str) -> Path | None:
        return Path(environment[name]) if environment.get(name) else None

    return Place(
        namespace=environment.get("RUNTIME_NAMESPACE", ""),
        hostname=environment.get("HOSTNAME") or os.uname().nodename,
        bind=environment.get("FLEETLOOP_BIND_ADDRESS", ""),
        service_map=path("FLEETLOOP_SERVICE_MAP"),
        service_account=path("FLEETLOOP_SERVICE_ACCOUNT_DIR"),
    )


@dataclass(frozen=True, slots=True)
class CommonSettings:
    """Delays and durations in seconds."""

    metrics_addr: str
    health_addr: str
    events_addr: str
    concurrent: int
    watch_all_namespaces: bool
    watch_label_selector: str
    no_cross_namespace_refs: bool
    default_service_account: str
    min_retry_delay: float
    max_retry_delay: float
    interval_jitter_percentage: int
    enable_leader_election: bool
    leader_election_release_on_cancel: bool
    leader_election_lease_duration: float
    leader_election_renew_deadline: float
    leader_election_retry_period: float
    log_level: str
    log_encoding: str
    gates: Mapping[str, bool]
    token_cache_max_size: int = 100
    token_cache_max_duration: float = 3600.0


class Flags(argparse.ArgumentParser):
    """Go's flag grammar, as far as Deployments use it."""

    def __init__(self, program: str) -> None:
        shown = argparse.ArgumentDefaultsHelpFormatter
        super().__init__(prog=program, usage="%(prog)s [--flag=value ...]", allow_abbrev=False, formatter_class=shown)

    def error(self, message: str) -> NoReturn:
        raise BadFlag(message)

    def text(self, name: str, default: str = "", help: str = "") -> None:
        self.add_argument(f"--{name}", default=default, help=help)

    def number(self, name: str, default: int, help: str = "") -> None:
        self.add_argument(f"--{name}", type=int, default=default, help=help)

    def switch(self, name: str, default: bool, help: str = "") -> None:
        self.add_argument(f"--{name}", type=boolean, nargs="?", const=True, default=default, help=help)

    def duration(self, name: str, default: str, help: str = "") -> None:
        self.add_argument(f"--{name}", type=_seconds, default=seconds_of(default), help=help)

    def choice(self, name: str, choices: tuple[str, ...], default: str, help: str = "") -> None:
        self.add_argument(f"--{name}", choices=choices, default=default, help=help)

    def many(self, name: str, help: str = "") -> None:
        self.add_argument(f"--{name}", action="append", default=[], help=help)

    def read(self, arguments: list[str]) -> argparse.Namespace:
        """Raises BadFlag for flags that do not exist or values that do not parse."""
        found, unknown = self.parse_known_args(arguments)
        if unknown:
            raise BadFlag(f"unknown flag: {unknown[0].partition('=')[0]}")
        return found


def common_flags(component: str, concurrent: int) -> Flags:
    """`component`'s parser with the flags all controllers have."""
    flags = Flags(component)
    flags.text("metrics-addr", ":8080", "address the metrics are served on")
    flags.text("health-addr", ":9440", "address the health probes are served on")
    flags.text("events-addr", help="address of the events receiver")
    flags.number("concurrent", concurrent, "number of objects reconciled at the same time")
    flags.add_argument(
        "--kube-api-qps", type=float, default=50.0, help="accepted; the API server's priority and fairness decides"
    )
    flags.number("kube-api-burst", 300, "accepted; the API server's priority and fairness decides")
    flags.choice("log-encoding", ("json", "console"), "json", "how log lines are written")
    flags.choice("log-level", ("trace", "debug", "info", "error"), "info", "the least important lines that are written")
    flags.switch("enable-leader-election", False, "of several replicas one works at a time")
    flags.switch("leader-election-release-on-cancel", True, "a successor need not wait for the lease to expire")
    flags.duration("leader-election-lease-duration", "35s", "how long a leader that is silent is believed in")
    flags.duration("leader-election-renew-deadline", "30s", "a leader that could not renew for this long ends")
    flags.duration("leader-election-retry-period", "5s", "time between two tries to take or renew the lease")
    if component == names.SOURCE_CONTROLLER:  # nothing it reconciles refers to another namespace
        flags.set_defaults(no_cross_namespace_refs=True)
    else:
        flags.switch("no-cross-namespace-refs", False, "references between namespaces are refused")
    flags.duration("min-retry-delay", "750ms", "first pause after a failure")
    flags.duration("max-retry-delay", "15m", "longest pause after failures")
    flags.many("feature-gates", "comma separated list of gate=true|false")
    flags.switch("watch-all-namespaces", True, "false: only the namespace of the controller")
    if component == names.NOTIFICATION_CONTROLLER:  # it is of no shard
        flags.set_defaults(watch_label_selector="")
    else:
        flags.add_argument("--watch-label-selector", type=_selector, default="", help="only objects with these labels")
    selector = "reconcile.fluxcd.io/watch=Enabled"
    flags.text("watch-configs-label-selector", selector, "ConfigMaps and Secrets with these labels wake what refers to them")
    flags.number("token-cache-max-size", 100, "number of tokens kept, 0 for none")
    flags.duration("token-cache-max-duration", "1h", "how long a token is kept at most, never more than an hour")
    if component in _PUNCTUAL:
        flags.set_defaults(interval_jitter_percentage=0)
    else:
        flags.add_argument("--interval-jitter-percentage", type=_percentage, default=5, help="intervals vary by so much")
    flags.text("default-service-account", help="service account to act as when an object names none")
    return flags


def common_settings(found: argparse.Namespace, gates: Mapping[str, bool]) -> CommonSettings:
    """`gates`: every gate the controller knows, with its default. Raises BadFlag for an unknown one."""
    names = CommonSettings.__dataclass_fields__.keys() - {"gates"}
    return CommonSettings(**{name: getattr(found, name) for name in names}, gates=feature_gates(found.feature_gates, gates))


def needing_gate(flag: str, found: argparse.Namespace, common: CommonSettings, gate: str) -> str:
    """The value of a flag that means nothing without the gate. Raises BadFlag (HN1)."""
    value: str = getattr(found, flag.replace("-", "_"))
    if value and not common.gates[gate]:
        raise BadFlag(f"invalid configuration: --{flag} needs the feature gate {gate}=true")
    return value


def feature_gates(flags: list[str], known: Mapping[str, bool]) -> Mapping[str, bool]:
    """`["A=true,B=false", "C=true"]` over the defaults."""
    gates = dict(known)
    for item in ",".join(flags).split(","):
        if not item:
            continue
        name, _, value = item.partition("=")
        if name not in known:
            raise BadFlag(f"feature-gate '{name}' not supported")
        gates[name] = boolean(value)
    return gates


def boolean(text: str) -> bool:
    """Go's strconv.ParseBool."""
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise argparse.ArgumentTypeError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def _selector(text: str) -> str:
    from fleetloop.kube.selectors import label_selector  # costs every start a compiled library, and few have shards

    try:
        label_selector(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _percentage(text: str) -> int:
    if not text.isdecimal() or int(text) > 99:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 99")
    return int(text)


def _seconds(text: str) -> float:
    try:
        return seconds_of(text)
    except InvalidDuration as error:
        raise argparse.ArgumentTypeError(str(error)) from error
