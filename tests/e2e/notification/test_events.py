"""Events from where controllers post them to who is told, over a real API server."""

from tests.e2e.notification.conftest import REVISION, World, event


async def test_an_event_reaches_the_webhook_of_its_alert(world: World) -> None:
    """HN13 too: bare keys, the controller's over the alert's."""
    await world.provider()
    alert = await world.alert(eventMetadata={"env": "prod"}, summary="cluster one")
    await world.known(alert)
    assert await world.post(event(world.namespace)) == 202
    (request,) = await world.inbox.until(1)
    assert (request.method, request.path, request.headers["gotk-component"]) == ("POST", "/hook", "kustomize-controller")
    assert request.json()["metadata"] == {"env": "prod", "summary": "cluster one", "revision": REVISION}
    assert request.json()["involvedObject"]["name"] == "app"
