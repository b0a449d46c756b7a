import pytest

from fleetloop.api.revisions import Revision, revision_of

SHA1, SHA256 = "5c3f" * 10, "ab12" * 16


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        (f"main@sha1:{SHA1}", Revision("main", "sha1", SHA1)),
        (f"refs/heads/a@b@sha1:{SHA1}", Revision("refs/heads/a@b", "sha1", SHA1)),
        (f"feature/x@sha1:{SHA1}", Revision("feature/x", "sha1", SHA1)),
        (f"sha1:{SHA1}", Revision("", "sha1", SHA1)),
        (f"6.5.0@sha256:{SHA256}", Revision("6.5.0", "sha256", SHA256)),
        (f"sha256:{SHA256}", Revision("", "sha256", SHA256)),
        ("6.5.0", Revision("6.5.0")),
        ("1.2.3+5c3f00000000.4", Revision("1.2.3+5c3f00000000.4")),
        ("me@example", Revision("me@example")),
        ("", Revision()),
    ],
)
def test_every_form_in_use_survives(text: str, revision: Revision) -> None:
    assert revision_of(text) == revision
    assert str(revision) == text


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        (f"main/{SHA1}", Revision("main", "sha1", SHA1)),
        (f"feature/x/{SHA1}", Revision("feature/x", "sha1", SHA1)),
        (f"6.5.0/{SHA256}", Revision("6.5.0", "sha256", SHA256)),
        (SHA1, Revision("", "sha1", SHA1)),
    ],
)
def test_forms_of_older_controllers_are_read(text: str, revision: Revision) -> None:
    assert revision_of(text) == revision


def test_digest() -> None:
    assert revision_of(f"main@sha1:{SHA1}").digest == f"sha1:{SHA1}"
    assert revision_of("6.5.0").digest == ""
