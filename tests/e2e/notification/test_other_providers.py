"""Types of Provider whose requests were not recorded, against servers that speak a part of each service's protocol."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleetloop.controllers.notification.access import Access
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed, TryAgain
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.payload import event_json
from fleetloop.controllers.notification.providers.azureeventhub import eventhub_at, suffix_of
from fleetloop.controllers.notification.providers.chats import telegram_at
from fleetloop.controllers.notification.providers.googlepubsub import pubsub_at
from fleetloop.controllers.notification.providers.msteams import message_card
from fleetloop.controllers.notification.providers.nats import login_of
from fleetloop.controllers.notification.providers.registry import providers
from tests.e2e.notification.notes import event_about, note_of
from tests.e2e.notification.receiver import Inbox, inbox

SHA = "ab" * 20
SENDERS = providers("")
ID = "kustomization/app-x/5ece36a8"
KEY = hashlib.sha1(ID.encode()).hexdigest()


@pytest_asyncio.fixture
async def box() -> AsyncIterator[Inbox]:
    async with inbox() as found:
        yield found


@pytest_asyncio.fixture
async def http() -> AsyncIterator[Http]:
    async with Http.open(None) as found:
        yield found


def seen(box: Inbox) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in box.requests]


async def test_telegram(box: Inbox, http: Http) -> None:
    note = note_of("telegram", event_about("x", "error", {"env": "a.b"}), Access("", token="1:t"), channel="-100:7")
    await telegram_at(box.url)(note, http)
    (request,) = box.requests
    assert (request.method, request.path) == ("POST", "/bot1:t/sendMessage")
    text = "🚨 *kustomization/app\\-x\\.s3*\nhealth check failed: <b\\>&x</b\\> Deployment/s3/app \\[x\\]\n\\- *env*: a\\.b"
    assert request.json() == {"chat_id": "-100", "message_thread_id": "7", "text": text, "parse_mode": "MarkdownV2"}


def test_old_connectors_of_teams() -> None:
    card = message_card(note_of("msteams", event_about("x", "error", {"env": "prod"}), Access("")))
    assert (card["@type"], card["themeColor"], card["summary"]) == ("MessageCard", "FF0000", "kustomization/app-x.s3")
    assert card["sections"][0]["facts"] == [{"name": "env", "value": "prod"}]


async def test_slack_api_answers_200_to_what_it_refuses(http: Http) -> None:
    """Only its own address is asked for `ok`: any other webhook's answer is not JSON of Slack."""
    async with inbox() as box:
        await SENDERS["slack"](note_of("slack", event_about("x"), Access(box.url)), http)
    with pytest.raises(DeliveryFailed, match="no address"):
        await SENDERS["slack"](note_of("slack", event_about("x"), Access("")), http)


GITEA = {"present": [{"context": ID, "status": "success", "description": "reconciliation succeeded"}], "absent": []}


@pytest.mark.parametrize("state", ["present", "absent"])
async def test_gitea(state: str, box: Inbox, http: Http) -> None:
    """What stands already is not posted again; what is under way is pending here."""
    box.answers = lambda method, path: (200, GITEA[state]) if method == "GET" else (201, {})
    access = Access(f"{box.url}/org/repo.git", token="t")
    await SENDERS["gitea"](note_of("gitea", event_about("x"), access), http)
    base = "/api/v1/repos/org/repo"
    posts = [("POST", f"{base}/statuses/{SHA}")] if state == "absent" else []
    assert seen(box) == [("GET", f"{base}/commits/{SHA}/statuses"), *posts]
    assert all(request.headers["authorization"] == "token t" for request in box.requests)
    if state == "absent":
        success = {"state": "success", "description": "reconciliation succeeded", "context": ID}
        assert box.requests[-1].json() == success
    box.requests.clear()
    await SENDERS["gitea"](note_of("gitea", event_about("x", reason="Progressing"), access), http)
    assert box.requests[-1].json() == {"state": "pending", "description": "progressing", "context": ID}


async def test_bitbucket(box: Inbox, http: Http) -> None:
    box.answers = lambda method, path: (404, {}) if method == "GET" else (201, {})
    await SENDERS["bitbucket"](note_of("bitbucket", event_about("x"), Access(f"{box.url}/org/repo", token="me:app")), http)
    base = f"/2.0/repositories/org/repo/commit/{SHA}/statuses/build"
    assert seen(box) == [("GET", f"{base}/{KEY}"), ("POST", base)]
    assert box.requests[1].headers["authorization"] == "Basic " + base64.b64encode(b"me:app").decode()
    assert box.requests[1].json() == {
        "state": "SUCCESSFUL",
        "key": KEY,
        "name": "kustomization/app-x",
        "description": "reconciliation succeeded",
        "url": "https://bitbucket.org",
    }


