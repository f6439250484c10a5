"""Who may speak to our Prefect server: its own pages and whoever has the auth string of this machine.

Without these settings Prefect answers any page in the owner's browser (CORS *), and takes new entry points of
deployments from it.
"""

import secrets
from pathlib import Path
from typing import Final

from pipelines.core.artifacts import write_secret
from pipelines.core.errors import ArtifactError

KEPT_IN: Final = "prefect.auth"


def auth_string(var: Path) -> str:
    """`user:password` of this machine's Prefect server, made at the first question, in a file of mode 0600.

    Raises:
        ArtifactError: if others can read the file, or it holds no such string.
    """
    path = var / KEPT_IN
    if not path.exists():
        write_secret(path, f"oddsmith:{secrets.token_urlsafe(32)}\n")
    if path.stat().st_mode & 0o077:
        raise ArtifactError(f"{path} can be read by others; delete it, so that a new one is made, or chmod 600")
    text = path.read_text(encoding="utf-8").strip()
    user, separator, password = text.partition(":")
    if not (user and separator and len(password) >= 20):
        raise ArtifactError(f"{path} holds no user:password of 20 characters; delete it, so that a new one is made")
    return text


def access(var: Path, origin: str) -> dict[str, str]:
    """Environment of the server and of everything that speaks to it; `origin` is where its UI is opened."""
    login = auth_string(var)
    return {
        "PREFECT_SERVER_API_AUTH_STRING": login,
        "PREFECT_API_AUTH_STRING": login,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origin,
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
    }
