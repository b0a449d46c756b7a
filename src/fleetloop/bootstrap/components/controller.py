"""One component: its ServiceAccount, Services and Deployment.

Patches of users' repositories replace arguments by their position and name containers, volumes and ports, so order and
names here are part of the contract (⚠ BS7).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleetloop.api import names

from .options import InstallOptions

Manifest = dict[str, Any]

_METRICS, _HEALTH = ("http-prom", 8080), ("healthz", 9440)
_APPLIERS = (names.KUSTOMIZE_CONTROLLER, names.HELM_CONTROLLER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """What is particular about a component.

    `volumes`: name -> path. `serves_artifacts`: it stores them below /data, answers on port 9090, is ready only while
    it does (a standby is not), and never runs twice during a roll-out. `grace`: seconds to finish its work in.
    """

    name: str
    services: tuple[tuple[str, str, str], ...] = ()  # name, port of the container, label control-plane
    ports: tuple[tuple[str, int], ...] = ()
    volumes: tuple[tuple[str, str], ...] = (("temp", "/tmp"),)
    environment: tuple[tuple[str, str], ...] = ()
    serves_artifacts: bool = False
    critical: bool = False
    cpu: str = "100m"
    grace: int = 10


COMPONENTS = {
    component.name: component
    for component in (
        Component(
            name=names.SOURCE_CONTROLLER,
            services=((names.SOURCE_CONTROLLER, "http", "controller"),),
            ports=(("http", 9090),),
            volumes=(("data", "/data"), ("tmp", "/tmp")),
            environment=(("TUF_ROOT", "/tmp/.sigstore"),),
            serves_artifacts=True,
            critical=True,
            cpu="50m",
        ),
        Component(name=names.KUSTOMIZE_CONTROLLER, critical=True, grace=60),
        Component(name=names.HELM_CONTROLLER, critical=True, grace=600),
        Component(
            name=names.NOTIFICATION_CONTROLLER,
            services=(
                (names.NOTIFICATION_CONTROLLER, "http", "controller"),
                ("webhook-receiver", "http-webhook", "controller"),
            ),
            ports=(("http", 9090), ("http-webhook", 9292)),
        ),
        Component(name=names.IMAGE_REFLECTOR_CONTROLLER, volumes=(("temp", "/tmp"), ("data", "/data"))),
        Component(name=names.IMAGE_AUTOMATION_CONTROLLER),
        Component(
            name=names.SOURCE_WATCHER,
            services=((names.SOURCE_WATCHER, "http", names.SOURCE_WATCHER),),
            ports=(("http", 9090),),
            volumes=(("data", "/data"), ("tmp", "/tmp")),
            serves_artifacts=True,
            critical=True,
            cpu="50m",
        ),
    )
}


def objects_of(component: Component, options: InstallOptions) -> Iterator[Manifest]:
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(component.name, options)}
    for name, port, control_plane in component.services:
        yield _service(component, options, name, port, control_plane)
    yield _deployment(component, options)


def arguments(component: Component, options: InstallOptions) -> list[str]:
    """args[0] events address, [1] watch-all, [2] log level, [6] storage address; the notification controller, which
    listens where the others post, has no events address and so starts with watch-all."""
    domain = f"$(RUNTIME_NAMESPACE).svc.{options.cluster_domain}."
    events = f"http://{names.NOTIFICATION_CONTROLLER}.{domain}/" if _notifies(options) else ""
    result = [] if component.name == names.NOTIFICATION_CONTROLLER else [f"--events-addr={events}"]
    result += [
        f"--watch-all-namespaces={str(options.watch_all_namespaces).lower()}",
        f"--log-level={options.log_level}",
        "--log-encoding=json",
        "--enable-leader-election",
    ]
    if component.serves_artifacts:
        result += ["--storage-path=/data", f"--storage-adv-addr={component.name}.{domain}"]
    if component.name in _APPLIERS and names.SOURCE_WATCHER in options.components:
        result += ["--feature-gates=ExternalArtifact=true"]
    return result


def _notifies(options: InstallOptions) -> bool:
    return names.NOTIFICATION_CONTROLLER in options.components


def _metadata(name: str, options: InstallOptions, labels: dict[str, str] | None = None) -> Manifest:
    return {"name": name, "namespace": options.namespace, "labels": labels or {}}


def _service(component: Component, options: InstallOptions, name: str, port: str, control_plane: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, options, {"control-plane": control_plane}),
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": component.name},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": port}],
        },
    }


def _deployment(component: Component, options: InstallOptions) -> Manifest:
    spec: Manifest = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": component.name}},
        "template": {
            "metadata": {
                "annotations": {"prometheus.io/port": str(_METRICS[1]), "prometheus.io/scrape": "true"},
                "labels": {"app": component.name},
            },
            "spec": _pod(component, options),
        },
    }
    if component.serves_artifacts:
        spec["strategy"] = {"type": "Recreate"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(component.name, options, {"control-plane": "controller"}),
        "spec": spec,
    }


def _pod(component: Component, options: InstallOptions) -> Manifest:
    pod: Manifest = {
        "containers": [_container(component, options)],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "securityContext": {"fsGroup": 1337},
        "serviceAccountName": component.name,
        "terminationGracePeriodSeconds": component.grace,
        "volumes": [{"emptyDir": {}, "name": name} for name, _ in component.volumes],
    }
    if component.critical:
        pod["priorityClassName"] = "system-cluster-critical"
    if options.image_pull_secret:
        pod["imagePullSecrets"] = [{"name": options.image_pull_secret}]
    if options.toleration_keys:
        pod["tolerations"] = [{"key": key, "operator": "Exists"} for key in options.toleration_keys]
    return pod


def _container(component: Component, options: InstallOptions) -> Manifest:
    ready = ("/", "http") if component.serves_artifacts else ("/readyz", _HEALTH[0])
    ports = (*component.ports, _METRICS, _HEALTH)
    return {
        "name": "manager",
        "image": f"{options.registry or 'fleetloop'}/{component.name}:{options.version}",
        "imagePullPolicy": "IfNotPresent",
        "args": arguments(component, options),
        "env": _environment(component),
        "ports": [{"containerPort": number, "name": name, "protocol": "TCP"} for name, number in ports],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": _HEALTH[0]}},
        "readinessProbe": {"httpGet": {"path": ready[0], "port": ready[1]}},
        "resources": {
            "limits": {"cpu": "1000m", "memory": "1Gi"},
            "requests": {"cpu": component.cpu, "memory": "64Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"mountPath": path, "name": name} for name, path in component.volumes],
    }


def _environment(component: Component) -> list[Manifest]:
    """GOMEMLIMIT is for the engine, which is a child of the container's process and inherits it."""
    memory = {"containerName": "manager", "resource": "limits.memory"}
    return [
        {"name": "RUNTIME_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        *({"name": name, "value": value} for name, value in component.environment),
        {"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": memory}},
    ]
