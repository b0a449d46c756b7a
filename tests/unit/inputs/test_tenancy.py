"""Who may reach what, for any names, flags and shards. Pure."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key, Object
from fleetloop.controllers.kustomize.configs import config_refs
from fleetloop.controllers.kustomize.failures import BadAccount
from fleetloop.controllers.kustomize.settings import KustomizeSettings, register, settings_of
from fleetloop.controllers.kustomize.sources import find_source
from fleetloop.controllers.kustomize.steps import user_of
from fleetloop.kube.client import Kube
from fleetloop.kube.connection import Connection
from fleetloop.runtime.outcome import Failure
from fleetloop.runtime.settings import common_flags

KUSTOMIZE = "kustomize.toolkit.fluxcd.io/v1"
NAMESPACE = st.sampled_from(["a", "b", "kube-system", "flux-system"])
ACCOUNT = st.sampled_from(["", "x", "default", "a:b", "../x", "x\nImpersonate-Group: system:masters", "а"]) | st.text(max_size=8)
SHARD = st.sampled_from(
    ["", "--watch-label-selector=sharding.fluxcd.io/key=one", "--watch-label-selector=!sharding.fluxcd.io/key"]
)


def settings_for(*flags: str) -> KustomizeSettings:
    parser = common_flags("kustomize-controller", concurrent=4)
    register(parser)
    return settings_of(parser.read([flag for flag in flags if flag]), {})


def kustomization(namespace: str, **spec: object) -> Kustomization:
    base = {"interval": "1m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "app"}}
    metadata = {"name": "app", "namespace": namespace, "labels": {"sharding.fluxcd.io/key": "one"}}
    document = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": metadata,
        "spec": base | spec,
    }
    return msgspec.convert(document, Kustomization, strict=False)


class Everything:
    """Every source of every namespace exists."""

    def find(self, key: Key) -> Object | None:
        self.asked = key
        return None


@given(
    NAMESPACE, NAMESPACE | st.just(""), SHARD, st.sampled_from(["GitRepository", "OCIRepository", "Bucket", "ExternalArtifact"])
)
def test_no_source_of_another_namespace(own: str, other: str, shard: str, kind: str) -> None:
    """GO-2023-1512, GO-2024-2728: with and without a shard, the check comes before any look-up."""
    settings = settings_for("--no-cross-namespace-refs=true", shard)
    ref = {"kind": kind, "name": "app"} | ({"namespace": other} if other else {})
    sources = Everything()
    with pytest.raises(Failure) as refused:
        find_source(kustomization(own, sourceRef=ref), sources, settings)
    if other not in {"", own}:
        assert refused.value.reason == "AccessDenied" and not hasattr(sources, "asked")
    elif hasattr(sources, "asked"):
        assert sources.asked.namespace == own


@given(NAMESPACE, ACCOUNT, SHARD)
def test_nobody_acts_as_the_controller_on_a_locked_down_cluster(namespace: str, account: str, shard: str) -> None:
    """CVE-2026-23990, CVE-2021-41254: an empty name is the default account's, an odd one refused; it is never ours."""
    settings = settings_for("--default-service-account=default", shard)
    ks = kustomization(namespace, serviceAccountName=account)
    try:
        user = user_of(ks, settings)
    except BadAccount:
        return
    assert user == f"system:serviceaccount:{namespace}:{account or 'default'}"
    headers = dict(Connection("https://x", token=lambda: "ours").acting_as(user).headers())
    assert headers["Impersonate-User"] == user and user.isprintable()


@given(NAMESPACE, st.text(max_size=10))
def test_secrets_are_of_the_own_namespace(namespace: str, name: str) -> None:
    """CVE-2026-44935's like: references have no namespace, whatever is written into their names."""
    spec = {
        "postBuild": {"substituteFrom": [{"kind": "Secret", "name": name}, {"kind": "ConfigMap", "name": name}]},
        "decryption": {"provider": "sops", "secretRef": {"name": name}},
        "kubeConfig": {"secretRef": {"name": name}},
    }
    assert {ref.namespace for ref in config_refs(kustomization(namespace, **spec))} == {namespace}


def test_an_empty_user_is_refused() -> None:
    """CVE-2026-23990."""
    with pytest.raises(ValueError, match="empty user"):
        Kube(Connection("https://x")).acting_as("")
