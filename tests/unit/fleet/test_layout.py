"""The reference repositories hold together, and a fleet made from them carries nothing of the example organisation."""

import asyncio
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from fleetloop.fleet import (
    Cluster,
    FleetNames,
    InvalidNames,
    SecretDraft,
    fleet_files,
    new_age_key,
    reference_folder,
    write_fleet,
)
from fleetloop.fleet.layout import EXAMPLE_APPS_RECIPIENT, EXAMPLE_PLATFORM_RECIPIENT

REFERENCE = reference_folder()
MANIFESTS = sorted(p for p in REFERENCE.rglob("*.yaml") if "templates" not in p.parts)  # those are Helm's
KUSTOMIZATIONS = [p for p in MANIFESTS if p.name == "kustomization.yaml"]
SECRETS = ("git-auth", "chat", "commit-status", "webhook")  # of each tenant on each cluster
PLATFORM, APPS = new_age_key().recipient, new_age_key().recipient


def names(**changes: object) -> FleetNames:
    fields: dict[str, object] = {
        "organisation": "globex",
        "host": "127.0.0.9:8443",
        "domain": "globex.test",
        "platform_recipient": PLATFORM,
        "apps_recipient": APPS,
    }
    return FleetNames(**(fields | changes))  # type: ignore[arg-type]


async def plain(draft: SecretDraft) -> str:
    return draft.manifest(dict.fromkeys(draft.keys, "swordfish"))


def relative(path: Path) -> str:
    return str(path.relative_to(REFERENCE))


def generated_from(kustomization: dict[str, Any]) -> list[str]:
    """Files of generated ConfigMaps, `KEY=FILE` or `FILE`."""
    return [file.rpartition("=")[2] for entry in kustomization.get("configMapGenerator", []) for file in entry["files"]]


@pytest.mark.parametrize("path", MANIFESTS, ids=relative)
def test_every_manifest_parses(path: Path) -> None:
    for document in filter(None, yaml.safe_load_all(path.read_text())):
        assert isinstance(document, dict)


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=relative)
def test_kustomizations_name_existing_files(path: Path) -> None:
    kustomization = yaml.safe_load(path.read_text())
    for entry in [*kustomization.get("resources", []), *kustomization.get("components", []), *generated_from(kustomization)]:
        target = path.parent / entry
        assert target.is_file() or (target / "kustomization.yaml").is_file(), entry


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=relative)
def test_kustomizations_list_every_manifest_beside_them(path: Path) -> None:
    kustomization = yaml.safe_load(path.read_text())
    listed = {*kustomization.get("resources", []), *generated_from(kustomization)}
    assert {p.name for p in path.parent.glob("*.yaml") if p.name != path.name} <= listed


def test_only_encrypted_secrets_are_committed() -> None:
    for path in MANIFESTS:
        for document in filter(None, yaml.safe_load_all(path.read_text())):
            if document.get("kind") == "Secret":
                assert path.name.endswith(".sops.yaml"), relative(path)
                assert all(value.startswith("ENC[") for value in document["stringData"].values()), relative(path)


def test_both_clusters_include_the_lock_down() -> None:
    for cluster in ("staging", "production"):
        overlay = yaml.safe_load((REFERENCE / "fleet/clusters" / cluster / "flux-system/kustomization.yaml").read_text())
        assert overlay["components"] == ["../../../controllers/lock-down"]
        assert overlay["resources"] == ["gotk-components.yaml", "gotk-sync.yaml"]


def test_written_fleet_carries_nothing_of_the_example(tmp_path: Path) -> None:
    asyncio.run(write_fleet(tmp_path, names(fleet="platform-fleet", apps="shop"), plain))
    assert {p.name for p in tmp_path.iterdir()} == {"platform-fleet", "infra", "shop", "charts"}
    left = ["example-org", "git.example", "example.com", "ENC[", EXAMPLE_PLATFORM_RECIPIENT, EXAMPLE_APPS_RECIPIENT]
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        text = path.read_text()
        assert not [word for word in left if word in text], path
    assert "https://127.0.0.9:8443/globex/shop.git" in (tmp_path / "platform-fleet/tenants/base/apps/sync.yaml").read_text()
    assert "--owner=globex --repository=platform-fleet" in (tmp_path / "platform-fleet/README.md").read_text()


def test_charts_and_images_come_from_the_registry_that_is_named(tmp_path: Path) -> None:
    """By default from one below the domain; `insecure` is said of sources alone, where it is a field."""
    asyncio.run(write_fleet(tmp_path / "own", names(registry="127.0.0.9:5000/globex", plain_registry=True), plain))
    asyncio.run(write_fleet(tmp_path / "usual", names(), plain))
    for folder, registry, insecure in (("own", "127.0.0.9:5000/globex", True), ("usual", "registry.globex.test/globex", False)):
        source = yaml.safe_load((tmp_path / folder / "apps/base/catalog/chart.yaml").read_text())
        assert (source["spec"]["url"], source["spec"]["insecure"]) == (f"oci://{registry}/charts/catalog", insecure)
        values = yaml.safe_load((tmp_path / folder / "charts/catalog/values.yaml").read_text())
        assert values["image"]["repository"] == f"{registry}/catalog"


