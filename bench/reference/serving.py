"""What the reference sides share: a long-lived process that makes the work of a row when it is asked.

The first line that it writes is {"ready": versions}; from then on each line {"run": row, "with": arguments} that it reads makes
that row's work once and is answered by {"value": figure} or {"error": reason}. What a row needs is made when it is first asked
for with these arguments.
"""

import importlib.metadata
import json
import pathlib
import sys
import time

ANSWERS = sys.stdout
# What libraries print must not come between the answers.
sys.stdout = sys.stderr


def answer(line):
    ANSWERS.write(json.dumps(line) + "\n")
    ANSWERS.flush()


def required_versions(requirements):
    lines = pathlib.Path(__file__).with_name(requirements).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def version_problem(required):
    """A sentence about the first package that is absent or of another version, or None."""
    for package, version in required.items():
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return f"{package} is not installed"
        if found.split("+")[0] != version:
            return f"{package} is {found}, not {version}"
    return None


def seconds_of(work, settle=lambda: None):
    settle()
    started = time.perf_counter()
    work()
    settle()
    return time.perf_counter() - started


def serve(rows, requirements, start=lambda threads: None):
    """Answers until there is nothing more to read; `rows` make, by name, what makes a row's work and gives its figure."""
    required = required_versions(requirements)
    problem = version_problem(required)
    if problem:
        answer({"error": problem})
        return
    start(int(sys.argv[1]))
    answer({"ready": required})
    ready = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if line not in ready:
                ready[line] = rows[asked["run"]](**asked.get("with", {}))
            answer({"value": ready[line]()})
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})
