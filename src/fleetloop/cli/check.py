"""`check`: is the cluster fit for the controllers, and are they healthy."""

from dataclasses import dataclass

from fleetloop.bootstrap import validation
from fleetloop.cli.command import Command, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError
from fleetloop.cli.goflags import DURATION, STRINGS


@dataclass(frozen=True)
class Check(Command):
    """Check requirements and installation.

    Examples:
      fleetloop check --pre
      fleetloop check
    """

    pre: bool = flag("--pre", help="only check whether the cluster is fit for an installation")
    components: tuple[str, ...] | None = flag("--components", type=STRINGS, default=None, help="components that must be there")
    components_extra: tuple[str, ...] = flag("--components-extra", help="further components that must be there")
    poll_interval: float = flag(
        "--poll-interval", type=DURATION, default=5.0, help="accepted for compatibility; nothing is polled"
    )

    def check(self) -> None:
        self._expected()

    async def run(self, cx: Context) -> None:
        from fleetloop.bootstrap.check import check_installation, check_prerequisites

        async with cx.kube() as kube:
            is_fit = await check_prerequisites(kube, cx.say)
            if self.pre:
                if not is_fit:
                    raise SystemExit(1)  # the failure has been told
                cx.say.success("prerequisites checks passed")
                return
            is_sound = await check_installation(kube, cx.namespace, self._expected(), cx.remaining() * 0.9, cx.say)
        if not (is_fit and is_sound):
            raise CliError("check failed")
        cx.say.success("all checks passed")

    def _expected(self) -> tuple[str, ...]:
        """⚠ 45: what is asked for explicitly is looked for."""
        if self.components is None and not self.components_extra:
            return ()
        return validation.components_of(self.components or (), self.components_extra)
