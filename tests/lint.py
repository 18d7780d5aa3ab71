#!/usr/bin/env python3
"""Runs clang-tidy 14 on every unit of ours that sees no torch header (those take half a minute each).

    tests/lint.py BUILD_DIR [PATTERN]        PATTERN: only files whose path holds it

A unit that was found clean is not looked at again until it, a header of ours that it includes or .clang-tidy changes: the
cache folder of launch/setup.sh holds an empty file for each, in lint/. From nothing it takes about four minutes on two cores.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r'#include ["<]([^">]+)[">]')
TORCH = re.compile(r"(ATen|c10|torch)/")
NOISE = re.compile(r"^\d+ warnings? |^Suppressed |^Use -header-filter|^Error while processing|^$")


def own_headers(path):
    """The file and every header of ours below it; None when one of them includes torch."""
    seen, todo = [], [path]
    while todo:
        file = todo.pop()
        if file in seen or not os.path.exists(file):
            continue
        seen.append(file)
        with open(file, encoding="utf-8") as lines:
            names = [found.group(1) for found in map(INCLUDE.match, lines) if found]
        if any(map(TORCH.match, names)):
            return None
        todo += names
    return seen


def stamp_folder():
    cache = os.environ.get("TUTTI_CACHE")
    if not cache:
        cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tutti")
    folder = os.path.join(cache, "lint")
    os.makedirs(folder, exist_ok=True)
    return folder


def stamp_of(path, headers, folder):
    digest = hashlib.sha256(path.encode())
    for file in [".clang-tidy", "tests/lint.py", *sorted(headers)]:
        with open(file, "rb") as content:
            digest.update(content.read())
    return os.path.join(folder, digest.hexdigest())


def tidy(program, build, path, stamp):
    command = [program, "-p", build, "--quiet", "--warnings-as-errors=*", path]
    # GCC's own warning options mean nothing to clang; and see the header.
    command += ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-include"]
    command += [f"--extra-arg={ROOT}/tests/clang14_source_location.h"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode == 0:
        open(stamp, "w", encoding="utf-8").close()
        return ""
    return "\n".join(line for line in run.stdout.splitlines() if not NOISE.match(line)) or f"{path}: failed"


def main(build, pattern=""):
    os.chdir(ROOT)
    build = os.path.abspath(build)
    stamps = stamp_folder()
    program = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as commands:
        paths = sorted({os.path.relpath(entry["file"], ROOT) for entry in json.load(commands)})
    work = []
    for path in paths:
        headers = None if path.startswith(("..", "build")) or pattern not in path else own_headers(path)
        if headers is not None:
            work.append((path, stamp_of(path, headers, stamps)))
    todo = [item for item in work if not os.path.exists(item[1])]
    jobs = int(os.environ.get("TUTTI_JOBS") or os.cpu_count())
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for findings in pool.map(lambda item: tidy(program, build, *item), todo):
            if findings:
                bad += 1
                print(findings, flush=True)
    print(f"clang-tidy: {len(work)} files, {len(todo)} looked at, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
