"""Go's flag grammar and its error texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.cli.errors import HelpAsked, UsageError
from fleetloop.cli.goflags import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    STRING_ARRAY,
    STRING_MAP,
    STRINGS,
    Flag,
    Values,
    choice,
    parse_flags,
)

FLAGS = [
    Flag("all-namespaces", "A", "all_namespaces", BOOL, False, ""),
    Flag("watch", "w", "watch", BOOL, False, ""),
    Flag("namespace", "n", "namespace", STRING, "", ""),
    Flag("timeout", "", "timeout", DURATION, 300.0, ""),
    Flag("tail", "", "tail", INT, -1, ""),
    Flag("qps", "", "qps", FLOAT, 50.0, ""),
    Flag("label", "", "label", STRINGS, (), ""),
    Flag("annotations", "a", "annotations", STRING_ARRAY, (), ""),
    Flag("local-sources", "", "local_sources", STRING_MAP, (), ""),
    Flag("level", "", "level", choice("log level", "debug", "info"), "", ""),
]


def parsed(*words: str) -> tuple[Values, list[str]]:
    values: Values = {}
    return values, parse_flags(words, FLAGS, values, stop_at_argument=False)


@pytest.mark.parametrize(
    ("words", "values", "rest"),
    [
        (["-n", "x", "ks", "--watch"], {"namespace": "x", "watch": True}, ["ks"]),
        (["--namespace=x", "--watch=false"], {"namespace": "x", "watch": False}, []),
        (["--watch", "false"], {"watch": True}, ["false"]),  # a switch takes no following word
        (["-nx", "-n=y"], {"namespace": "y"}, []),
        (["-Aw"], {"all-namespaces": True, "watch": True}, []),
        (["-Anx"], {"all-namespaces": True, "namespace": "x"}, []),
        (["-A=false"], {"all-namespaces": False}, []),
        (["--namespace", "--watch"], {"namespace": "--watch"}, []),  # a value may look like a flag
        (["a", "--", "-n", "b"], {}, ["a", "-n", "b"]),
        (["-"], {}, ["-"]),
        (["--timeout", "1h30m"], {"timeout": 5400.0}, []),
        (["--label", "a=b,c=d", "--label=e=f"], {"label": ("a=b", "c=d", "e=f")}, []),
        (["--label", '"a,b",c'], {"label": ("a,b", "c")}, []),
        (["-a", "x,y", "-a", "z"], {"annotations": ("x,y", "z")}, []),
        (["--local-sources", "k/n/s=dir,x=y"], {"local-sources": (("k/n/s", "dir"), ("x", "y"))}, []),
        (["--tail", "0x10", "--qps", "1.5"], {"tail": 16, "qps": 1.5}, []),
    ],
)
def test_grammar(words: list[str], values: Values, rest: list[str]) -> None:
    assert parsed(*words) == (values, rest)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["--nope=1"], "unknown flag: --nope"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["-Ax"], "unknown shorthand flag: 'x' in -Ax"),
        (["--timeout"], "flag needs an argument: --timeout"),
        (["-n"], "flag needs an argument: 'n' in -n"),
        (["--=x"], "bad flag syntax: --=x"),
        (["--timeout", "abc"], 'invalid argument "abc" for "--timeout" flag: time: invalid duration "abc"'),
        (["--timeout=10"], 'invalid argument "10" for "--timeout" flag: time: missing unit in duration "10"'),
        (
            ["-A=maybe"],
            'invalid argument "maybe" for "-A, --all-namespaces" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (["--tail", "x"], 'invalid argument "x" for "--tail" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["--qps", "x"], 'invalid argument "x" for "--qps" flag: strconv.ParseFloat: parsing "x": invalid syntax'),
        (
            ["--level", "loud"],
            'invalid argument "loud" for "--level" flag: log level \'loud\' is not supported, must be one of: debug, info',
        ),
    ],
)
def test_errors_are_pflags(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(*words)
    assert str(caught.value) == message


@pytest.mark.parametrize("word", ["-h", "--help", "-Ah"])
def test_help_is_always_a_flag(word: str) -> None:
    with pytest.raises(HelpAsked):
        parsed(word)


def test_a_group_stops_at_its_first_argument() -> None:
    values: Values = {}
    rest = parse_flags(["-n", "x", "get", "-w"], FLAGS, values, stop_at_argument=True)
    assert (values, rest) == ({"namespace": "x"}, ["get", "-w"])


@given(st.lists(st.text(max_size=8)))
def test_any_words_give_values_or_a_usage_error(words: list[str]) -> None:
    try:
        _, rest = parsed(*words)
    except (UsageError, HelpAsked):
        return
    assert len(rest) <= len(words)
