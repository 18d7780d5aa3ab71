"""What the conformance tests share: the peers they need, the C++ side, and the list of checks."""

import importlib
import os
import subprocess
import sys

SKIPPED = 77  # CTest's SKIP_RETURN_CODE

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
os.environ["TQDM_DISABLE"] = "1"  # no bars in logs


def require(*modules):
    """Ends the test as skipped, with the reason, unless all modules can be imported."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"SKIPPED: {sys.executable} cannot import {module} ({error}); tests/run.sh makes an environment that can, "
                  "or set TUTTI_CONFORMANCE_PYTHON to a Python with torch and tests/conformance/requirements.txt")
            sys.exit(SKIPPED)


def require_bases(*names):
    """Ends the test as skipped, with the command that installs it, unless all real models are there."""
    for name in names:
        done = subprocess.run([sys.argv[1], "base-path", name], capture_output=True, encoding="utf-8")
        if done.returncode != 0:
            assert "pip install" in done.stderr, f"base-path {name} ended with {done.returncode}: {done.stderr}"
            print(f"SKIPPED: {done.stderr.strip()}")
            sys.exit(SKIPPED)


def ours(*args):
    """Runs the C++ side; gives its standard output."""
    done = subprocess.run([sys.argv[1], *map(str, args)], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_checks(*checks):
    """Calls every check, prints its name and result, and ends the process."""
    failed = 0
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            note = check()
            print(f"ok: {name}" + (f" ({note})" if note else ""))
        except Exception as error:  # a check may fail in any way; the others still run
            failed += 1
            print(f"FAILED: {name}: {type(error).__name__}: {error}")
    sys.exit(1 if failed else 0)
