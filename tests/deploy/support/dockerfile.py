"""
A Dockerfile, read and executed without an engine: each stage is a folder that its RUN steps see as their root (chroot).

What a registry would give, the base image, is a folder made by whoever calls; the rest is done as the file says. Of Docker's
language it knows what our file uses, and refuses the rest rather than to pass over it.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP_S = 900.0


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each instruction; continued lines joined, comments left out."""
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def ignored(text: str, path: str) -> bool:
    """Whether a .dockerignore of this text keeps the path (relative, with /) out; the last pattern that fits decides."""
    verdict = False
    for line in text.splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").rstrip("/")
            if any(_fits(pattern, part) for part in _and_parents(path)):
                verdict = not line.startswith("!")
    return verdict


def _and_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _fits(pattern: str, path: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(path.rpartition("/")[2], pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)


@dataclass
class Stage:
    """An image in the making: its files, and what its instructions set."""

    root: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"}
    )
    folder: str = "/"
    user: str = "0:0"
    words: dict[str, str] = field(default_factory=dict)

    def start(self, command: list[str], environment: Mapping[str, str], **options: Any) -> subprocess.Popen[str]:
        """A process that has this image for its root, as its user."""
        inside = ["env", "-i", *(f"{name}={value}" for name, value in (self.environment | dict(environment)).items()), *command]
        return subprocess.Popen(["chroot", f"--userspec={self.user}", str(self.root), *inside], text=True, **options)

    def run(self, command: list[str], environment: Mapping[str, str]) -> str:
        """The same, to its end, which must be a good one; what it printed."""
        with self.start(command, environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            out, _ = process.communicate(timeout=STEP_S)
        assert process.returncode == 0, f"{command} ends with {process.returncode}:\n{out}"
        return out

    def place(self, path: str) -> Path:
        """Where a path of the image lies."""
        return self.root / (self.folder + "/" + path if not path.startswith("/") else path).lstrip("/")


class Build:
    """`stages` as they are made, by name or number; `environment`: what RUN steps get besides (this machine's network)."""

    def __init__(self, context: Path, base: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._context, self._base, self._folder = context, base, folder
        self._environment = environment
        self._unseen = (context / ".dockerignore").read_text()
        self.stages: dict[str, Stage] = {}
        self.last: Stage

    def execute(self) -> Stage:
        """Every instruction; the last stage."""
        for word, rest in instructions((self._context / "Dockerfile").read_text()):
            match word:
                case "FROM":
                    self._from(rest)
                case "RUN":
                    step = f"cd {shlex.quote(self.last.folder)} && {rest}"
                    self.last.run(["/bin/sh", "-c", step], self._environment)
                case "COPY":
                    self._copy(*rest.split())
                case "ENV":
                    pairs = (pair.split("=", 1) for pair in shlex.split(rest))
                    self.last.environment |= {
                        name: value.replace("$PATH", self.last.environment["PATH"]) for name, value in pairs
                    }
                case "ARG":
                    name, _, value = rest.partition("=")
                    self.last.environment[name] = value
                case "WORKDIR":
                    self.last.folder = rest
                    self.last.place(rest).mkdir(parents=True, exist_ok=True)
                case "USER":
                    self.last.user = rest
                case "EXPOSE" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                    self.last.words[word] = rest
                case _:
                    raise AssertionError(f"an instruction that cannot be executed here: {word} {rest}")
        return self.last

    def _from(self, rest: str) -> None:
        name = rest.partition(" AS ")[2] or str(len(self.stages))
        root = self._folder / f"stage-{name}"
        subprocess.run(["cp", "--archive", "--reflink=auto", str(self._base), str(root)], check=True)
        self.last = self.stages[name] = Stage(root)

    def _copy(self, *words: str) -> None:
        options, (*sources, target) = (
            [word for word in words if word.startswith("--")],
            [word for word in words if word[0] != "-"],
        )
        for source in sources:
            if options:
                (option,) = options
                found = self.stages[option.removeprefix("--from=")].place(source)
            else:
                assert not ignored(self._unseen, source), f"{source} is kept out of the build"
                found = self._context / source
            place = self.last.place(target)
            into = place / found.name if target.endswith("/") else place
            if found.is_dir():
                shutil.copytree(found, into, symlinks=True, ignore=None if options else self._hidden, dirs_exist_ok=True)
            else:
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, into)

    def _hidden(self, folder: str, names: list[str]) -> set[str]:
        above = Path(folder).relative_to(self._context)
        return {name for name in names if ignored(self._unseen, (above / name).as_posix())}


def words_of(value: str) -> list[str]:
    """An exec form: a JSON list; of a HEALTHCHECK what comes after CMD."""
    words: list[str] = json.loads(value.partition("CMD ")[2] or value)
    return words


def can_execute() -> str:
    """Why nothing can be executed here; "" if it can."""
    if os.geteuid() != 0:
        return "chroot needs root"
    return "" if shutil.which("debootstrap") else "debootstrap is not installed: apt install debootstrap"
