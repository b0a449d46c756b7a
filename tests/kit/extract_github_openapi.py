"""Cuts the endpoints that the local forge serves out of GitHub's published API description.

    npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz
    python -m tests.kit.extract_github_openapi package/generated/ghes-3.19.json

writes tests/cases/github-openapi.json: JSON Schemas of the answers by path, method and status, with what they refer to.
The description is GitHub's, packaged by its Octokit project under the MIT licence; the extract says so.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fleetloop.local.forge.server import API_ROUTES

TARGET = Path(__file__).parents[1] / "cases" / "github-openapi.json"
PACKAGE = "@octokit/openapi 23.0.2"
SERVED_UNDER = "/api/v3"
EVENTS = {"push": "webhook-push", "ping": "webhook-ping"}
DROPPED = frozenset(
    {"description", "title", "example", "examples", "deprecated", "default", "externalDocs", "discriminator", "nullable"}
)


def described_path(path: str) -> str:
    """The path as the description spells it: `{ref:.+}` -> `{ref}`, `{number}` -> `{pull_number}` or `{issue_number}`."""
    parts = [("{" + part[1:-1].split(":")[0] + "}") if part.startswith("{") else part for part in path.split("/")]
    spelled = "/".join(parts).removeprefix(SERVED_UNDER) or "/"
    spelled = spelled.replace("/git/trees/{sha}", "/git/trees/{tree_sha}")
    return spelled.replace("{number}", "{issue_number}" if "/issues/" in spelled else "{pull_number}")


def plain(schema: Any) -> Any:
    """OpenAPI 3.0 to JSON Schema: `nullable` becomes null among the types, prose is dropped."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": "#/schemas/" + schema["$ref"].removeprefix("#/components/schemas/")}
    found = {}
    for key, value in schema.items():
        if key in {"properties", "patternProperties"}:
            found[key] = {name: plain(part) for name, part in value.items()}
        elif key == "oneOf":  # the alternatives overlap in places, against the description's own words
            found["anyOf"] = plain(value)
        elif key not in DROPPED:
            found[key] = plain(value) if key != "enum" else value
    return {"anyOf": [{"type": "null"}, found]} if schema.get("nullable") else found


def references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*(references(part) for part in schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found = {schema["$ref"].removeprefix("#/schemas/")} if isinstance(schema.get("$ref"), str) else set()
    return found.union(*(references(part) for part in schema.values())) if schema else found


def extract(description: dict[str, Any], licence: str) -> dict[str, Any]:
    components = description["components"]
    paths: dict[str, dict[str, dict[str, Any]]] = {}
    for route in API_ROUTES:
        path, method = described_path(route.path), route.method.lower()
        operation = description["paths"].get(path, {}).get(method)
        if operation is None:
            print(f"not described: {route.method} {path}", file=sys.stderr)
            continue
        answers = paths.setdefault(path, {}).setdefault(method, {})
        for status, answer in operation["responses"].items():
            shared = answer.get("$ref", "").rsplit("/", 1)[-1]
            content = (components["responses"][shared] if shared else answer).get("content", {})
            media: dict[str, Any] = content.get("application/json") or next(iter(content.values()), {})
            answers[status] = plain(media.get("schema"))
    schemas: dict[str, Any] = {"basic-error": plain(components["schemas"]["basic-error"])}
    wanted = references(paths) | set(EVENTS.values())
    while missing := wanted - schemas.keys():
        for name in missing:
            schemas[name] = plain(components["schemas"][name])
            wanted |= references(schemas[name])
    about = {"source": f"{PACKAGE}, generated/ghes-3.19.json", "licence": licence, "made_by": "extract_github_openapi.py"}
    return {"about": about, "paths": paths, "events": EVENTS, "schemas": dict(sorted(schemas.items()))}


if __name__ == "__main__":
    given = Path(sys.argv[1])
    extracted = extract(json.loads(given.read_text()), (given.parents[1] / "LICENSE").read_text())
    TARGET.write_text(json.dumps(extracted, separators=(",", ":"), sort_keys=True) + "\n")
    print(f"{TARGET.name}: {len(extracted['paths'])} paths, {TARGET.stat().st_size} bytes")
