"""Which files of a source stay out of its artifact: `.sourceignore` files, `spec.ignore`, and the defaults.

Close to gitignore, with differences users rely on (source-kustomize.md 2.3): matching is per file, so a later
`!pattern` brings back files below an excluded directory (SK5); the defaults give way as soon as one pattern exists,
all but those for Git's own files (SK4).
"""

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

IGNORE_FILE = ".sourceignore"
_GIT_FILES = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
_BINARIES = ("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip")
_CI = (
    *(".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml"),
    *("cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml"),
)
_TOOLS = ("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml")
_MAX_IGNORE_BYTES = 1 << 20
_MOST_PATTERNS = 5000  # of a tree: every file is held against each
_LONGEST_PATTERN = 4096  # characters
_LONGEST_EXPRESSIONS = 1 << 20  # characters of all: compiling takes a second for that


class SourceIgnoreError(Exception):
    """An ignore file cannot be read or is out of all proportion."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line, bound to the directory it was found in."""

    expression: re.Pattern[str]
    includes: bool
    only_directories: bool

    def matches(self, path: str, is_directory: bool) -> bool:
        found = self.expression.match(path)
        if not found:
            return False
        # `x/` means directories: what lies below x matches, a plain file x does not
        return is_directory or not self.only_directories or found.end() < len(path)


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """Patterns in order; the last that matches a path decides."""

    patterns: tuple[Pattern, ...]

    def ignores(self, path: str, is_directory: bool = False) -> bool:
        """`path`: relative to the root, with `/`, without a leading `./`."""
        for pattern in reversed(self.patterns):
            if pattern.matches(path, is_directory):
                return not pattern.includes
        return False


def read_rules(root: Path, extra: str | None = None) -> IgnoreRules:
    """The rules for a tree: its `.sourceignore` files, then `extra` (spec.ignore), last. Blocking.

    Raises SourceIgnoreError.
    """
    found = _bounded(itertools.chain(_patterns_in(root), patterns_of(extra or "")))
    if not found:
        return default_rules()
    return IgnoreRules((*(_parse(line, "") for line in _GIT_FILES), *found))


def default_rules() -> IgnoreRules:
    """What holds where nobody wrote a rule."""
    return IgnoreRules(tuple(_parse(line, "") for line in (*_GIT_FILES, *_BINARIES, *_CI, *_TOOLS)))


def bucket_rules(extra: str | None) -> IgnoreRules:
    """Only what is written: no defaults (SK12). Blocking. Raises SourceIgnoreError."""
    return IgnoreRules(_bounded(patterns_of(extra or "")))


def patterns_of(text: str, directory: str = "") -> Iterator[Pattern]:
    """The patterns in a text, comments and empty lines left out; `directory`: where they hold, "" for everywhere. Raises
    SourceIgnoreError."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return (_parse(line, directory) for line in lines if line.strip() and not line.startswith("#"))


def _bounded(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    """No more are made than what is accepted."""
    found, left = list[Pattern](), _LONGEST_EXPRESSIONS
    for pattern in patterns:
        found.append(pattern)
        left -= len(pattern.expression.pattern)
        if len(found) > _MOST_PATTERNS or left < 0:
            raise SourceIgnoreError(f"there are more or longer ignore patterns than we accept ({_MOST_PATTERNS})")
    return tuple(found)


def _patterns_in(root: Path) -> Iterable[Pattern]:
    """Parents before children, siblings in name order; nothing below a `.git`, no links followed."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".git")
        if IGNORE_FILE in files:
            path = Path(folder, IGNORE_FILE)
            directory = os.path.relpath(folder, root)
            yield from patterns_of(_read(path), "" if directory == "." else directory)


def _read(path: Path) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            content = file.read(_MAX_IGNORE_BYTES + 1)
    except OSError as error:
        if path.is_symlink():
            return ""
        raise SourceIgnoreError(f"{IGNORE_FILE} cannot be read: {error.strerror}") from None
    if len(content) > _MAX_IGNORE_BYTES:
        raise SourceIgnoreError(f"{IGNORE_FILE} is larger than {_MAX_IGNORE_BYTES} bytes")
    return content.decode(errors="replace")


def _parse(line: str, directory: str) -> Pattern:
    if len(line) > _LONGEST_PATTERN:
        raise SourceIgnoreError(f"the ignore pattern '{line[:100]}...' is longer than {_LONGEST_PATTERN} characters")
    includes, line = line.startswith("!"), line.removeprefix("!")
    if not line.endswith("\\ "):
        line = line.rstrip(" ")
    only_directories, line = line.endswith("/"), line.removesuffix("/")
    body = _path(line.split("/")) if "/" in line else _traversed(_component(line))
    prefix = re.escape(directory + "/") if directory else ""
    return Pattern(re.compile(prefix + (body or r"(?!)"), re.S), includes, only_directories)


# Expressions below are built from atomic groups alone: each piece takes its first match and never gives it back, so
# the time is bounded by path x pattern whatever a tenant writes, and `**` commits to the first directory that fits, as
# it always did for users of these files. None stands for a pattern that matches nothing.


def _path(parts: Sequence[str]) -> str | None:
    """A pattern with a slash holds from its directory on; `**` is any number of components."""
    pieces: list[str] = []
    named = [part for part in parts if part]
    for part, before in zip(named, [None, *named], strict=False):
        component = None if "**" in part else _component(part)
        if part == "**":
            continue
        pieces.append((_traversed(component) if before == "**" else component) or r"(?!)")
    return "/".join(pieces) or None


def _traversed(component: str | None) -> str | None:
    """The first component of the remaining path that fits."""
    return component and rf"(?>(?:[^/]+/)*?{component})"


def _component(glob: str) -> str | None:
    """Go's filepath.Match against one whole component; None for a malformed pattern."""
    chunks = [_chunk(chunk) for chunk in _split_at_stars(glob)]
    if not glob or None in chunks:
        return None
    first, *others = [chunk or "" for chunk in chunks]
    if not others:
        return first + _END
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{chunk})" for chunk in middle if chunk) + f"(?>[^/]*?{last}{_END})"


def _split_at_stars(glob: str) -> list[str]:
    """At each `*` that is neither escaped nor in a character class."""
    chunks, depth, position = [""], False, 0
    while position < len(glob):
        char = glob[position]
        taken = glob[position : position + 2] if char == "\\" else char
        depth = (depth or char == "[") and not (depth and char == "]")
        if char == "*" and not depth:
            chunks.append("")
        else:
            chunks[-1] += taken
        position += len(taken)
    return chunks


def _chunk(glob: str) -> str | None:
    """A piece without stars, as an expression of fixed length."""
    out, rest = "", glob
    while rest:
        found = _TOKEN.match(rest)
        if not found:
            return None
        if (body := found["body"]) is not None:
            ranges = _ranges(body)
            out += f"[^/{ranges}]" if found["not"] else f"[{ranges}]" if ranges else "(?!)"
        else:
            out += "[^/]" if found[0] == "?" else re.escape(found[0][-1])
        rest = rest[found.end() :]
    return out


def _ranges(body: str) -> str:
    """The inside of a character class, escaped; an upside-down range holds nothing."""
    ends = ((low[-1], (high or low)[-1]) for low, high in re.findall(r"(\\.|[^\\])(?:-(\\.|[^\\]))?", body, re.S))
    return "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ends if low <= high)


_END = r"(?=/|\Z)"
_TOKEN = re.compile(r"\[(?P<not>\^?)(?P<body>(?:(?:\\.|[^]\\-])(?:-(?:\\.|[^]\\-]))?)+)\]|\\.|[^\\[]", re.S)
