"""Patterns over paths, as tenants write them: matched by re2, so that none takes long. Pure. Flux: source-kustomize.md 7.2."""

import re2  # type: ignore[import-untyped]

SIGNS = frozenset("*?[")


def has_glob(path: str) -> bool:
    return any(sign in path for sign in SIGNS)


class Glob:
    """With `deep`, `**` reaches into folders and `{a,b}` is either; without, `**` is `*`. After `\\` a sign is itself."""

    def __init__(self, pattern: str, *, deep: bool = False) -> None:
        """Raises ValueError for a malformed pattern."""
        options = re2.Options()
        options.log_errors = False
        try:
            self._matcher = re2.compile(_translated(pattern, deep=deep), options)
        except re2.error:
            raise ValueError(f"syntax error in pattern '{pattern}'") from None

    def matches(self, path: str) -> bool:
        return self._matcher.fullmatch(path) is not None


def _translated(pattern: str, *, deep: bool) -> str:
    pieces, rest, braces = [], pattern, 0
    while rest:
        if deep and rest.startswith("**/"):
            pieces.append("(?:[^/]+/)*")
            rest = rest[3:]
        elif deep and rest.startswith("**"):
            pieces.append(".*")
            rest = rest[2:]
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            body = rest[1:end].replace("\\", "\\\\")
            pieces.append(f"[^/{body[1:]}]" if body[0] in "^!" else f"[{body}]")
            rest = rest[end + 1 :]
        elif deep and (rest[0] in "{}" or (rest[0] == "," and braces)):
            braces += {"{": 1, "}": -1}.get(rest[0], 0)
            pieces.append({"{": "(?:", "}": ")", ",": "|"}[rest[0]])
            rest = rest[1:]
        elif rest[0] == "\\" and rest[1:]:
            pieces.append(re2.escape(rest[1]))
            rest = rest[2:]
        else:
            pieces.append({"*": "[^/]*", "?": "[^/]"}.get(rest[0]) or re2.escape(rest[0]))
            rest = rest[1:]
    return "(?s)" + "".join(pieces)
