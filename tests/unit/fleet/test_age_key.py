"""age key pairs, against pairs that age's own implementation made."""

import pytest

from fleetloop.fleet.age_key import age_key_of, new_age_key

PAIRS = [  # 32 secret bytes, identity, recipient
    (
        "74784cf2b2342a4ac359678c05040cd8ab13393106a0f3f25fa600411fec49a9",
        "AGE-SECRET-KEY-1W3UYEU4JXS4Y4S6EV7XQ2PQVMZ43XWF3Q6S08UJL5CQYZ8LVFX5SF6SH3M",
        "age19m6wnkx9y2n637h0u5ya4uh9ygywmup4szgm4euxhjmfhq9we3tskslwv8",
    ),
    (
        "735aff8223427476d620a5588a39b7d9f24f0faa13afca69893f33848ab443f6",
        "AGE-SECRET-KEY-1WDD0LQ3RGF68D43Q54VG5WDHM8EY7RA2ZWHU56VF8UECFZ45G0MQQVVU6X",
        "age19hl970jp4ry0df8ch59f4sjfl309305a5lxsr3ua4v7amezsvvzqgxrn9v",
    ),
]


@pytest.mark.parametrize("scalar, identity, recipient", PAIRS)
def test_pair_of_known_bytes(scalar: str, identity: str, recipient: str) -> None:
    key = age_key_of(bytes.fromhex(scalar))
    assert (key.identity, key.recipient) == (identity, recipient)


def test_new_pairs_differ_and_hide_their_identity() -> None:
    one, other = new_age_key(), new_age_key()
    assert one.recipient != other.recipient
    assert one.identity not in repr(one)
