"""What the node reports for containers' states, and where the Services of its pods are."""

from typing import Any

import pytest

from fleetloop.local.node.pod_status import (
    ContainerStatus,
    Place,
    Running,
    State,
    Terminated,
    Waiting,
    is_ready,
    phase_of,
    status_of,
    timestamp,
)
from fleetloop.local.node.pretence import Pretence
from fleetloop.local.node.probes import Probe, Tally, port_number
from fleetloop.local.node.service_map import entries

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
DONE, BROKEN = Terminated(0, "Completed", NOW, NOW), Terminated(1, "Error", NOW, NOW)


def container(state: State, **more: Any) -> ContainerStatus:
    return ContainerStatus("manager", "image", state, **more)


@pytest.mark.parametrize(
    ("containers", "phase"),
    [
        ([container(Waiting("ContainerCreating"))], "Pending"),
        ([container(Running(NOW)), container(Waiting("ContainerCreating"))], "Running"),
        ([container(Waiting("CrashLoopBackOff"), last=BROKEN)], "Running"),
        ([container(DONE), container(DONE)], "Succeeded"),
        ([container(DONE), container(BROKEN)], "Failed"),
        ([container(DONE), container(Running(NOW))], "Running"),
    ],
)
def test_phases(containers: list[ContainerStatus], phase: str) -> None:
    assert phase_of(containers) == phase


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"uid": "u"}, "spec": {"containers": [{"name": "manager", "image": "image"}]}, "status": status}


def test_a_condition_keeps_its_time_while_it_does_not_change() -> None:
    place = Place("127.0.0.1", "127.0.0.2")
    first = status_of(pod(), [container(Running(NOW))], place, NOW)
    second = status_of(pod(**first), [container(Running(NOW), ready=True)], place, LATER)
    times = {c["type"]: c["lastTransitionTime"] for c in second["conditions"]}
    assert times == {"PodScheduled": NOW, "Initialized": NOW, "ContainersReady": LATER, "Ready": LATER}
    assert second["startTime"] == NOW
    assert not is_ready(pod(**first))
    assert is_ready(pod(**second))


def test_conditions_of_others_stay() -> None:
    foreign = {"type": "DisruptionTarget", "status": "True"}
    assert foreign in status_of(pod(conditions=[foreign]), [container(Running(NOW))], Place("a", "b"), NOW)["conditions"]


def test_readiness_gates_count() -> None:
    gated = pod() | {"spec": {"containers": [], "readinessGates": [{"conditionType": "mine"}]}}
    status = status_of(gated, [container(Running(NOW), ready=True)], Place("a", "b"), NOW)
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "False"


@pytest.mark.parametrize(
    ("policy", "annotations", "fate"),
    [
        ("Always", {}, Pretence(ends=False, fails=False, delay=0)),
        ("Never", {"local.fleetloop.dev/delay": "1m5s"}, Pretence(ends=True, fails=False, delay=65)),
        ("OnFailure", {"local.fleetloop.dev/fail": "true"}, Pretence(ends=True, fails=True, delay=0)),
        ("Always", {"local.fleetloop.dev/fail": "false", "local.fleetloop.dev/delay": "soon"}, Pretence(False, False, 0)),
    ],
)
def test_the_fate_of_a_pretended_pod(policy: str, annotations: dict[str, str], fate: Pretence) -> None:
    assert Pretence.of({"metadata": {"annotations": annotations}, "spec": {"restartPolicy": policy}}) == fate


def test_a_probe_turns_at_its_thresholds() -> None:
    tally = Tally(successes=2, failures=3)
    answers = [True, True, False, False, True, False, False, False, False]
    assert [tally.count(answer) for answer in answers] == [None, True, None, None, None, None, None, False, False]


def test_a_probe_as_the_pod_asks_for_it() -> None:
    ports = [{"name": "healthz", "containerPort": 9440}]
    probe = Probe.of({"httpGet": {"path": "/readyz", "port": "healthz"}, "periodSeconds": 5}, "127.1.1.1", ports)
    assert (probe.url, probe.period, probe.timeout, probe.failures) == ("http://127.1.1.1:9440/readyz", 5, 1, 3)
    assert Probe.of({"exec": {"command": ["true"]}}, "127.1.1.1", ports).port == 0
    assert [port_number(port, ports) for port in ("healthz", "80", 81, "other")] == [9440, 80, 81, 0]


def component_pod(name: str, ready: str, address: str, image: str = "source-controller") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "flux-system", "labels": {"app": "source-controller"}},
        "spec": {
            "containers": [{"name": "manager", "image": f"r.io/{image}:v1", "ports": [{"name": "http", "containerPort": 9090}]}]
        },
        "status": {"podIP": address, "conditions": [{"type": "Ready", "status": ready}]},
    }


def service(namespace: str, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": "http"}, {"port": 8080}]
    return {
        "metadata": {"name": "source-controller", "namespace": namespace},
        "spec": {"selector": {"app": "source-controller"}, "ports": ports} | spec,
    }


def test_services_are_mapped_to_ready_started_pods() -> None:
    pods = [component_pod("b", "True", "127.1.1.2"), component_pod("a", "False", "127.1.1.1")]
    assert entries([service("flux-system"), service("other")], pods) == {
        "source-controller.flux-system": "127.1.1.2:9090",
        "source-controller.flux-system:80": "127.1.1.2:9090",
        "source-controller.flux-system:8080": "127.1.1.2:8080",
    }


@pytest.mark.parametrize(
    ("given", "pods"),
    [
        (service("flux-system", selector=None), [component_pod("a", "True", "127.1.1.1")]),
        (service("flux-system"), [component_pod("a", "True", "127.1.1.1", image="nginx")]),
        (service("flux-system"), []),
    ],
)
def test_services_without_such_a_pod_are_not_mapped(given: dict[str, Any], pods: list[dict[str, Any]]) -> None:
    assert entries([given], pods) == {}


def test_times_are_utc() -> None:
    import datetime

    zone = datetime.timezone(datetime.timedelta(hours=2))
    assert timestamp(datetime.datetime(2026, 1, 1, 2, 0, 0, tzinfo=zone)) == NOW
