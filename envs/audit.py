"""Look up the known vulnerabilities of everything that the locks pin.

Run by `make audit`, in the environment of `audit.lock`. Exit status 0: looked up, none known; 1:
some are known, and named; 2: not checked, as the service could not be reached or failed. What was
not checked is never called good.
"""

import json
import subprocess
import sys
from pathlib import Path

ENVS = Path(__file__).parent
GOOD, VULNERABLE, NOT_CHECKED = 0, 1, 2


def audit(lock: Path, command: tuple[str, ...] = (sys.executable, "-m", "pip_audit")) -> int:
    """Look up one lock, say what was found, and return the status."""
    options = ("--requirement", str(lock), "--require-hashes", "--disable-pip")
    quiet = ("--format", "json", "--progress-spinner", "off", "--timeout", "20")
    done = subprocess.run([*command, *options, *quiet], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"{lock.name}: *not checked* ({reason})")
        return NOT_CHECKED
    skipped = [one for one in packages if "skip_reason" in one]
    found = [(one, vuln) for one in packages for vuln in one.get("vulns", [])]
    for one, vuln in found:
        fixed = ", ".join(vuln.get("fix_versions", [])) or "no version yet"
        print(f"{lock.name}: {one['name']} {one['version']}: {vuln['id']}, fixed in {fixed}")
    looked_up = len(packages) - len(skipped)
    if looked_up:
        known = f"{len(found)} known vulnerabilities"
        print(f"{lock.name}: {looked_up} of {len(packages)} packages looked up, {known}")
    if skipped:
        print(f"{lock.name}: {len(skipped)} *not checked* ({skipped[0]['skip_reason']}, ...)")
    if found:
        return VULNERABLE
    return NOT_CHECKED if skipped or not looked_up else GOOD


def worst(statuses: list[int]) -> int:
    """Return one status for all: a known vulnerability before what was not checked."""
    return VULNERABLE if VULNERABLE in statuses else max(statuses, default=NOT_CHECKED)


if __name__ == "__main__":
    names = sys.argv[1:]
    locks = [ENVS / f"{name}.lock" for name in names] or sorted(ENVS.glob("*.lock"))
    sys.exit(worst([audit(lock) for lock in locks]))
