"""What can go wrong at a forge, one class per thing a caller can do about it.

The texts are the observable contract's (bootstrap.md section 4): the request first, the class of the error second.
"""

from fleetloop.forge.forge import Right


class ForgeError(Exception):
    """Any failure at a forge. The message holds method, URL, status and the forge's words; never a credential."""


class ForgeAnswered(ForgeError):
    """The forge answered, with an error."""

    def __init__(self, request: str, status: int, said: str, meaning: str) -> None:
        super().__init__(f"multiple errors occurred: \n- {request}: {status} {said}\n- {meaning}")
        self.status, self.said = status, said


class ForgeDenied(ForgeAnswered):
    """401 or 403: another token, or another right for this one. `accepted` is what the forge says would do, or ""."""

    def __init__(self, request: str, status: int, said: str, accepted: str = "") -> None:
        hint = f" (the token needs {accepted})" if accepted else ""
        super().__init__(request, status, said, f"{request}: {status} {said}{hint}")
        self.accepted = accepted


class NotOnForge(ForgeAnswered):
    """404: there is no such thing, or the token may not know about it (bootstrap ⚠ 12)."""

    def __init__(self, request: str, said: str) -> None:
        super().__init__(request, 404, said, "the requested resource was not found")


class AlreadyOnForge(ForgeAnswered):
    """400, 409 or 422 that says the thing exists, although it was not seen before."""

    def __init__(self, request: str, status: int, said: str) -> None:
        meaning = "resource already exists, cannot create object. Use Reconcile() to create it idempotently"
        super().__init__(request, status, said, meaning)


class ForgeRefused(ForgeAnswered):
    """The request was understood and not acceptable: wrong values, a rule of the forge, a server error."""

    def __init__(self, request: str, status: int, said: str) -> None:
        super().__init__(request, status, said, said)


class ForgeUnreachable(ForgeError):
    """No answer: name, network, TLS or time."""


class InvalidHost(ForgeError):
    """A host name that cannot be used; the text says what was expected."""


class HiddenRepository(ForgeError):
    """The repository exists, but this token is not told so (bootstrap ⚠ 12)."""

    def __init__(self, name: str, right: Right) -> None:
        super().__init__(f"repository {name} exists already, but the token cannot see it: give it access ({right})")


class NotTheOwner(ForgeError):
    """A personal repository was asked for, for somebody else than the token's user."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"the specified owner '{owner}' doesn't match the identity associated with the given token")


class SubOrganisations(ForgeError):
    """A slash in a repository name, where the forge has no nested groups."""

    def __init__(self, forge: str) -> None:
        super().__init__(f"{forge} doesn't support sub-organizations: no provider support for this feature")
