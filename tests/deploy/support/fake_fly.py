"""
Stands in for Fly's command: remembers every call in calls.jsonl beside it, and what the calls made in state.json.

It knows as much of Fly as deploy.sh uses. `TOKEN` in the environment is what the app's own `teslafast token` would print.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent
EMPTY: dict[str, Any] = {"app": False, "volumes": [], "ips": [], "secrets": {}, "certs": [], "deploys": 0}


def answer(words: list[str], stdin: str, state: dict[str, Any]) -> int:
    """Does what the words say to `state`, prints what Fly would, and gives the exit code."""
    match [word for word in words if not word.startswith("-")]:
        case ["auth", "whoami"]:
            return 1 if os.environ.get("LOGGED_OUT") else 0
        case ["status", *_]:
            return 0 if state["app"] else 1
        case ["apps", "create", _]:
            state["app"] = True
        case ["volumes", "list", _]:
            print(json.dumps([{"id": "vol_1", "name": name} for name in state["volumes"]], indent=2))
        case ["volumes", "create", name, *_]:
            state["volumes"].append(name)
        case ["ips", "list", _]:
            print(json.dumps([{"Address": one["Address"], "Type": one["Type"]} for one in state["ips"]], indent=2))
        case ["ips", "allocate-v4", _]:
            state["ips"].append({"Address": "127.0.0.1", "Type": "v4"})
        case ["secrets", "list", _]:
            print(json.dumps([{"name": name, "digest": "…"} for name in state["secrets"]], indent=2))
        case ["secrets", "import", _]:
            state["secrets"] |= dict(line.split("=", 1) for line in stdin.splitlines())
        case ["certs", "show", name, _]:
            return 0 if name in state["certs"] else 1
        case ["certs", "add", name, _]:
            state["certs"].append(name)
        case ["deploy", *_]:
            state["deploys"] += 1
            state["ips"] = [one for one in state["ips"] if one["Type"] == "v4"] + [{"Address": "::1", "Type": "v6"}]
        case ["ssh", "console", *_]:
            print(os.environ["TOKEN"], end="\r\n")
        case other:
            print(f"fake fly does not know {other}", file=sys.stderr)
            return 64
    return 0


def main() -> int:
    words = sys.argv[1:]
    stdin = sys.stdin.read() if words[:2] == ["secrets", "import"] else ""
    remembered = HOME / "state.json"
    state = json.loads(remembered.read_text()) if remembered.exists() else EMPTY
    code = answer(words, stdin, state)
    remembered.write_text(json.dumps(state))
    with (HOME / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
