"""Fills and encrypts the Secrets of a new fleet with SOPS, in the engine. The plain text stays in memory."""

import base64
from collections.abc import Mapping

from fleetloop.engine import Engines, Family
from fleetloop.fleet.layout import Seal, SecretDraft

TIMEOUT = 30.0  # seconds, the engine's start included
ENCRYPTED = "^(data|stringData)$"  # Kubernetes has to read the rest
UNFILLED = "replace-me"

Values = Mapping[tuple[str, str], Mapping[str, str]]  # (namespace, name) -> key -> value


def sealing(engines: Engines, values: Values) -> Seal:
    """A Secret without values gets placeholders under the reference's keys: its owner fills them in with `sops edit`."""

    async def seal(draft: SecretDraft) -> str:
        filled = values.get((draft.namespace, draft.name)) or dict.fromkeys(draft.keys, UNFILLED)
        sealed = await engines.call(
            Family.SOPS,
            "sops.encrypt",
            TIMEOUT,
            data=base64.b64encode(draft.manifest(filled).encode()).decode(),
            format="yaml",
            recipients=[draft.recipient],
            encryptedRegex=ENCRYPTED,
        )
        return base64.b64decode(sealed["data"]).decode()

    return seal
