"""A user's clone for tests that start the whole system."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def clone(folder: Path) -> None:
    """Copy the files of this checkout that git knows or would take into a new folder, with a git history of its own."""
    listing = ["git", "ls-files", "-coz", "--exclude-standard"]
    present = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, present.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
