"""An engine that misbehaves on request: `python -m tests.kit.stubborn_engine`. Speaks the frames of internal/rpc."""

import json
import sys
from pathlib import Path
from typing import Any


def answer(reply: dict[str, Any]) -> None:
    body = json.dumps(reply).encode()
    sys.stdout.buffer.write(len(body).to_bytes(4) + body)
    sys.stdout.buffer.flush()


def main() -> None:
    """Verbs: `echo`; `hang` answers nothing, not even a cancel; `die` ends with exit code args.code, after args.last words;
    `ask` puts a question and gives back what was answered; `hang-once` is answered only where the diary, a file named as
    argument, has it already."""
    asker = 0
    diary = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    while head := sys.stdin.buffer.read(4):
        call = json.loads(sys.stdin.buffer.read(int.from_bytes(head)))
        args = call.get("args") or {}
        known = diary.read_text() if diary and diary.exists() else ""
        if diary:
            diary.write_text(known + f"{call['verb']} {args.get('n')}\n")
        match call["verb"]:
            case "hang-once" if "hang-once" not in known:
                pass
            case "echo" | "hang-once":
                answer({"id": call["id"], "result": args})
            case "refuse":
                answer({"id": call["id"], "error": "no"})
            case "stranger":
                answer({"id": 10**6, "result": None})
                answer({"id": call["id"], "result": None})
            case "babble":
                sys.stdout.buffer.write(b"Warning: deprecated")
                sys.stdout.buffer.flush()
            case "garbage":
                sys.stdout.buffer.write(b"\0\0\0\1x")
                sys.stdout.buffer.flush()
            case "die":
                print(args["last"], file=sys.stderr, flush=True)
                sys.exit(args["code"])
            case "ask":
                answer({"id": call["id"], "question": 7, "verb": "more", "args": args})
                asker = call["id"]
            case "answer":
                answer({"id": asker, "result": [call["id"], call.get("result"), call.get("error")]})
            case "cancel" | "hang":
                pass


if __name__ == "__main__":
    main()
