"""The secrets that tickets are signed with, from a file or from the environment; never from a flag or a file
that is shown.
"""

import pathlib
from collections.abc import Mapping

from understudy.serving.failure import CannotStart

VARIABLE = "UNDERSTUDY_TICKET_SECRET"
SHORTEST = 16


def ticket_secrets(path: str, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """One a line, the first one to sign with; none where neither says any. CannotStart says what is wrong."""
    if not path:
        return _lines(environment.get(VARIABLE, ""), VARIABLE)
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise CannotStart(f"ticket_secret_file: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CannotStart(f"ticket_secret_file: {path} must be text, one secret a line") from None
    found = _lines(text, f"ticket_secret_file: {path}")
    if not found:
        raise CannotStart(f"ticket_secret_file: {path} must hold a secret")
    return found


def _lines(text: str, where: str) -> tuple[bytes, ...]:
    secrets = tuple(line.strip().encode() for line in text.splitlines() if line.strip())
    for number, secret in enumerate(secrets, 1):
        if len(secret) < SHORTEST:
            text = f"secret {number} must be at least {SHORTEST} bytes, got {len(secret)}"
            raise CannotStart(f"{where}: {text}")
    return secrets
