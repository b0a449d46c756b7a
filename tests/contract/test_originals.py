"""Our kstatus, substitution, version ranges and ignore rules against the Go libraries they follow, on generated cases.

Each test prints how many cases it compared (`pytest -rP`). What is meant to differ is named here and in docs/differences.md.
"""

import asyncio
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fleetloop.engine import EngineError, Engines, Family
from fleetloop.kube.kstatus import health_of
from fleetloop.storage.ignore import IgnoreRules, patterns_of
from tests.kit.generated_objects import KINDS, GeneratedObjects
from tests.kit.originals import Originals

Asked = dict[str, Any]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    return Originals(tmp_path_factory.mktemp("originals"))


# kstatus


def on_purpose(manifest: Asked, original: Asked) -> tuple[str, str] | None:
    """What we say instead, where we do not follow the library."""
    message = original.get("message", "")
    if message == "Job not started" or message.startswith("Job in progress"):  # Current for the library once it has started
        conditions = (manifest.get("status") or {}).get("conditions") or []
        suspended = any(item and item.get("type") == "Suspended" and item.get("status") == "True" for item in conditions)
        return ("Current", "Job is suspended") if suspended else ("InProgress", "Job in progress")
    if message == "Pod could not be scheduled":
        return "InProgress", "Pod has not been scheduled"  # a node may come
    return None


def test_health_agrees(originals: Originals) -> None:
    objects = GeneratedObjects(seed=1)
    manifests = [objects.made() for _ in range(12_000)]
    unreadable = 0
    for manifest, original in zip(manifests, originals.ask([{"object": manifest} for manifest in manifests]), strict=True):
        ours = health_of(manifest)
        if original.get("error"):
            unreadable += 1
            assert ours.status == "Unknown" or original.get("panicked"), (manifest, original)
            continue
        expected = on_purpose(manifest, original) or (original["status"], original.get("message", ""))
        assert (ours.status, ours.message) == expected, (manifest, original)
    print(f"kstatus: {len(manifests)} objects of {len(KINDS)} kinds compared, {unreadable} of them unreadable")


# substitution

PIECES = [
    "${A}",
    "${B}",
    "${X:-d}",
    "${X:=d}",
    "${X=d}",
    "${X:+d}",
    "${X:?d}",
    "${X:-${A}}",
    "${X:-a${B}c}",
    "${#A}",
    "${A:1}",
    "${A:1:2}",
]
PIECES += [
    "${A: -2}",
    "${A^}",
    "${A^^}",
    "${B,}",
    "${B,,}",
    "${A#*/}",
    "${A##*/}",
    "${A%.*}",
    "${A%%.*}",
    "${A/l/L}",
    "${A//l/L}",
]
PIECES += [
    "${A/#v/V}",
    "${A/%e/E}",
    "$A",
    "$(cmd)",
    "$$",
    "$${A}",
    "$",
    "{",
    "}",
    "${",
    "${}",
    "${A",
    "${A.b}",
    "${A B}",
    "${A@Q}",
    "${X-d}",
]
PIECES += [
    "${A/l}",
    "${A:}",
    "${A:x}",
    "${1A}",
    "${A##[a-c]?}",
    "${A#[}",
    "${X:-a}b}",
    "${A:9}",
    "${A:0:0}",
    ":",
    "-",
    "=",
    "/",
    "#",
    "%",
]
PIECES += [
    "?",
    "*",
    "[",
    "]",
    "^",
    ",",
    " ",
    "\n",
    "text",
    "A",
    "1",
    "${A:${N}}",
    "${A:0:${N}}",
    "${A/${B}/x}",
    "${A/x/${B}}",
    '"',
    "'",
]
AT_ONCE = 200
NO_PARAMETER = "unable to parse substitution within function"
EMPTY_PATTERN = re.compile(r"/[/#%]?/")
VALUES = ["", "value", "a/b.c.d", "Path/to/FILE.tar.gz", "1", "[x]", "a}b", "${B}", "$$", "x y\tz", "{}"]


def texts(chance: random.Random, number: int) -> Iterator[Asked]:
    for _ in range(number):
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 5)))
        for _ in range(chance.choice([0, 0, 1, 2])):  # a torn text
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(["", "$", "{", "}", "/", ":", "#", "%"]) + text[at + chance.choice([0, 1]) :]
        variables = {"A": chance.choice(VALUES), "B": chance.choice(VALUES), "N": chance.choice(["1", "2", "-1", "n"])}
        yield {"text": text, "variables": variables}


async def substituted(engines: Engines, question: Asked) -> tuple[str, str]:
    try:
        result = await engines.call(Family.BUILD, "substitute.text", 30, **question)
    except EngineError as error:
        return "", str(error)
    return result["text"], ""


async def test_substitution_agrees(originals: Originals) -> None:
    """SK25, where the library and Flux's fork of it speak the same."""
    questions = list(texts(random.Random(2), 6_000))
    left, found = 0, []
    async with Engines() as engines:
        for start in range(0, len(questions), AT_ONCE):
            found += await asyncio.gather(*(substituted(engines, question) for question in questions[start : start + AT_ONCE]))
    for question, ours, original in zip(questions, found, originals.ask(questions), strict=True):
        if original.get("panicked"):  # a negative length
            left += 1
            assert ours[1] == "negative length in substring", (question, original)
        elif original.get("error") == NO_PARAMETER and EMPTY_PATTERN.search(question["text"]):
            left += 1
        else:
            assert ours == (original.get("text", ""), original.get("error", "")), question
    print(f"substitution: {len(questions)} texts compared, {left} of them known to differ")


