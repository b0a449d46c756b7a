"""A webhook's refusal."""


class Unverified(Exception):
    """The call is refused. The message is for the log; the caller hears nothing."""
