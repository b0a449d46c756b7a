"""Why there are no credentials. Messages begin lower-case and hold no secret."""


class IdentityError(Exception):
    """A cloud or a forge gave no token, or an identity is not set up for it. Trying again may help."""


class SdkMissing(IdentityError):
    """The cloud's own library is not installed in this process."""

    def __init__(self, cloud: str, extra: str) -> None:
        super().__init__(f"credentials of {cloud} need its library: install fleetloop[{extra}]")
