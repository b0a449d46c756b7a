"""Objects as JSON or YAML for scripts: `-o json|yaml` of everything that lists."""

from collections.abc import Sequence
from typing import Any

from fleetloop.cli.goflags import choice
from fleetloop.kube.objects import Manifest

OUTPUT_FORMAT = choice("output format", "json", "yaml")


def formatted(document: Any, form: str) -> str:
    """`form` is json or yaml; ends with a newline."""
    if form == "json":
        import orjson

        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    from fleetloop.api.yaml import dump

    return dump(document)


def list_of(items: Sequence[Manifest]) -> Manifest:
    """As kubectl prints several objects."""
    return {"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": {}}


def document(manifest: Manifest) -> str:
    """One document of a YAML stream."""
    return "---\n" + formatted(manifest, "yaml")