async def test_azure_devops(box: Inbox, http: Http) -> None:
    access = Access(f"{box.url}/org/proj/_git/repo", token="pat")
    await SENDERS["azuredevops"](note_of("azuredevops", event_about("x", "error"), access), http)
    url = f"/org/proj/_apis/git/repositories/repo/commits/{SHA}/statuses"
    assert seen(box) == [("GET", f"{url}?latestOnly=true&api-version=7.1"), ("POST", f"{url}?api-version=7.1")]
    assert box.requests[1].headers["authorization"] == "Basic " + base64.b64encode(b":pat").decode()
    context = {"genre": "fluxcd:cluster one", "name": ID}
    assert box.requests[1].json() == {"state": "error", "description": "health check failed", "context": context}


@pytest.mark.parametrize(
    "server", ["", "http://dev.azure.com", "https://dev.azure.com.evil.example", "https://dev.azure.com:8443"]
)
async def test_tokens_of_azure_go_to_azure_devops_alone(server: str, box: Inbox, http: Http) -> None:
    access = Access(f"{server or box.url}/org/proj/_git/repo", token="jwt", is_identity=True)
    with pytest.raises(DeliveryFailed, match=r"^address: a token of Azure is for https://dev\.azure\.com"):
        await SENDERS["azuredevops"](note_of("azuredevops", event_about("x", "error"), access), http)
    assert box.requests == []


@pytest.mark.parametrize(
    "channel", ["evil.example", "127/x", "a.servicebus.windows.net.evil.example", "e/.servicebus.windows.net", "a#"]
)
async def test_tokens_of_azure_go_to_event_hubs_alone(channel: str, box: Inbox, http: Http) -> None:
    send, access = eventhub_at(lambda host: f"{box.url}/{host}"), Access("hub", token="jwt", is_identity=True)
    with pytest.raises(DeliveryFailed, match=r"^spec\.channel: a token of Azure is for namespaces of Event Hubs"):
        await send(note_of("azureeventhub", event_about("x"), access, channel=channel), http)
    assert box.requests == []
    for own in ("ns", "ns.servicebus.windows.net"):
        await send(note_of("azureeventhub", event_about("x"), access, channel=own), http)
    assert [request.path for request in box.requests] == ["/ns/hub/messages", "/ns.servicebus.windows.net/hub/messages"]


@pytest.mark.parametrize("type", ["github", "gitlab", "gitea", "bitbucket", "bitbucketserver", "azuredevops"])
async def test_commit_statuses_need_a_commit(type: str, box: Inbox, http: Http) -> None:
    path = {"azuredevops": "/o/p/_git/r", "bitbucketserver": "/scm/o/r.git"}.get(type, "/o/r")
    access = Access(box.url + path, token="a:b")
    with pytest.raises(DeliveryFailed, match="failed to extract commit hash"):
        await SENDERS[type](note_of(type, event_about("x", metadata={"revision": "1.2.3"}), access), http)
    with pytest.raises(DeliveryFailed, match="missing revision"):
        await SENDERS[type](note_of(type, event_about("x", metadata={}), access), http)
    if type != "gitea":
        await SENDERS[type](note_of(type, event_about("x", reason="Progressing"), access), http)
    assert box.requests == []


COMMENTS = {
    "githubpullrequestcomment": (
        "/api/v3/user",
        "/api/v3/repos/o/r/issues/7/comments",
        "/api/v3/repos/o/r/issues/comments/5",
        "PATCH",
    ),
    "giteapullrequestcomment": (
        "/api/v1/user",
        "/api/v1/repos/o/r/issues/7/comments",
        "/api/v1/repos/o/r/issues/comments/5",
        "PATCH",
    ),
    "gitlabmergerequestcomment": (
        "/api/v4/user",
        "/api/v4/projects/o%2Fr/merge_requests/7/notes",
        "/api/v4/projects/o%2Fr/merge_requests/7/notes/5",
        "PUT",
    ),
}


@pytest.mark.parametrize("type", COMMENTS)
@pytest.mark.parametrize("author", ["me", "somebody", ""])
async def test_one_comment_an_object(type: str, author: str, box: Inbox, http: Http) -> None:
    """Found by its marker and by who wrote it: another's comment with the same marker is left alone."""
    user, listing, one, method = COMMENTS[type]
    event = event_about("x", metadata={"change_request": "7", "revision": "r"})
    note = note_of(type, event, Access(f"{box.url}/o/r", token="t"))
    marker = f"-comment-key:{note.provider.metadata.uid}/Kustomization/s3/app-x -->"
    who = {"login": author, "username": author}
    present = [{"id": 5, "user": who, "author": who, "body": f"<!-- flux-pr{marker} <!-- flux-mr{marker} old"}] if author else []

    def answers(verb: str, path: str) -> tuple[int, Any] | None:
        if path == user:
            return 200, {"login": "me", "username": "me"}
        return (200, present) if verb == "GET" else (201, {})

    box.answers = answers
    await SENDERS[type](note, http)
    wrote = box.requests[-1]
    assert (wrote.method, wrote.path) == ((method, one) if author == "me" else ("POST", listing))
    body = wrote.json()["body"]
    assert re.match(r"<!-- flux-(pr|mr)-comment-key:", body)
    assert "\n## Flux Status\n\nℹ️ Kustomization/s3/app-x\n\nReconciliation finished" in body
    assert "* `change_request`: 7\n* `revision`: r\n" in body


