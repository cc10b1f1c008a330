"""POSTs to other systems, from a thread: no proxies, no redirects, an end to time and size."""

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answered:
    """A 2xx answer's body, or why there is none."""

    body: bytes = b""
    error: str = ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An answer that is not 2xx is not taken: a redirected POST would arrive as a GET."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


def post(url: str, body: bytes, content_type: str, timeout: float, most: int) -> Answered:
    """Ask an http(s) address. `timeout` in seconds, `most` the bytes of the answer that are read; blocks."""
    until = time.monotonic() + timeout
    headers = {"content-type": content_type, "user-agent": "understudy"}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked as http(s)
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            return _read(answer, until, most)
    except urllib.error.HTTPError as error:
        with error:
            return Answered(error=f"answered {error.code}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Answered(error=f"{type(error).__name__}: {error}")


def _read(answer: http.client.HTTPResponse, until: float, most: int) -> Answered:
    """A piece at a time, since a socket's timeout begins anew with every byte that trickles in."""
    pieces: list[bytes] = []
    while piece := answer.read1(min(PIECE, most + 1 - sum(map(len, pieces)))):
        pieces.append(piece)
        if sum(map(len, pieces)) > most:
            return Answered(error=f"answered more than {most} bytes")
        if time.monotonic() > until:
            return Answered(error="TimeoutError: the answer did not end in time")
    return Answered(b"".join(pieces))
