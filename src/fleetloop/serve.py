"""Composition root: flags to settings to tools to controllers. `fleetloop serve kustomize-controller` is what a Deployment runs.

The only place, beside the CLI, that reads the process' environment and arguments.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from fleetloop import __version__
from fleetloop.api import names
from fleetloop.runtime.process import Body, as_leader, run_process
from fleetloop.runtime.settings import BadFlag, CommonSettings, Place, common_flags, place_of

COMPONENTS = (
    names.SOURCE_CONTROLLER,
    names.KUSTOMIZE_CONTROLLER,
    names.HELM_CONTROLLER,
    names.NOTIFICATION_CONTROLLER,
    names.IMAGE_REFLECTOR_CONTROLLER,
    names.IMAGE_AUTOMATION_CONTROLLER,
    names.SOURCE_WATCHER,
)


@dataclass(frozen=True, slots=True)
class Program:
    """A component made ready by its flags. `leads_itself`: the body runs on every replica, and waits to lead where it must."""

    settings: CommonSettings
    body: Body
    leads_itself: bool = False


def main(arguments: list[str]) -> int:
    """`arguments`: the component's name, then its flags. 0 after an orderly end, 1 for bad flags or a failure."""
    component, *flags = arguments or [""]
    if component not in COMPONENTS:
        print(f"✗ component {component} is not available, must be one of: {', '.join(COMPONENTS)}", file=sys.stderr)
        return 1
    place = place_of(os.environ)
    try:
        program = _program(component)(flags, place)
    except BadFlag as error:
        print(f"✗ {component}: {error}", file=sys.stderr)
        return 1
    body = program.body if program.leads_itself else as_leader(program.body)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run_process(component, __version__, program.settings, place, os.environ, body))
    return 0


def _program(component: str) -> Callable[[list[str], Place], Program]:
    programs = {
        names.SOURCE_CONTROLLER: _source_controller,
        names.KUSTOMIZE_CONTROLLER: _kustomize_controller,
        names.HELM_CONTROLLER: _helm_controller,
        names.NOTIFICATION_CONTROLLER: _notification_controller,
        names.IMAGE_REFLECTOR_CONTROLLER: _image_reflector_controller,
        names.IMAGE_AUTOMATION_CONTROLLER: _image_automation_controller,
        names.SOURCE_WATCHER: _source_watcher,
    }
    return programs[component]


def _source_controller(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.source.settings import register, settings_of
    from fleetloop.controllers.source.wiring import run

    flags = common_flags(names.SOURCE_CONTROLLER, concurrent=2)
    register(flags, os.environ)
    settings = settings_of(flags.read(arguments), place, os.environ)
    return Program(settings.common, lambda tools: run(tools, settings))


def _kustomize_controller(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.kustomize.settings import register, settings_of
    from fleetloop.controllers.kustomize.wiring import run

    flags = common_flags(names.KUSTOMIZE_CONTROLLER, concurrent=4)
    register(flags)
    settings = settings_of(flags.read(arguments), os.environ)
    return Program(settings.common, lambda tools: run(tools, settings))


def _helm_controller(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.helm.settings import register, settings_of
    from fleetloop.controllers.helm.wiring import run

    flags = common_flags(names.HELM_CONTROLLER, concurrent=4)
    register(flags)
    settings = settings_of(flags.read(arguments), os.environ)
    return Program(settings.common, lambda tools: run(tools, settings))


def _notification_controller(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.notification.settings import register, settings_of
    from fleetloop.controllers.notification.wiring import run

    flags = common_flags(names.NOTIFICATION_CONTROLLER, concurrent=4)
    register(flags, os.environ)
    settings = settings_of(flags.read(arguments), os.environ)
    return Program(settings.common, lambda tools: run(tools, settings), leads_itself=True)


def _image_reflector_controller(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.image_reflector.settings import register, settings_of
    from fleetloop.controllers.image_reflector.wiring import run

    flags = common_flags(names.IMAGE_REFLECTOR_CONTROLLER, concurrent=4)
    register(flags)
    settings = settings_of(flags.read(arguments))
    return Program(settings.common, lambda tools: run(tools, settings))


def _image_automation_controller(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.image_automation.settings import register, settings_of
    from fleetloop.controllers.image_automation.wiring import run

    flags = common_flags(names.IMAGE_AUTOMATION_CONTROLLER, concurrent=4)
    register(flags)
    settings = settings_of(flags.read(arguments), os.environ)
    return Program(settings.common, lambda tools: run(tools, settings))


def _source_watcher(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.source_watcher.settings import register, settings_of
    from fleetloop.controllers.source_watcher.wiring import run

    flags = common_flags(names.SOURCE_WATCHER, concurrent=10)
    register(flags, os.environ)
    settings = settings_of(flags.read(arguments), place)
    return Program(settings.common, lambda tools: run(tools, settings))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
