"""What a running process can tell of itself under `/debug/pprof/`: where Flux's controllers have Go's profiles.

The paths are the same, the answers are text for people: a Python process has no profiles in Go's format, and what only Go's
runtime knows is answered with 501. Nothing here shows values of variables.
"""

import asyncio
import collections
import gc
import io
import resource
import sys
import threading
import traceback
from types import FrameType

from aiohttp import web

_PAGES = {
    "cmdline": "the command line",
    "goroutine": "what every task and thread is at",
    "heap": "objects in memory, by type",
    "profile": "where time goes: stacks with their number of samples, for flame graphs; ?seconds=30",
    "threadcreate": "threads",
}
_OF_GO_ALONE = ("symbol", "trace", "block", "mutex")
_INTERVAL = 0.01  # seconds between two samples
_LONGEST = 60.0
_TYPES = 50  # lines of the heap page


def add_profiling(app: web.Application) -> None:
    profiling = asyncio.Lock()

    async def profile(request: web.Request) -> web.Response:
        try:
            seconds = min(float(request.query.get("seconds") or 30), _LONGEST)
        except ValueError:
            return web.Response(status=400, text="seconds: a number is expected\n")
        if profiling.locked():
            return web.Response(status=503, text="a profile is being taken\n")
        async with profiling:
            return web.Response(text=await _sampled(seconds))

    async def goroutine(_: web.Request) -> web.Response:
        return web.Response(text=_tasks() + _threads())

    async def heap(_: web.Request) -> web.Response:
        return web.Response(text=await asyncio.to_thread(_heap))

    async def threadcreate(_: web.Request) -> web.Response:
        return web.Response(text="".join(f"{thread.name}\n" for thread in threading.enumerate()))

    async def cmdline(_: web.Request) -> web.Response:
        return web.Response(text="\0".join(sys.orig_argv))

    async def index(_: web.Request) -> web.Response:
        return web.Response(text="".join(f"{name}\t{about}\n" for name, about in _PAGES.items()))

    async def unknown_to_python(_: web.Request) -> web.Response:
        return web.Response(status=501, text="only Go's runtime has this, and this process is Python\n")

    app.router.add_get("/debug/pprof/", index)
    for page in (cmdline, goroutine, heap, profile, threadcreate):
        app.router.add_get(f"/debug/pprof/{page.__name__}", page)
    for name in _OF_GO_ALONE:
        app.router.add_get(f"/debug/pprof/{name}", unknown_to_python)


async def _sampled(seconds: float) -> str:
    """Of the thread that runs the loop."""
    ended, thread = threading.Event(), threading.get_ident()
    try:
        return await asyncio.to_thread(_samples, thread, seconds, ended)
    finally:
        ended.set()


def _samples(thread: int, seconds: float, ended: threading.Event) -> str:
    seen: collections.Counter[str] = collections.Counter()
    for _ in range(int(seconds / _INTERVAL)):
        if ended.wait(_INTERVAL):
            break
        if frame := sys._current_frames().get(thread):
            seen[_folded(frame)] += 1
    return "".join(f"{stack} {count}\n" for stack, count in seen.most_common())


def _folded(frame: FrameType | None) -> str:
    names: list[str] = []
    while frame:
        names.append(f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}")
        frame = frame.f_back
    return ";".join(reversed(names))


def _tasks() -> str:
    out = io.StringIO()
    for task in asyncio.all_tasks():
        out.write(f"task {task.get_name()}\n")
        for frame in task.get_stack(limit=20):
            out.write(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}\n")
    return out.getvalue()


def _threads() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    out = io.StringIO()
    for ident, frame in sys._current_frames().items():
        out.write(f"thread {names.get(ident, ident)}\n")
        for line in traceback.extract_stack(frame):
            out.write(f"  {line.filename}:{line.lineno} {line.name}\n")
    return out.getvalue()


def _heap() -> str:
    counts = collections.Counter(type(found).__qualname__ for found in gc.get_objects())
    lines = [f"{count}\t{name}\n" for name, count in counts.most_common(_TYPES)]
    return f"largest size so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} KiB\n{''.join(lines)}"
