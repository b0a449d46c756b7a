"""Composition root: flags to settings to tools to controllers. `fleetloop serve kustomize-controller` is what a Deployment runs.

The only place, beside the CLI, that reads the process' environment and arguments.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleetloop import __version__
from fleetloop.api import names
from fleetloop.runtime.log import logger
from fleetloop.runtime.process import Body, Tools, run_process
from fleetloop.runtime.settings import BadFlag, CommonSettings, Flags, Place, common_flags, common_settings, place_of

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
    """A component made ready by its flags."""

    settings: CommonSettings
    body: Body


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
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run_process(component, __version__, program.settings, place, os.environ, program.body))
    return 0


def _program(component: str) -> Callable[[list[str], Place], Program]:
    match component:
        case names.SOURCE_CONTROLLER:
            return _source_controller
        case names.KUSTOMIZE_CONTROLLER:
            return _kustomize_controller
        case names.HELM_CONTROLLER:
            return _helm_controller
        case names.SOURCE_WATCHER:
            return _source_watcher
        case names.NOTIFICATION_CONTROLLER:
            return _notification_controller
        case names.IMAGE_REFLECTOR_CONTROLLER:
            return _image_reflector_controller
        case _:
            return lambda flags, place: _not_written(component, flags, place)


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
    settings = settings_of(flags.read(arguments))
    return Program(settings.common, lambda tools: run(tools, settings))


def _notification_controller(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.notification.settings import register, settings_of
    from fleetloop.controllers.notification.wiring import run

    flags = common_flags(names.NOTIFICATION_CONTROLLER, concurrent=4)
    register(flags, os.environ)
    settings = settings_of(flags.read(arguments), os.environ)
    return Program(settings.common, lambda tools: run(tools, settings))


def _image_reflector_controller(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.image_reflector.settings import register, settings_of
    from fleetloop.controllers.image_reflector.wiring import run

    flags = common_flags(names.IMAGE_REFLECTOR_CONTROLLER, concurrent=4)
    register(flags)
    settings = settings_of(flags.read(arguments))
    return Program(settings.common, lambda tools: run(tools, settings))


def _source_watcher(arguments: list[str], place: Place) -> Program:
    from fleetloop.controllers.source_watcher.settings import register, settings_of
    from fleetloop.controllers.source_watcher.wiring import run

    flags = common_flags(names.SOURCE_WATCHER, concurrent=10)
    register(flags, os.environ)
    settings = settings_of(flags.read(arguments), place)
    return Program(settings.common, lambda tools: run(tools, settings))


def _not_written(component: str, arguments: list[str], place: Place) -> Program:
    """Takes whatever flags the written one will take: the patches of a fleet must not keep its cluster from becoming Ready."""
    flags: Flags = common_flags(component, concurrent=4)
    flags.text("storage-path", ".")
    flags.text("storage-addr", ":9090")
    found, _ = flags.parse_known_args(arguments)
    gates = {item.partition("=")[0]: False for item in ",".join(found.feature_gates).split(",") if item}

    async def idle(_: Tools) -> None:
        logger().info(f"{component} is not implemented in this version: it serves its probes and reconciles nothing")
        await asyncio.get_running_loop().create_future()

    async def idle_with_artifacts(tools: Tools) -> None:
        """The readiness probe of a component that serves artifacts asks for its server."""
        from fleetloop.storage.server import artifact_server

        async with artifact_server(Path(found.storage_path), *place.address(found.storage_addr)):
            await idle(tools)

    return Program(common_settings(found, gates), idle_with_artifacts if component == names.SOURCE_WATCHER else idle)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
