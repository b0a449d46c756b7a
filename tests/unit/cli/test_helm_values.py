"""How values are merged."""

from fleetloop.cli.helm_values import merged


def test_maps_merge_in_depth_and_others_are_replaced() -> None:
    below = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}, "f": 1}
    above = {"a": {"c": [3], "g": None}, "d": "text", "f": {"h": 2}}
    assert merged(below, above) == {"a": {"b": 1, "c": [3], "g": None}, "d": "text", "f": {"h": 2}}
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}, "f": 1}
