"""The families that dashboards read of the token cache, by their names and labels."""

from prometheus_client import generate_latest

from fleetloop.api.meta import Key
from fleetloop.auth.tokens import Subject, Token, TokenCache
from fleetloop.runtime.metrics import Metrics


async def test_families() -> None:
    metrics = Metrics()
    cache = TokenCache(1, 3600, metrics.token_cache, now=lambda: 0.0)

    async def fetch() -> Token:
        return Token("t", 100.0)

    subject = Subject("GitRepository", "app", "team", "reconcile")
    for key in ("a", "a", "b"):
        await cache.get(key, fetch, subject)
    text = generate_latest(metrics.registry).decode()
    labels = 'kind="GitRepository",name="app",namespace="team",operation="reconcile"'
    for line in (
        f'gotk_token_cache_events_total{{event_type="cache_hit",{labels}}} 1.0',
        f'gotk_token_cache_events_total{{event_type="cache_miss",{labels}}} 2.0',
        'gotk_token_cache_requests_total{status="success"} 2.0',
        "gotk_token_cache_evictions_total 1.0",
        "gotk_token_cached_items 1.0",
    ):
        assert line in text.splitlines()
    metrics.forget(Key("GitRepository", "team", "app"))
    assert "team" not in generate_latest(metrics.registry).decode()
