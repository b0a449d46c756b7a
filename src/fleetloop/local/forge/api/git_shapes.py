"""What GitHub's answers about commits, refs and files look like. Pure."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from ..bare_git import Commit, Signature, TreeEntry
from ..model import Account, CommitStatus
from . import shapes

CHANGE_WORDS = {"A": "added", "M": "modified", "D": "removed", "T": "changed"}
ENTRY_WORDS = {"blob": "file", "tree": "dir", "commit": "submodule"}


def person(signature: Signature) -> dict[str, str]:
    return {"name": signature.name, "email": signature.email, "date": signature.date}


def verification(raw: bytes | None) -> dict[str, Any]:
    """Schema verification: the forge keeps no one's signing keys, so a signature is only shown."""
    head, _, _ = (raw or b"").partition(b"\n\n")
    signature = _header(head.decode(errors="replace"), "gpgsig")
    reason = "unknown_key" if signature else "unsigned"
    return {"verified": False, "reason": reason, "signature": signature, "payload": None, "verified_at": None}


def commit(url: str, site: str, found: Commit, users: Mapping[str, dict[str, Any]], raw: bytes | None) -> dict[str, Any]:
    """Schema commit. `url` and `site` are the repository's API and web addresses; `users` is email -> simple-user."""
    here = f"{url}/commits/{found.sha}"
    return {
        "url": here,
        "sha": found.sha,
        "node_id": f"C_{found.sha}",
        "html_url": f"{site}/commit/{found.sha}",
        "comments_url": f"{here}/comments",
        "commit": {
            "url": f"{url}/git/commits/{found.sha}",
            "author": person(found.author),
            "committer": person(found.committer),
            "message": found.message,
            "comment_count": 0,
            "tree": {"sha": found.tree, "url": f"{url}/git/trees/{found.tree}"},
            "verification": verification(raw),
        },
        "author": users.get(found.author.email),
        "committer": users.get(found.committer.email),
        "parents": [parent(url, site, sha) for sha in found.parents],
    }


def parent(url: str, site: str, sha: str) -> dict[str, str]:
    return {"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{site}/commit/{sha}"}


def file_commit(url: str, site: str, found: Commit) -> dict[str, Any]:
    """The commit within schema file-commit, and schema git-commit."""
    return {
        "sha": found.sha,
        "node_id": f"C_{found.sha}",
        "url": f"{url}/git/commits/{found.sha}",
        "html_url": f"{site}/commit/{found.sha}",
        "author": person(found.author),
        "committer": person(found.committer),
        "message": found.message,
        "tree": {"sha": found.tree, "url": f"{url}/git/trees/{found.tree}"},
        "parents": [parent(url, site, sha) for sha in found.parents],
        "verification": verification(None),
    }


def changed_files(
    url: str, site: str, sha: str, changes: Sequence[tuple[str, str]], lines: Mapping[str, tuple[int, int]]
) -> list[dict[str, Any]]:
    """Schema diff-entry for each change, without the patch text."""
    shown = []
    for kind, path in changes:
        added, removed = lines.get(path, (0, 0))
        entry = {
            "sha": None,
            "filename": path,
            "status": CHANGE_WORDS.get(kind, "changed"),
            "additions": added,
            "deletions": removed,
            "changes": added + removed,
            "blob_url": f"{site}/blob/{sha}/{path}",
            "raw_url": f"{site}/raw/{sha}/{path}",
            "contents_url": f"{url}/contents/{path}?ref={sha}",
        }
        shown.append(entry)
    return shown


def ref(url: str, name: str, sha: str, kind: str) -> dict[str, Any]:
    """Schema git-ref."""
    place = {"commit": "commits", "tag": "tags", "tree": "trees", "blob": "blobs"}[kind]
    return {
        "ref": name,
        "node_id": f"REF_{name}",
        "url": f"{url}/git/{name}",
        "object": {"sha": sha, "type": kind, "url": f"{url}/git/{place}/{sha}"},
    }


def entry(url: str, site: str, revision: str, found: TreeEntry) -> dict[str, Any]:
    """One element of schema content-directory, and the common part of content-file."""
    kind, is_folder = ENTRY_WORDS[found.kind], found.kind == "tree"
    here = f"{url}/contents/{found.path}?ref={revision}"
    git = f"{url}/git/{'trees' if is_folder else 'blobs'}/{found.sha}"
    html = f"{site}/{'tree' if is_folder else 'blob'}/{revision}/{found.path}"
    return {
        "type": kind,
        "size": found.size,
        "name": found.path.rsplit("/", 1)[-1],
        "path": found.path,
        "sha": found.sha,
        "url": here,
        "git_url": git,
        "html_url": html,
        "download_url": None if is_folder else f"{site}/raw/{revision}/{found.path}",
        "_links": {"self": here, "git": git, "html": html},
    }


def file(url: str, site: str, revision: str, found: TreeEntry, content: bytes) -> dict[str, Any]:
    """Schema content-file."""
    text = base64.encodebytes(content).decode()
    return entry(url, site, revision, found) | {"encoding": "base64", "content": text}


def status(url: str, api: str, found: CommitStatus, creator: Account | None) -> dict[str, Any]:
    """Schemas status and simple-commit-status (which has no creator)."""
    shown = {
        "url": f"{url}/statuses/{found.sha}",
        "avatar_url": None,
        "id": found.id,
        "node_id": shapes.node_id("SC", found.id),
        "state": found.state,
        "description": found.description,
        "target_url": found.target_url,
        "context": found.context,
        "created_at": found.created_at,
        "updated_at": found.created_at,
    }
    return shown | ({"creator": shapes.simple_user(api, creator)} if creator else {})


def _header(head: str, name: str) -> str | None:
    """A header of a commit object; continuation lines begin with a space."""
    found: list[str] = []
    for line in head.split("\n"):
        if line.startswith(f"{name} "):
            found.append(line.removeprefix(f"{name} "))
        elif found and line.startswith(" "):
            found.append(line[1:])
        elif found:
            break
    return "\n".join(found) if found else None
