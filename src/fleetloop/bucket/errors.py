"""What can go wrong with a bucket. No message holds a credential or a URL's query."""

import re

_QUERY = re.compile(r"\?[^\s\"')]*")


class BucketError(Exception):
    """The store refused, or did not answer; the message is for users."""


class BucketNotFound(BucketError):
    pass


class UnsafeKey(BucketError):
    """An object's key that leads out of the folder it is fetched to."""


def scrubbed(text: str) -> str:
    """A library's words without what is behind a question mark: tokens travel there. One line, cut."""
    return _QUERY.sub("", " ".join(text.split()))[:500]