async def test_where_substitution_differs(originals: Originals) -> None:
    """SK25: Flux's fork leaves backslashes in plain text alone, and lets a pattern be empty. So do we. A panic is an error."""
    values = {"A": "value"}
    table = {
        r"a\/b": (r"a\/b", "", "a/b"),
        r"a\\b": (r"a\\b", "", r"a\b"),
        "${A/#/pre-}": ("pre-value", "", NO_PARAMETER),
        "${A/%/-post}": ("value-post", "", NO_PARAMETER),
        "${A:1:-1}": ("", "negative length in substring", "runtime error: slice bounds out of range [1:0]"),
    }
    answers = originals.ask([{"text": text, "variables": values} for text in table])
    async with Engines() as engines:
        for (text, (*ours, original)), answer in zip(table.items(), answers, strict=True):
            assert await substituted(engines, {"text": text, "variables": values}) == tuple(ours)
            assert answer.get("text", answer.get("error")) == original


# versions

RANGES = [
    "*",
    "1.x",
    "~1.2",
    "~1",
    "^1.2.3",
    "^0.2",
    ">=1.0.0 <2.0.0",
    ">=1.0.0, <2.0.0",
    ">1.2",
    "<=2",
    "!=1.2.3",
    "=1.2.3",
    "1.2.3",
]
RANGES += [
    "1.2 - 2.3.4",
    "~1.2 || ^3",
    ">=2.0.0-0",
    "~1.2.3-alpha",
    "v1.2.3",
    ">=v1",
    "<0.0.1",
    "x",
    "1.2.3.4",
    "a",
    "=>1",
    ">= 1.0",
    "|| 1",
]
NUMBERS = ["0", "1", "2", "3", "10", "01", "99999999999999999999"]
ENDINGS = ["", "", "", "-rc.1", "-rc.2", "-alpha", "-0", "+b1", "-rc.1+b2", "-", "+", "-01", ".4"]


def version(chance: random.Random) -> str:
    parts = chance.choices(NUMBERS[:-1] if chance.random() < 0.98 else NUMBERS, k=chance.choice([1, 2, 3, 3, 3, 3]))
    return chance.choice(["", "", "v", "V", " "]) * (chance.random() < 0.5) + ".".join(parts) + chance.choice(ENDINGS)


async def test_ranges_agree(originals: Originals) -> None:
    """Which versions are in range, and that the highest come first."""
    chance = random.Random(3)
    bounds = [f"{chance.choice(['>', '<', '>=', '<=', '~', '^', '=', '!='])}{version(chance)}" for _ in range(170)]
    questions: list[Asked] = [
        {"range": wanted, "versions": [version(chance) for _ in range(40)]} for wanted in [*RANGES, *bounds]
    ]
    found: list[list[str]] = []
    async with Engines() as engines:
        for question, original in zip(questions, originals.ask(questions), strict=True):
            try:
                found.append((await engines.call(Family.BUILD, "semver.select", 30, **question))["matches"])
            except EngineError as error:
                assert original.get("error"), (question, error)
                continue
            assert sorted(found[-1]) == sorted(original.get("matches", [])), question
    for order in originals.ask([{"range": "*", "versions": matches} for matches in found]):
        assert all(comparison <= 0 for comparison in order.get("orders", []))
    print(f"semver: {len(questions)} ranges with 40 versions each compared, and the order of what is in range")


# ignore rules

NAMES = ["a", "b", "deploy", "app.yaml", "a.b", ".git", "x y", "[x]", "*", "\\", "ä", "z.tar.gz", " "]
GLOBS = [
    "*",
    "a",
    "b",
    "*.yaml",
    "a*",
    "?",
    "[a-c]",
    "[^a]",
    "**",
    "a**",
    "dep*oy",
    "\\*",
    "\\[x]",
    "[",
    "[]",
    "[a-",
    "x y",
    "ä",
    ".git",
    "",
]
GLOBS += ["*.tar.gz", "[b-a]", "\\", "a\\", "*a*", "**b", "[\\*]", "[!a]", "*?", " "]


def lines(chance: random.Random) -> list[str]:
    made = []
    for _ in range(chance.randint(1, 4)):
        body = "/".join(chance.choices(GLOBS, k=chance.choice([1, 1, 2, 2, 3, 4])))
        made.append(
            chance.choice(["", "", "!"]) + chance.choice(["", "", "/"]) + body + chance.choice(["", "", "/", "/**", " ", "\\ "])
        )
    return [line for line in made if line.strip() and not line.startswith("#")]


def test_ignore_rules_agree(originals: Originals) -> None:
    """SK5: Flux matches with go-git's patterns, not with Git's."""
    chance = random.Random(4)
    questions: list[Asked] = []
    for _ in range(4_000):
        domain = chance.choice([[], [], ["a"], ["a", "deploy"]])
        patterns = [{"line": line, "domain": domain} for line in lines(chance)]
        paths = [
            {"name": "/".join(chance.choices(NAMES, k=chance.randint(1, 5))), "directory": chance.random() < 0.4}
            for _ in range(15)
        ]
        questions.append({"patterns": patterns, "paths": paths})
    for question, original in zip(questions, originals.ask(questions), strict=True):
        lined = [patterns_of(item["line"], "/".join(item["domain"])) for item in question["patterns"]]
        rules = IgnoreRules(tuple(pattern for found in lined for pattern in found))
        ours = [rules.ignores(path["name"], path["directory"]) for path in question["paths"]]
        assert ours == original["ignored"], question
    print(f"ignore rules: {len(questions)} sets of patterns with 15 paths each compared, {len(questions) * 15} verdicts")
