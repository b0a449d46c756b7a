from prometheus_client import CollectorRegistry

from fleetloop.api.meta import Key
from fleetloop.controllers.source.index_cache import IndexCache
from fleetloop.helm_index import Index

REPOSITORY = Key("HelmRepository", "team", "repo")
INDEX = Index(b'{"entries": {}}')


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache(most: int) -> tuple[IndexCache, Clock, CollectorRegistry]:
    clock, registry = Clock(), CollectorRegistry()
    return IndexCache(most, 60, registry, clock), clock, registry


def counted(registry: CollectorRegistry, event: str) -> float | None:
    labels = {"event_type": event, "name": "repo", "namespace": "team"}
    return registry.get_sample_value("gotk_cache_events_total", labels)


def test_an_index_goes_after_its_last_use() -> None:
    indexes, clock, registry = cache(2)
    assert indexes.get("a", REPOSITORY) is None
    assert indexes.keep("a", INDEX)
    for clock.now in (59, 118):
        assert indexes.get("a", REPOSITORY) is INDEX
    clock.now = 179
    assert indexes.get("a", REPOSITORY) is None
    assert (counted(registry, "cache_hit"), counted(registry, "cache_miss")) == (2, 2)
    indexes.forget(REPOSITORY)
    assert counted(registry, "cache_hit") is None


def test_a_full_cache_takes_no_more() -> None:
    indexes, clock, _ = cache(1)
    assert indexes.keep("a", INDEX) and indexes.keep("a", INDEX)
    assert not indexes.keep("b", INDEX)
    clock.now = 61
    assert indexes.keep("b", INDEX)


def test_off_unless_it_is_asked_for() -> None:
    indexes, _, registry = cache(0)
    assert indexes.keep("a", INDEX) and indexes.get("a", REPOSITORY) is None
    assert counted(registry, "cache_miss") is None
