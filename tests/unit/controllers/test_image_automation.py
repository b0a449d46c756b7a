"""Which branch, which policies: what an automation decides before it touches anything."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetloop.api.image import ImagePolicy, ImageRef, ImageUpdateAutomation
from fleetloop.api.source import GitRepository
from fleetloop.controllers.image_automation.branches import branches_of
from fleetloop.controllers.image_automation.failures import (
    InvalidPolicySelector,
    InvalidSourceConfiguration,
    SourceManagerFailed,
    UpdateFailed,
)
from fleetloop.controllers.image_automation.files import update
from fleetloop.controllers.image_automation.selection import selected
from fleetloop.controllers.image_automation.settings import register, settings_of
from fleetloop.runtime.settings import BadFlag, common_flags

COMMIT = {"author": {"email": "bot@example.com"}}
APP = ImageRef(name="x", tag="2")


def automation(**spec: Any) -> ImageUpdateAutomation:
    spec = {"interval": "1m", "sourceRef": {"kind": "GitRepository", "name": "app"}} | spec
    found: ImageUpdateAutomation = made(ImageUpdateAutomation, spec=spec)
    return found


def made(struct: Any, **fields: Any) -> Any:
    metadata = {"name": "app", "namespace": "team"} | fields.pop("metadata", {})
    return msgspec.convert({"apiVersion": "v1", "kind": struct.__name__, "metadata": metadata} | fields, struct)


def source(**ref: str) -> GitRepository:
    spec = {"interval": "1m", "url": "https://example.com/app"} | ({"ref": ref} if ref else {})
    found: GitRepository = made(GitRepository, spec=spec)
    return found


@pytest.mark.parametrize(
    ("ref", "git", "push", "switches"),
    [
        ({"branch": "main"}, {}, "main", False),
        ({"branch": "main"}, {"push": {"branch": "main"}}, "main", False),
        ({"branch": "main"}, {"push": {"branch": "updates"}}, "updates", True),
        ({"tag": "v1"}, {"push": {"branch": "updates"}}, "updates", True),
        ({}, {"push": {"branch": "updates"}}, "updates", True),
        ({"branch": "main"}, {"checkout": {"ref": {"branch": "dev"}}}, "dev", False),
        ({"branch": "main"}, {"checkout": {"ref": {"branch": "dev"}}, "push": {"branch": "main"}}, "main", True),
        ({"branch": "main", "tag": "v1"}, {}, "main", False),
    ],
)
def test_hn19_where_commits_go(ref: dict[str, str], git: dict[str, Any], push: str, switches: bool) -> None:
    found = branches_of(automation(git={"commit": COMMIT} | git), source(**ref))
    assert (found.push.shown, found.switches) == (push, switches)


@pytest.mark.parametrize("ref", [{}, {"tag": "v1"}, {"semver": ">1"}, {"commit": "a" * 40}, {"name": "refs/heads/main"}])
def test_without_a_branch_there_is_nowhere_to_push(ref: dict[str, str]) -> None:
    with pytest.raises(SourceManagerFailed, match="names a branch"):
        branches_of(automation(git={"commit": COMMIT}), source(**ref))


def test_git_is_required() -> None:
    with pytest.raises(InvalidSourceConfiguration, match=r"spec\.git is required"):
        branches_of(automation(), source(branch="main"))


def policy(name: str, namespace: str = "team", latest: bool = True, **labels: str) -> ImagePolicy:
    spec = {"imageRepositoryRef": {"name": name}, "policy": {"semver": {"range": "*"}}}
    status = {"latestRef": {"name": "x", "tag": "2"}} if latest else {}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    found: ImagePolicy = made(ImagePolicy, spec=spec, status=status, metadata=metadata)
    return found


def test_policies_of_the_namespace_that_have_an_image() -> None:
    policies = [policy("b"), policy("a"), policy("other", "elsewhere"), policy("none", latest=False)]
    assert selected(policies, automation()) == {"a": APP, "b": APP}


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ({"matchLabels": {"app": "a"}}, {"a"}),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, {"a", "b"}),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, {"b", "c"}),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {"a", "b"}),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, {"c"}),
        ({}, {"a", "b", "c"}),
    ],
)
def test_policies_by_their_labels(selector: dict[str, Any], names: set[str]) -> None:
    policies = [policy("a", app="a"), policy("b", app="b"), policy("c")]
    assert set(selected(policies, automation(policySelector=selector))) == names


@pytest.mark.parametrize("operator", ["Like", "In"])
def test_a_selector_that_is_none(operator: str) -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": operator}]}
    with pytest.raises(InvalidPolicySelector, match=r"spec\.policySelector"):
        selected([], automation(policySelector=selector))


MARKED = b'image: x:1 # {"$imagepolicy": "team:app"}\n'
IMAGES = {("team", "app"): APP}


def test_files_by_name_and_links_as_far_as_the_tree_goes(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside.yaml", tmp_path / "tree"
    outside.write_bytes(MARKED)
    (tree / "apps" / ".hidden").mkdir(parents=True)
    (tree / ".git").mkdir()
    for name in (
        "apps/a.yaml",
        "apps/b.yml",
        "apps/Kustomization",
        "apps/.hidden/c.yaml",
        "shared.yaml",
        "apps/d.txt",
        ".git/e.yaml",
    ):
        (tree / name).write_bytes(MARKED)
    (tree / "apps/link.yaml").symlink_to("../shared.yaml")
    (tree / "apps/out.yaml").symlink_to(outside)
    (tree / "apps/git.yaml").symlink_to("../.git/e.yaml")
    (tree / "apps/gone.yaml").symlink_to("nowhere")
    (tree / "apps/a.yaml").chmod(0o755)
    found = update(tree, "./apps", IMAGES)
    assert [file for file, _ in found.changes] == ["Kustomization", "a.yaml", "b.yml", "link.yaml", ".hidden/c.yaml"]
    assert outside.read_bytes() == (tree / "apps/d.txt").read_bytes() == (tree / ".git/e.yaml").read_bytes() == MARKED
    assert b"x:2" in (tree / "shared.yaml").read_bytes()
    assert (tree / "apps/link.yaml").is_symlink()
    assert (tree / "apps/a.yaml").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(("path", "why"), [("../", "leads out"), ("link", "leads out"), ("none", "does not exist")])
def test_a_path_that_is_not_in_the_tree(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path)
    with pytest.raises(UpdateFailed, match=why):
        update(tmp_path / "tree", path, IMAGES)


def test_a_marked_file_beyond_all_measure_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(MARKED + b"# " + b"x" * (9 << 20) + b"\n")
    (tmp_path / "b.yaml").write_bytes(b"# " + b"x" * (9 << 20) + b"\n")
    assert list(update(tmp_path, "", IMAGES).left_alone) == ["a.yaml: it is larger than 8 MiB"]


@pytest.mark.parametrize("flag", ["--default-service-account=x", "--feature-gates=Nothing=true", "--ssh-kex-algos=a b"])
def test_hn1_flags_that_end_the_process(flag: str) -> None:
    flags = common_flags("image-automation-controller", concurrent=4)
    register(flags)
    with pytest.raises(BadFlag):
        settings_of(flags.read([flag]), {})
