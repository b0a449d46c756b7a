"""What the `create secret` verbs share: a Secret that is printed, or created or updated."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from fleetloop.cli.command import Command, argument, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import CreateOptions, check_name
from fleetloop.cli.output import document
from fleetloop.kube.objects import Manifest, ref_of


@dataclass(frozen=True, slots=True)
class SecretContent:
    """`type` is left to the server when empty."""

    data: dict[str, str] = field(repr=False)
    type: str = ""
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CreateSecret(Command):
    """The base of a verb; `word` names the sort of Secret in what is said."""

    checks_namespace = False
    word: ClassVar[str] = ""

    name: str = argument()
    common: CreateOptions = options(CreateOptions)

    def check(self) -> None:
        check_name(self.name)
        self.common.labels()
        self.check_content()

    def check_content(self) -> None:
        """Raises UsageError for flags that make no Secret."""

    def content(self, cx: Context) -> SecretContent:
        raise NotImplementedError

    def run(self, cx: Context) -> None:
        secret = self._secret(cx, self.content(cx))
        if self.common.export:
            cx.write(document(secret) + "\n")  # ⚠ CLI7: Secrets are followed by an empty line
            return
        apply_secret(cx, secret)
        cx.say.action(f"{self.word} secret '{self.name}' created in '{cx.namespace}' namespace")

    def _secret(self, cx: Context, content: SecretContent) -> Manifest:
        metadata: dict[str, Any] = {"name": self.name, "namespace": cx.namespace}
        if labels := self.common.labels():
            metadata["labels"] = labels
        if content.annotations:
            metadata["annotations"] = content.annotations
        return secret_of(metadata, content)


def secret_of(metadata: dict[str, Any], content: SecretContent) -> Manifest:
    found: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    found |= {"stringData": content.data} if content.data else {}
    return found | ({"type": content.type} if content.type else {})


def apply_secret(cx: Context, secret: Manifest) -> None:
    """⚠ CLI19: of one that is there already other keys and the type stay; labels and annotations are added to."""
    ref = ref_of(secret)
    if cx.cluster.find(ref) is None:
        cx.cluster.create(secret)
        return
    metadata = {key: value for key, value in secret["metadata"].items() if key in ("labels", "annotations")}
    cx.cluster.patch(ref, {"metadata": metadata, "stringData": secret.get("stringData") or {}})