async def test_pubsub(box: Inbox, http: Http) -> None:
    event = event_about("x")
    note = note_of("googlepubsub", event, Access("proj", token="ya29", headers={"team": "a"}), channel="topic")
    await pubsub_at(box.url)(note, http)
    (request,) = box.requests
    assert (request.method, request.path) == ("POST", "/v1/projects/proj/topics/topic:publish")
    assert request.headers["authorization"] == "Bearer ya29"
    data = base64.b64encode(event_json(event)).decode()
    assert request.json() == {"messages": [{"data": data, "attributes": {"team": "a"}}]}


async def test_event_hubs(box: Inbox, http: Http) -> None:
    """By a connection string, and by a token."""
    send = eventhub_at(lambda host: f"{box.url}/{host}", now=lambda: 1000.0)
    address = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=c2VjcmV0=;EntityPath=hub"
    await send(note_of("azureeventhub", event_about("x"), Access(address)), http)
    await send(note_of("azureeventhub", event_about("x"), Access("hub", token="jwt"), channel="ns"), http)
    signed, bearer = box.requests
    assert (signed.method, signed.path) == ("POST", "/ns.servicebus.windows.net/hub/messages")
    target = quote("https://ns.servicebus.windows.net/hub", safe="")
    match = re.fullmatch(r"SharedAccessSignature sr=(.*)&sig=(.*)&se=1600&skn=root", signed.headers["authorization"])
    assert match and match[1] == target
    digest = hmac.new(b"c2VjcmV0=", f"{target}\n1600".encode(), "sha256").digest()
    assert unquote(match[2]) == base64.b64encode(digest).decode()
    assert signed.raw == event_json(event_about("x"))
    assert (bearer.path, bearer.headers["authorization"]) == ("/ns/hub/messages", "Bearer jwt")
    assert suffix_of("https://login.chinacloudapi.cn/") == "servicebus.chinacloudapi.cn"


async def test_otel(box: Inbox, http: Http) -> None:
    """The trace is of the alert and the revision; a login goes along among `headers` alone."""
    event = event_about("x", "error")
    note = note_of("otel", event, Access(f"{box.url}/otel/v1/traces", token="t"))
    await SENDERS["otel"](note, http)
    (request,) = box.requests
    assert (request.path, request.headers["content-type"]) == ("/otel/v1/traces", "application/x-protobuf")
    assert "authorization" not in request.headers
    spans = fields_of(fields_of(request.raw)[1][0])
    resource, scope_spans = fields_of(spans[1][0]), fields_of(spans[2][0])
    names = [text_pair(attribute) for attribute in resource[1]]
    assert names == [("service.instance.id", note.alert.metadata.uid), ("service.name", "s3/otel"), ("service.namespace", "s3")]
    span = fields_of(scope_spans[2][0])
    assert span[1][0] == hashlib.sha256(f"{note.alert.metadata.uid}:{event.metadata['revision']}".encode()).digest()[:16]
    assert (span[5][0], fields_of(span[15][0])) == (b"Kustomization: s3/app-x", {2: [event.message.encode()], 3: [2]})
    assert text_pair(span[9][0]) == ("object.uid", event.involved_object.uid)
    box.requests.clear()
    charts = event_about("x", involvedObject={"apiVersion": "source/v1", "kind": "HelmRepository", "name": "x", "namespace": "y"})
    await SENDERS["otel"](note_of("otel", charts, note.access), http)
    assert box.requests == []


