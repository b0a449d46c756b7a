"""Rules of source-kustomize.md 2.3."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.storage.ignore import IgnoreRules, SourceIgnoreError, bucket_rules, patterns_of, read_rules


def ignored(patterns: str, path: str, directory: str = "") -> bool:
    is_directory = path.endswith("/")
    return IgnoreRules(tuple(patterns_of(patterns, directory))).ignores(path.removesuffix("/"), is_directory)


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        ("a", "a", True),
        ("a", "x/a", True),
        ("a", "a/x", True),  # its parent matches
        ("a", "ab", False),
        ("a/", "a", False),  # directories only
        ("a/", "a/", True),
        ("a/", "x/a/y", True),
        ("a/", "a/a", True),
        ("/a", "a", True),
        ("/a", "x/a", False),
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", True),
        ("a/b", "x/a/b", False),
        ("*.md", "docs/x.md", True),
        ("*.md", "docs/x.mdx", False),
        ("*.tar.gz", "a.tar.gz", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("[!a]x", "!x", True),  # Go's classes negate with ^ alone
        ("**/b", "b", True),
        ("**/b", "a/x/b", True),
        ("**/b", "a/bx", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "x/a/b", False),
        ("**/a/b", "x/a/b", True),
        ("**/a/b", "a/x/a/b", False),  # the first `a` counts
        ("a/**", "a/x/y", True),
        ("a/**", "a/", True),
        ("/**", "a", False),
        ("**", "a/b", True),
        ("a/x**", "a/xy", False),
        ("/*", "deploy/x", True),
        ("/*\n!/deploy", "deploy/x", False),
        ("/*\n!/deploy", "deployment/x", True),
        ("a\n!a/b", "a/b", False),  # SK5: back from below an excluded directory
        ("!a\na", "a", True),
        ("a  ", "a", True),
        ("a\\ ", "a ", True),
        ("# x", "# x", False),
        ("\\#x", "#x", True),
        ("a[", "a[", False),
        ("[]a]", "a", False),
        ("[b-a]", "a", False),
        ("[", "[", False),
        ("a\\", "a\\", False),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("[*]x", "*x", True),
        ("a\r", "a", True),
        ("/", "a", False),
        ("", "a", False),
        ("*", "a/b", True),
        ("a*b*c", "aXbYbc", True),
        ("a*b*c", "aXbY", False),
        ("é*", "été", True),
    ],
)
def test_table(patterns: str, path: str, expected: bool) -> None:
    assert ignored(patterns, path) is expected


def test_patterns_hold_in_their_directory() -> None:
    assert ignored("a", "d/a", "d") and ignored("/a", "d/a", "d") and ignored("a", "d/x/a", "d")
    assert not ignored("a", "a", "d") and not ignored("/a", "d/x/a", "d") and not ignored("*", "d/", "d")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.jpg", ".sops.yaml", ".gitignore", "x.yaml", "sub/b.zip", "sub/y.md", ".github/w.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def test_defaults_when_nothing_is_said(tree: Path) -> None:
    for extra in (None, "", "# only a comment\n"):
        rules = read_rules(tree, extra)
        assert all(rules.ignores(name) for name in ("a.jpg", ".sops.yaml", ".gitignore", "sub/b.zip", ".github/w.yml"))
        assert not rules.ignores("x.yaml")


def test_defaults_vanish_with_the_first_pattern(tree: Path) -> None:
    """SK4: defaults vanish with the first pattern."""
    rules = read_rules(tree, "nothing")
    assert not any(rules.ignores(name) for name in ("a.jpg", ".sops.yaml", "sub/b.zip", ".github/w.yml"))
    assert rules.ignores(".gitignore") and rules.ignores(".git", is_directory=True)
    assert not read_rules(tree, "!.gitignore").ignores(".gitignore")


def test_files_in_every_directory_then_the_spec(tree: Path) -> None:
    (tree / ".sourceignore").write_text("*.yaml\n")
    (tree / "sub" / ".sourceignore").write_text("/y.md\n!z.yaml\n")
    (tree / ".git").mkdir()
    (tree / ".git" / ".sourceignore").write_text("sub\n")
    rules = read_rules(tree, None)
    assert rules.ignores("x.yaml") and rules.ignores("sub/y.md") and rules.ignores("sub/x.yaml")
    assert not rules.ignores("sub/z.yaml") and not rules.ignores("y.md") and not rules.ignores("sub/.sourceignore")
    assert not read_rules(tree, "!x.yaml").ignores("x.yaml")


def test_ignore_file_that_is_a_link_is_not_followed(tree: Path) -> None:
    (tree / ".sourceignore").symlink_to("/etc/passwd")
    assert read_rules(tree).ignores("a.jpg")


def test_buckets_have_no_defaults() -> None:
    """SK12: buckets have no defaults."""
    assert not bucket_rules(None).ignores(".git", is_directory=True)
    assert bucket_rules("a").ignores("a")


def test_a_hostile_pattern_takes_no_time() -> None:
    """With backtracking these two would take years."""
    assert not ignored("*a" * 60 + "*b", "/".join(["a" * 250] * 8))
    assert not ignored("**/*a*a*a/" * 20 + "b", "/".join(["a" * 50] * 60))


@pytest.mark.parametrize(
    ("patterns", "problem"),
    [
        ("\n".join(f"{number:05x}*" for number in range(20_000)), "more or longer ignore patterns than we accept"),
        ("\n".join("*?" * 100 for _ in range(4000)), "more or longer ignore patterns than we accept"),
        ("x" * 5000, "is longer than 4096 characters"),
    ],
    ids=["many", "long", "one long"],
)
def test_patterns_out_of_all_proportion_are_an_error(tree: Path, patterns: str, problem: str) -> None:
    """Of one file, of all together, of the spec: compiling them and matching every file would hold up everybody."""
    with pytest.raises(SourceIgnoreError, match=problem):
        bucket_rules(patterns)
    with pytest.raises(SourceIgnoreError, match=problem):
        read_rules(tree, patterns)
    half, rest = patterns[: len(patterns) // 2 + 1], patterns[len(patterns) // 2 + 1 :]
    (tree / ".sourceignore").write_text(patterns if problem.startswith("is") else half)
    (tree / "sub" / ".sourceignore").write_text(rest)
    with pytest.raises(SourceIgnoreError, match=problem):
        read_rules(tree)


def test_five_thousand_patterns_are_accepted(tree: Path) -> None:
    rules = read_rules(tree, "\n".join(f"{number:05x}*" for number in range(5000)))
    assert rules.ignores("sub/00fffx") and not rules.ignores("x.yaml")


NAMES = st.text("ab*?[]^-\\.", min_size=1, max_size=8)


@given(NAMES, st.text("ab*?.", min_size=1, max_size=8))
def test_globs_agree_with_the_standard_library(glob: str, name: str) -> None:
    """Where both dialects mean the same: no classes, no escapes."""
    if re.search(r"[\[\]\\^]", glob) or "**" in glob:
        return
    assert ignored(glob, name) is fnmatchcase(name, glob)


@given(st.text("ab*?[]^-\\./!# ", max_size=20), st.text("ab.*[", min_size=1, max_size=8))
def test_no_pattern_is_an_error(glob: str, name: str) -> None:
    ignored(glob, name)
