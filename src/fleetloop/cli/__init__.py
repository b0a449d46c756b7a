"""The command line. One file a verb; a verb is a frozen dataclass whose fields are its arguments and flags.

How a verb is written, in a file `cli/greet.py`:

    @dataclass(frozen=True)
    class Greet(Command):
        \"\"\"Greet somebody of the cluster.

        Examples:
          fleetloop greet world --times=3
        \"\"\"

        names: tuple[str, ...] = argument(many=True)  # all positional words; `argument()` takes the first, "" if none
        times: int = flag("--times", help="how often", default=1)
        loud: bool = flag("--loud", "-l", help="greet loudly")
        wait: float = flag("--wait", help="how long", type=DURATION)  # seconds inside
        labels: tuple[str, ...] = flag("--label", help="comma separated, may be repeated")
        level: str = flag("--level", help="...", type=choice("log level", "debug", "info"))
        prune: bool | None = flag("--prune", help="...", default=None)  # None: was not given
        shared: GreetOptions = options(GreetOptions)  # another dataclass of flags, used by several verbs

        def check(self) -> None:  # before any connection is made
            if not self.names:
                raise UsageError("name is required")

        async def run(self, cx: Context) -> None:  # or `def run`: a verb that needs no event loop starts faster
            async with cx.kube() as kube:
                cx.say.action(f"greeting in {cx.namespace}")
                cx.print((await kube.server_version())["gitVersion"])

and one line in the table `cli/verbs.py`: `"greet": Verb("greet:Greet", "Greet somebody of the cluster")`. The first line
of the docstring is the short help, the rest the long help. A verb says progress through `cx.say` (stderr) and prints data with
`cx.print` (stdout); it fails by raising any of our error classes, or `CliError(message, code=2)`. `--timeout` bounds it as a
whole, `cx.remaining()` is what is left of it. `cx.cluster` is a synchronous client for a few requests, `cx.kube()` the full one.

A verb over kinds has one field `kind: Kind = argument(choices=...)`: each choice becomes a sub-command (`suspend source git`),
and `flag(..., only=...)` keeps a flag to some of them. Flags follow Go's grammar (goflags.py): scripts were written against it.

This package imports nothing at its start but click; a verb's module is imported when that verb is invoked, and imports aiohttp,
rich or cryptography inside the function that needs it.
"""
