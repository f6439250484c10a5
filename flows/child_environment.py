"""What every child process of the flows and of the local system finds in its environment."""

import os
import sys
from pathlib import Path


def command_environment() -> dict[str, str]:
    """The environment of a child command: this interpreter's `python`, quiet libraries, one thread per library."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DVC_NO_ANALYTICS": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
