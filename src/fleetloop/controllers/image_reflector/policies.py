"""Which tag a policy chooses. Pure, but for the ranges of versions, which an engine knows. Flux: 4.3 (HN18)."""

import math
import re
from collections.abc import Awaitable, Callable, Sequence

import re2  # type: ignore[import-untyped]

from fleetloop.api.image import ImagePolicyChoice, TagFilter
from fleetloop.controllers.image_reflector.failures import InvalidPolicy, NoMatch

# (range, versions) -> those in range, highest first. Raises ValueError for a bad range, SelectionFailed when none can be made.
SelectVersions = Callable[[str, Sequence[str]], Awaitable[Sequence[str]]]
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)", re.IGNORECASE | re.ASCII)
_HEXADECIMAL = re.compile(r"[+-]?0x(?:[\da-f]+\.?[\da-f]*|\.[\da-f]+)p[+-]?\d+", re.IGNORECASE | re.ASCII)


async def choose(policy: ImagePolicyChoice, tags: Sequence[str], wanted: TagFilter | None, select: SelectVersions) -> str:
    """The tag; `tags` in the order they are stored. Raises InvalidPolicy, NoMatch, SelectionFailed."""
    candidates = filtered(tags, wanted) if wanted and wanted.pattern else {tag: tag for tag in tags}
    if not candidates:
        raise NoMatch("no image tags match the given filter" if tags else "no tags to choose from")
    if policy.semver:
        return candidates[await _highest_version(policy.semver.range, list(candidates), select)]
    if policy.alphabetical:
        return candidates[_end(sorted(candidates, key=str.encode), policy.alphabetical.order)]
    if policy.numerical:
        return candidates[_end(sorted(candidates, key=_number), policy.numerical.order)]
    raise InvalidPolicy("spec.policy: one of semver, alphabetical, numerical must be set")


def filtered(tags: Sequence[str], wanted: TagFilter) -> dict[str, str]:
    """What is compared -> the tag. Of tags with the same extract the last one counts. Raises InvalidPolicy."""
    options = re2.Options()
    options.log_errors = False
    try:
        matcher = re2.compile(wanted.pattern, options)
    except re2.error:
        raise InvalidPolicy(f"failed to parse spec.filterTags.pattern: '{wanted.pattern}' is no regular expression") from None
    found = {}
    for tag in tags:
        if match := matcher.search(tag):
            found[_expanded(wanted.extract, match) if wanted.extract else tag] = tag
    return found


def _expanded(template: str, match: "re2.Match[str]") -> str:
    """`$1`, `${name}`, `$$`; a name goes as far as letters, digits and underscores do, and an unknown one is empty."""

    def value(found: "re.Match[str]") -> str:
        dollar, braced, bare = found.groups()
        if dollar:
            return "$"
        name = braced or bare
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, KeyError):
            return ""

    return _REFERENCE.sub(value, template)


async def _highest_version(wanted: str, versions: list[str], select: SelectVersions) -> str:
    try:
        matches = await select(wanted, versions)
    except ValueError as error:
        raise InvalidPolicy(f"invalid policy: spec.policy.semver.range: {error}") from error
    if not matches:
        raise NoMatch("unable to determine latest version from provided list")
    return matches[0]


def _end(ordered: Sequence[str], order: str) -> str:
    """Ascending takes the last, descending the first."""
    return ordered[0] if order == "desc" else ordered[-1]


def _number(text: str) -> float:
    """HN18: one that is no number, as Go's ParseFloat has them, or too large for one, fails the whole policy."""
    wrong = f"failed to parse invalid numeric value '{text}'"
    try:
        value = float.fromhex(text) if _HEXADECIMAL.fullmatch(text) else float(text) if _NUMBER.fullmatch(text) else None
    except OverflowError:
        raise NoMatch(f"{wrong}: out of range") from None
    if value is None:
        raise NoMatch(wrong)
    if math.isinf(value) and "i" not in text.lower():
        raise NoMatch(f"{wrong}: out of range")
    return value