def fields_of(raw: bytes) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = raw[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(raw):
        tag = varint()
        value: Any
        if tag & 7 == 0:
            value = varint()
        else:
            size = {1: 8, 5: 4}.get(tag & 7) or varint()
            value = raw[position : position + size]
            position += size
        found.setdefault(tag >> 3, []).append(value)
    return found


def text_pair(raw: bytes) -> tuple[str, str]:
    found = fields_of(raw)
    return found[1][0].decode(), fields_of(found[2][0])[1][0].decode()


@pytest.mark.parametrize("refuses", [False, True])
async def test_nats(refuses: bool, http: Http) -> None:
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","nonce":"n0nce","max_payload":1048576}\r\n')
        lines.append(await reader.readline())
        lines.append(await reader.readline())
        lines.append(await reader.readexactly(int(lines[-1].split()[-1]) + 2))
        lines.append(await reader.readline())
        writer.write(b"-ERR 'Authorization Violation'\r\n" if refuses else b"PING\r\nPONG\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        access = Access(f"nats://127.0.0.1:{port}", username="u", password="p")
        note = note_of("nats", event_about("x"), access, channel="flux.events")
        if refuses:
            with pytest.raises(DeliveryFailed, match="Authorization Violation"):
                await SENDERS["nats"](note, http)
            return
        await SENDERS["nats"](note, http)
    body = event_json(note.event)
    options = json.loads(lines[0].removeprefix(b"CONNECT "))
    assert (options["user"], options["pass"], options["verbose"]) == ("u", "p", False)
    assert lines[1:] == [f"PUB flux.events {len(body)}\r\n".encode(), body + b"\r\n", b"PING\r\n"]


def test_nats_logins_in_their_order() -> None:
    """`creds` before `nkey` before user and password; the nonce is signed with the seed."""
    from binascii import crc_hqx

    key = Ed25519PrivateKey.generate()
    kind = 20 << 3  # a user
    raw = bytes([18 << 3 | kind >> 5, (kind & 31) << 3]) + key.private_bytes_raw()
    seed = base64.b32encode(raw + crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")
    assert seed.startswith("SU")
    found = login_of(Access("", username="u", password="p", data={"nkey": seed.encode()}), "n0nce")
    assert found["nkey"].startswith("U")
    key.public_key().verify(base64.urlsafe_b64decode(found["sig"] + "=="), b"n0nce")
    creds = f"-----BEGIN NATS USER JWT-----\nhead.er\n------END\n-----BEGIN USER NKEY SEED-----\n{seed}\n-----"
    assert login_of(Access("", data={"nkey": b"x", "creds": creds.encode()}), "n")["jwt"] == "head.er"
    with pytest.raises(DeliveryFailed):
        login_of(Access("", data={"nkey": b"SUNOSEED"}), "n")


@pytest.mark.parametrize(
    ("status", "error"), [(500, TryAgain), (429, TryAgain), (503, TryAgain), (404, DeliveryFailed), (302, DeliveryFailed)]
)
async def test_what_an_answer_means(status: int, error: type[Exception], box: Inbox, http: Http) -> None:
    box.answers = lambda method, path: (status, {"why": "because"})
    with pytest.raises(DeliveryFailed, match=f"status code {status}.*because") as raised:
        await SENDERS["generic"](note_of("generic", event_about("x"), Access(box.url)), http)
    assert type(raised.value) is error


@pytest.mark.parametrize(("token", "wanted"), [("t", "Bearer t"), ("", "Basic " + base64.b64encode(b"me:s3cret").decode())])
async def test_credentials_of_an_address_are_used_where_there_are_no_others(
    token: str, wanted: str, box: Inbox, http: Http
) -> None:
    address = box.url.replace("//", "//me:s3cret@") + "/a%2Fb?c=d%20e"
    await SENDERS["generic"](note_of("generic", event_about("x"), Access(address)), http)
    await SENDERS["slack"](note_of("slack", event_about("x"), Access(address, token=token)), http)
    assert [request.path for request in box.requests] == ["/a%2Fb?c=d%20e"] * 2
    assert box.requests[1].headers["authorization"] == wanted


async def test_no_name_leads_to_link_local_addresses(tmp_path: Path) -> None:
    """It is the resolved address that counts, whatever a name was resolved to the last time."""
    names = tmp_path / "names"
    names.write_text(json.dumps({"rebound.example": "169.254.169.254:80"}))
    async with Http.open(names) as http:
        with pytest.raises(DeliveryFailed, match="link-local addresses are not reached"):
            await SENDERS["generic"](note_of("generic", event_about("x"), Access("http://rebound.example/latest")), http)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "gopher://x/",
        "http://",
        "x",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
    ],
)
async def test_addresses_that_are_not_reached(address: str, http: Http) -> None:
    """Link-local ones are where clouds give credentials away."""
    with pytest.raises(DeliveryFailed):
        async with asyncio.timeout(5):
            await SENDERS["generic"](note_of("generic", event_about("x"), Access(address)), http)


@pytest.mark.parametrize("host", ["[fd00:ec2::254]", "100.100.100.200", "168.63.129.16"])
async def test_what_clouds_use_in_place_of_link_local_addresses(host: str, http: Http) -> None:
    with pytest.raises(DeliveryFailed, match="link-local addresses are not reached"):
        await SENDERS["generic"](note_of("generic", event_about("x"), Access(f"http://{host}/latest/meta-data")), http)


def test_every_type_of_the_schema_is_served() -> None:
    from typing import get_args

    from fleetloop.api.notification import ProviderType

    assert set(get_args(ProviderType)) == set(SENDERS)
