"""Composing artifacts and their templates, without a cluster."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetloop.api.source_extensions import ArtifactGenerator, CopyOperation
from fleetloop.controllers.source_watcher.compose import ComposeError, compose, name_of
from fleetloop.controllers.source_watcher.globs import Glob
from fleetloop.controllers.source_watcher.templates import PatternError, outputs_of
from fleetloop.storage import write_tarball


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def composed(tmp_path: Path, *operations: dict[str, Any]) -> dict[str, str]:
    source = tree(
        tmp_path / "source",
        {
            "deploy/app.yaml": "a: {x: 1}\nb: [1]\n",
            "deploy/sub/x.txt": "x",
            "deploy/sub/y.md": "y",
            "values.yaml": "a: {z: 2}\nb: [2]\n",
        },
    )
    into = tmp_path / "into"
    into.mkdir()
    compose([msgspec.convert(one, CopyOperation) for one in operations], {"git": source}, into)
    return {path.relative_to(into).as_posix(): path.read_text() for path in into.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("operation", "made"),
    [
        ({"from": "@git/deploy/**", "to": "@artifact/"}, {"app.yaml", "sub/x.txt", "sub/y.md"}),
        ({"from": "@git/deploy/**", "to": "@artifact/a/", "exclude": ["*.md"]}, {"a/app.yaml", "a/sub/x.txt"}),
        ({"from": "@git/deploy", "to": "@artifact/a/"}, {"a/deploy/app.yaml", "a/deploy/sub/x.txt", "a/deploy/sub/y.md"}),
        ({"from": "@git/values.yaml", "to": "@artifact/other.yaml"}, {"other.yaml"}),
        ({"from": "@git/values.yaml", "to": "@artifact/a/"}, {"a/values.yaml"}),
        ({"from": "@git/*.yaml", "to": "@artifact/a/"}, {"a/values.yaml"}),
        ({"from": "@git/deploy/s*", "to": "@artifact/"}, {"deploy/sub/x.txt", "deploy/sub/y.md"}),
    ],
)
def test_where_files_go(tmp_path: Path, operation: dict[str, Any], made: set[str]) -> None:
    assert set(composed(tmp_path, operation)) == made


def test_merging_goes_deep_and_lists_are_replaced(tmp_path: Path) -> None:
    made = composed(
        tmp_path,
        {"from": "@git/deploy/app.yaml", "to": "@artifact/v.yaml"},
        {"from": "@git/values.yaml", "to": "@artifact/v.yaml", "strategy": "Merge"},
    )
    assert made == {"v.yaml": "a:\n  x: 1\n  z: 2\nb:\n- 2\n"}


def test_a_text_that_looks_like_a_number_is_a_text_after_merging(tmp_path: Path) -> None:
    source = tree(tmp_path / "source", {"a.yaml": "z: '1e3'\nname: Zoë\n", "b.yaml": "a: 0\n", "bad.yaml": "a: [\n"})
    into = tree(tmp_path / "into", {})
    copies = [CopyOperation(from_=f"@git/{name}.yaml", to="@artifact/v.yaml", strategy="Merge") for name in ("a", "b", "bad")]
    compose(copies[:2], {"git": source}, into)
    assert (into / "v.yaml").read_text() == 'a: 0\nname: Zoë\nz: "1e3"\n'
    with pytest.raises(ComposeError, match=r"bad\.yaml"):
        compose(copies, {"git": source}, into)


@pytest.mark.parametrize(
    "operation",
    [
        {"from": "@git/none.yaml", "to": "@artifact/"},
        {"from": "@git/*.none", "to": "@artifact/"},
        {"from": "@git/values.yaml", "to": "@artifact/../../x"},
        {"from": "@git/../../etc/passwd", "to": "@artifact/x"},
        {"from": "@git/deploy/**", "to": "@artifact/", "exclude": ["**"]},
    ],
)
def test_what_cannot_be_copied_is_named(tmp_path: Path, operation: dict[str, Any]) -> None:
    with pytest.raises(ComposeError, match="copy from '@git/"):
        composed(tmp_path, operation)


def test_the_file_name_is_of_the_content_sk19(tmp_path: Path) -> None:
    """SK19: equal content has an equal name, and another name of the artifact another one."""
    one, two = tree(tmp_path / "one", {"a/b": "1"}), tree(tmp_path / "two", {"a/b": "1"})
    assert name_of(one, "x") == name_of(two, "x") != name_of(one, "y")
    assert name_of(one, "x").removesuffix(".tar.gz").isdigit()


def test_the_file_name_is_the_one_that_flux_gives_sk19(tmp_path: Path) -> None:
    """SK19: so that a controller that takes over writes the same file."""
    made = tree(tmp_path, {"b": "0", "a/c": "1", "a.b": "zz"})
    lines = b"17000f5  x/a.b\n320032  x/a/c\n310031  x/b\n"
    assert name_of(made, "x") == f"{zlib.adler32(lines)}.tar.gz"


def test_globs_take_no_time() -> None:
    assert Glob("a/**/b", deep=True).matches("a/x/y/b")
    assert Glob("a/**/b", deep=True).matches("a/b")
    assert not Glob("a/**/b").matches("a/x/y/b")
    assert Glob("[a-c]?.y").matches("bz.y")
    assert all(Glob("docs/{*.md,x,{y,z}}", deep=True).matches(f"docs/{name}") for name in ("a.md", "x", "z"))
    assert Glob("{a},b", deep=True).matches("a,b")
    assert Glob("{a,b}").matches("{a,b}")
    assert Glob(r"a\*").matches("a*")
    assert not Glob(r"a\*").matches("ab")
    with pytest.raises(ValueError, match="syntax error in pattern"):
        Glob("{a", deep=True)
    assert not Glob("*" * 500 + "b").matches("a" * 5000)


def generator(**spec: Any) -> ArtifactGenerator:
    base = {"sources": [{"alias": "git", "kind": "GitRepository", "name": "g"}]}
    manifest = {"apiVersion": "v", "kind": "ArtifactGenerator", "metadata": {"name": "g", "namespace": "n"}, "spec": base | spec}
    return msgspec.convert(manifest, ArtifactGenerator)


@pytest.mark.parametrize("name", ["../../externalartifact/victim/x", "..", "a/b", "A"])
def test_a_name_is_a_name(tmp_path: Path, name: str) -> None:
    """It names a folder of the store too."""
    with pytest.raises(PatternError, match="is no valid name of an object"):
        outputs_of(generator(artifacts=[{"name": name, "copy": [{"from": "@git/x", "to": "@artifact/"}]}]), {"git": tmp_path})


def test_a_pattern_makes_an_artifact_of_each_folder(tmp_path: Path) -> None:
    trees = {"git": tree(tmp_path, {"apps/Web-prod/x": "1", "apps/api-dev/x": "1", "apps/deep/er/x": "1"})}
    template = {"name": "{app}-{env}", "copy": [{"from": "@git/apps/{app}-{env}/**", "to": "@artifact/"}]}
    made = outputs_of(generator(pathPattern="@git/apps/{app}-{env}", artifacts=[template]), trees)
    assert [(one.artifact.name, dict(one.labels)) for one in made] == [
        ("web-prod", {"app": "web", "env": "prod"}),
        ("api-dev", {"app": "api", "env": "dev"}),
    ]
    assert made[0].artifact.copy[0].from_ == "@git/apps/Web-prod/**"
    with pytest.raises(PatternError, match="is there twice"):
        outputs_of(generator(pathPattern="@git/apps/{app}-{env}", artifacts=[template | {"name": "one"}]), trees)


@pytest.mark.parametrize(
    ("pattern", "folder", "captures"),
    [
        ("{team}-{env}", "payments-eu-prod", {"team": "payments-eu", "env": "prod"}),
        ("apps/{app}", "apps/web", {"app": "web"}),
        ("{a}{b}", "xyz", {"a": "xy", "b": "z"}),
        ("a.b/v{version}", "a.b/v1.2", {"version": "1.2"}),
        ("{team}-{env}", "payments", None),
        ("{app}", "apps/web/deep", {"app": "apps"}),
        ("a.b/{x}", "acb/x", None),
    ],
)
def test_a_capture_takes_what_it_can_of_one_name(
    tmp_path: Path, pattern: str, folder: str, captures: dict[str, str] | None
) -> None:
    trees = {"git": tree(tmp_path, {f"{folder}/x": "1"})}
    template = {"name": "a", "copy": [{"from": "@git/x", "to": "@artifact/"}]}
    made = outputs_of(generator(pathPattern=f"@git/{pattern}", artifacts=[template]), trees)
    assert [dict(one.labels) for one in made] == ([captures] if captures else [])


@pytest.mark.parametrize(
    ("pattern", "source"), [("{a}-{a}", "x"), ("{a", "x"), ("{a-b}", "x"), ("{}", "x"), ("{1}", "x"), ("{a}", "{b}")]
)
def test_captures_that_nobody_can_fill_are_refused(tmp_path: Path, pattern: str, source: str) -> None:
    trees = {"git": tree(tmp_path, {"one-one/x": "1"})}
    template = {"name": "a", "copy": [{"from": f"@git/{source}", "to": "@artifact/"}]}
    with pytest.raises(PatternError, match="spec"):
        outputs_of(generator(pathPattern=f"@git/{pattern}", artifacts=[template]), trees)


@pytest.mark.parametrize(
    ("operation", "made"),
    [
        ({"from": "@git/apps", "exclude": ["tests"]}, {"apps/a.yaml", "apps/web/b.yaml"}),
        ({"from": "@git/apps/", "exclude": ["apps/tests"]}, {"apps/a.yaml", "apps/web/b.yaml", "apps/web/tests/u.yaml"}),
        ({"from": "@git/apps/**", "exclude": ["web/tests"]}, {"a.yaml", "tests/t.yaml", "web/b.yaml"}),
        ({"from": "@git/apps/*", "exclude": ["web", "*s"]}, {"apps/a.yaml"}),
        (
            {"from": "@git/apps", "exclude": ["apps"]},
            {"apps/a.yaml", "apps/tests/t.yaml", "apps/web/b.yaml", "apps/web/tests/u.yaml"},
        ),
        ({"from": "@git/", "exclude": ["t"]}, {"apps/a.yaml", "apps/tests/t.yaml", "apps/web/b.yaml", "apps/web/tests/u.yaml"}),
        ({"from": "@git/t", "to": "@artifact/x"}, {"x"}),
    ],
)
def test_an_excluded_folder_is_left_out_with_all_that_is_in_it(tmp_path: Path, operation: dict[str, Any], made: set[str]) -> None:
    names = ("apps/a.yaml", "apps/tests/t.yaml", "apps/web/b.yaml", "apps/web/tests/u.yaml", "t")
    source, into = tree(tmp_path / "source", dict.fromkeys(names, "a: 1\n")), tmp_path / "into"
    compose([msgspec.convert({"to": "@artifact/"} | operation, CopyOperation)], {"git": source}, into)
    assert {path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()} == made


ARCHIVES = ("charts/web.tgz", "charts/api.TGZ", "charts/old/db.tar.gz")


@pytest.mark.parametrize(
    ("wanted", "to", "made"),
    [
        ("charts/web.tgz", "out", {"out/web/c.yaml"}),
        ("charts/api.TGZ", "out/", {"out/api/c.yaml"}),
        ("charts/*", "", {"web/c.yaml", "api/c.yaml"}),
        ("charts/**", "out", {"out/web/c.yaml", "out/api/c.yaml", "out/db/c.yaml"}),
        ("**/*.tar.gz", "out", {"out/db/c.yaml"}),
    ],
)
def test_archives_are_extracted_where_to_says(tmp_path: Path, wanted: str, to: str, made: set[str]) -> None:
    into = tmp_path / "into"
    compose([extraction(wanted, to)], {"git": charts(tmp_path)}, into)
    assert {path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()} == made


def test_what_is_extracted_replaces_what_is_there(tmp_path: Path) -> None:
    into = tree(tmp_path / "into", {"out/web/c.yaml": "old", "out/web/d.yaml": "kept"})
    compose([extraction("charts/web.tgz", "out")], {"git": charts(tmp_path)}, into)
    assert [(into / f"out/web/{name}.yaml").read_text() for name in "cd"] == ["new", "kept"]


@pytest.mark.parametrize("wanted", ["charts/README.md", "charts", "charts/broken.tgz"])
def test_what_is_no_archive_is_named(tmp_path: Path, wanted: str) -> None:
    source = tree(charts(tmp_path), {"charts/broken.tgz": "x"})
    with pytest.raises(ComposeError, match=r"copy from '@git/charts.*archive"):
        compose([extraction(wanted, "out")], {"git": source}, tmp_path / "into")


def extraction(wanted: str, to: str) -> CopyOperation:
    return CopyOperation(from_=f"@git/{wanted}", to=f"@artifact/{to}", strategy="Extract")


def charts(tmp_path: Path) -> Path:
    """Each archive holds a folder of its name."""
    source = tree(tmp_path / "source", {"charts/README.md": "x", "charts/old/x": "x"})
    for path in ARCHIVES:
        name = Path(path).name.partition(".")[0]
        with (source / path).open("wb") as out:
            write_tarball(tree(tmp_path / name, {f"{name}/c.yaml": "new"}), out)
    return source