def test_only_staging_commits_and_what_says_so_may_do_nothing_else() -> None:
    """The token that pushes is on staging alone; the account that applies `update/` has one rule."""
    files = {str(path): file for path, file in fleet_files(names()).items()}
    pushing = [path for path, file in files.items() if isinstance(file, SecretDraft) and file.name == "git-push"]
    assert sorted(pushing) == [f"fleet/tenants/staging/{tenant}-git-push.sops.yaml" for tenant in ("apps", "infra")]
    assert "updates" not in str(files["fleet/tenants/production/kustomization.yaml"])
    for tenant in ("infra", "apps"):
        folder = f"fleet/tenants/base/updates/{tenant}"
        kinds = {one["kind"]: one for one in yaml.safe_load_all(str(files[f"{folder}/access.yaml"]))}
        assert set(kinds) == {"ServiceAccount", "Role", "RoleBinding"}
        assert kinds["Role"]["rules"] == [{"apiGroups": ["image.toolkit.fluxcd.io"], "resources": ["*"], "verbs": ["*"]}]
        applied = {one["kind"]: one for one in yaml.safe_load_all(str(files[f"{folder}/sync.yaml"]))}
        assert applied["Kustomization"]["spec"]["serviceAccountName"] == "updates"


def test_every_marked_version_has_a_policy_and_every_policy_a_mark() -> None:
    """Of charts and images that are ours; storefront and orders wait for a policy of whoever wants one."""
    for tenant in ("infra", "apps"):
        text = "".join(path.read_text() for path in sorted((REFERENCE / tenant).rglob("*.yaml")))
        marked = set(re.findall(rf'"\$imagepolicy": "{tenant}:([a-z-]+)', text)) - {"storefront", "orders"}
        update = [one for path in (REFERENCE / tenant / "update").glob("*.yaml") for one in yaml.safe_load_all(path.read_text())]
        assert {one["metadata"]["name"] for one in update if one["kind"] == "ImagePolicy"} == marked


def test_every_release_is_watched_tested_and_taken_back() -> None:
    """Drift is repaired, the chart's own test decides, and what fails is rolled back: in every HelmRelease of the reference."""
    releases = [
        one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text()) if one and one.get("kind") == "HelmRelease"
    ]
    assert {one["metadata"]["name"] for one in releases} == {"event-exporter", "snapshot-controller", "catalog", "reviews"}
    for release in releases:
        spec = release["spec"]
        assert spec["driftDetection"]["mode"] == "enabled"
        assert spec["test"]["enable"]
        assert spec["upgrade"]["remediation"]["remediateLastFailure"]
        assert spec["serviceAccountName"] in {"infra", "apps"}


def test_secrets_are_sealed_for_who_reads_them() -> None:
    drafts = [file for file in fleet_files(names()).values() if isinstance(file, SecretDraft)]
    found = {str(draft.path): (f"{draft.namespace}/{draft.name}", draft.recipient) for draft in drafts}
    assert found == {
        f"fleet/tenants/{cluster}/{file}.sops.yaml": (secret, PLATFORM)
        for cluster in ("staging", "production")
        for file, secret in [
            ("apps-sops-age", "apps/sops-age"),
            *((f"{tenant}-{name}", f"{tenant}/{name}") for tenant in ("infra", "apps") for name in SECRETS),
        ]
    } | {
        f"fleet/tenants/staging/{tenant}-git-push.sops.yaml": (f"{tenant}/git-push", PLATFORM) for tenant in ("infra", "apps")
    } | {f"apps/{environment}/orders-db.sops.yaml": ("apps/orders-db", APPS) for environment in ("staging", "production")}


def test_a_cluster_gets_a_folder_and_facts_of_its_own() -> None:
    clusters = (Cluster("eu-1", "production", "production"), Cluster("us-1", "production", "release"))
    files = fleet_files(names(clusters=clusters))
    folders = {path.parts[2] for path in files if path.parts[:2] == ("fleet", "clusters")}
    assert folders == {"eu-1", "us-1"}
    info = yaml.safe_load(str(files[PurePosixPath("fleet/clusters/us-1/runtime-info.yaml")]))
    assert info["data"] == {
        "CLUSTER_NAME": "us-1",
        "CLUSTER_DOMAIN": "us-1.globex.test",
        "ENVIRONMENT": "production",
        "GIT_BRANCH": "release",
    }
    tenants = yaml.safe_load(str(files[PurePosixPath("fleet/clusters/us-1/tenants.yaml")]))
    assert tenants["spec"]["path"] == "./tenants/us-1"
    assert PurePosixPath("fleet/tenants/us-1/apps-git-auth.sops.yaml") in files


def test_an_existing_fleet_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    with pytest.raises(FileExistsError, match="infra exists already"):
        asyncio.run(write_fleet(tmp_path, names(), plain))
    assert [p.name for p in tmp_path.iterdir()] == ["infra"]


@pytest.mark.parametrize(
    "field, value",
    [
        ("organisation", "../up"),
        ("host", "https://git.example.com"),
        ("apps", "-flag"),
        ("domain", "with space"),
        ("apps_recipient", "AGE-SECRET-KEY-1QQ"),
        ("registry", "https://registry.example.com/acme"),
        ("registry", "registry.example.com/../up"),
        ("clusters", (Cluster("Up", "staging", "main"),)),
        ("clusters", (Cluster("one", "test", "main"),)),
        ("clusters", (Cluster("one", "staging", "--force"),)),
    ],
)
def test_names_that_cannot_stand_in_a_path_or_url_are_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidNames):
        names(**{field: value})
