"""Fetching pages politely and once: robots.txt, a rate per host, retries, bounds, and a store of what came.

What a server answered for good (a page, 404, robots.txt says no, too large) is kept in the store and never asked for
again, so a killed run goes on where it was and a later one sees the same bytes. What may pass (no connection, 429, 5xx)
is not kept. Robots follow RFC 9309: without a robots.txt (4xx) all is allowed, with one that cannot be had nothing is.
A page may not lead us into the local network: hosts that nobody named in the configuration must have public addresses.
Left out: JavaScript, cookies, proxies other than those of the environment, protection against DNS that changes between
the check and the request.
"""

import base64
import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from better_ai.artifacts import read_json, write_json
from better_ai.config.data.dumps import WebSource
from better_ai.data.collectors.page import media_type, unpack
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.schema import document_id
from better_ai.errors import ArtifactError
from better_ai.extras import import_extra

MAX_ROBOTS_BYTES = 512_000
MAX_PAUSE_SECONDS = 60.0
"""Longest pause that a server's Retry-After or a robots.txt's Crawl-delay makes us wait."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses after which asking again may help."""


REDIRECTS = {301, 302, 303, 307, 308}


class Passing(Exception):
    """A failure that may pass."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Answer:
    """What a server said about an address, for good."""

    url: str
    """After redirects."""
    body: bytes
    media: str = ""
    charset: str | None = None
    fetched_at: str | None = None
    """Last-Modified, else Date, as the server gave it when the page was first fetched; ISO 8601."""
    problem: str | None = None
    """Why there is no page."""


@dataclass(frozen=True)
class Store:
    """Answers by address, each in a file of its own that is there whole or not at all."""

    folder: Path

    def get(self, url: str) -> Answer | None:
        try:
            kept = read_json(self._path(url))
            return Answer(**{**kept, "body": base64.b64decode(kept["body"])})
        except (ArtifactError, TypeError, KeyError, ValueError):
            return None

    def put(self, url: str, answer: Answer) -> None:
        values = {**vars(answer), "body": base64.b64encode(answer.body).decode()}
        write_json(self._path(url), values)

    def _path(self, url: str) -> Path:
        name = document_id(url.encode())
        return self.folder / name[:2] / f"{name}.json"


@dataclass
class Fetcher:
    """Gets pages for one process. Close it, or use it in a `with`."""

    config: WebSource
    sleep: Callable[[float], None] = time.sleep
    _robots: dict[str, RobotFileParser] = field(default_factory=dict)
    _limiters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._httpx = import_extra("httpx", "data")
        self._client = self._httpx.Client(
            timeout=self.config.timeout_seconds,
            headers={"User-Agent": self.config.user_agent, "Accept-Encoding": "gzip"},
            follow_redirects=False,
        )
        self._store = Store(Path(self.config.state).expanduser())
        self._named = {urlsplit(url).hostname for url in (*self.config.feeds, *self.config.pages)}

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, url: str) -> Answer:
        """The page at an address. Raises Unreadable when there is none, for now or for good."""
        kept = self._kept(url, self.config.max_response_bytes, self._forbidden)
        if kept.problem:
            raise Unreadable(kept.problem)
        return kept

    def _kept(self, url: str, max_bytes: int, forbidden: Callable[[str], str | None]) -> Answer:
        """The answer in the store, where it is put if it was not there. Raises Unreadable for what may pass."""
        kept = self._store.get(url)
        if kept is None:
            try:
                kept = self._follow(url, max_bytes, forbidden)
            except Passing as problem:
                raise Unreadable(f"{problem}, after {self.config.attempts} attempts") from None
            self._store.put(url, kept)
        return kept

    def _follow(self, url: str, max_bytes: int, forbidden: Callable[[str], str | None]) -> Answer:
        """The final answer behind redirects, each of which must be allowed."""
        address = url
        for _ in range(self.config.max_redirects + 1):
            if problem := forbidden(address):
                return Answer(address, b"", problem=problem)
            try:
                status, headers, body = self._ask(address, max_bytes)
                content = unpack(body, headers.get("content-encoding", "").strip().lower(), max_bytes)
            except Unreadable as problem:
                return Answer(address, b"", problem=str(problem))
            if status in REDIRECTS and headers.get("location"):
                try:
                    address = urldefrag(urljoin(address, headers["location"])).url
                except ValueError:
                    return Answer(address, b"", problem="redirect to a malformed address")
                continue
            if status != 200:
                return Answer(address, b"", problem=f"status {status}")
            media, charset = media_type(headers.get("content-type", ""))
            return Answer(address, content, media, charset, _date(headers))
        return Answer(address, b"", problem=f"more than {self.config.max_redirects} redirects")

    def _forbidden(self, url: str) -> str | None:
        """Why an address may not be asked for. Raises Unreadable when that cannot be told now."""
        if problem := self._outside(url):
            return problem
        parts = urlsplit(url)
        if not self._rules(f"{parts.scheme}://{parts.netloc}").can_fetch(self.config.user_agent, url):
            return "robots.txt forbids it"
        return None

    def _outside(self, url: str) -> str | None:
        """Why an address is none of the public web, nor of the hosts that the configuration names."""
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return "malformed address"
        if parts.scheme not in ("http", "https") or not host:
            return "address that is not http or https"
        if host in self._named:
            return None
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
        except (OSError, UnicodeError) as error:
            raise Unreadable(f"host cannot be found: {error}") from None
        if not all(ipaddress.ip_address(address.partition("%")[0]).is_global for address in found):
            return "host in a local network that the configuration does not name"
        return None

    def _rules(self, site: str) -> RobotFileParser:
        """What a site's robots.txt says. Raises Unreadable when it cannot be had now."""
        if site not in self._robots:
            try:
                kept = self._kept(f"{site}/robots.txt", MAX_ROBOTS_BYTES, self._outside)
            except Unreadable as problem:
                raise Unreadable(f"robots.txt cannot be had: {problem}") from None
            absent = kept.problem is not None and kept.problem.startswith("status 4")
            text = (
                "" if absent else "User-agent: *\nDisallow: /" if kept.problem else kept.body.decode("utf-8", "replace")
            )
            rules = RobotFileParser()
            rules.parse(text.removeprefix("\ufeff").splitlines())
            rules.modified()
            self._robots[site] = rules
        return self._robots[site]

    def _ask(self, url: str, max_bytes: int) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and packed body, after as many attempts as it may take. Raises Passing or Unreadable."""
        tenacity = import_extra("tenacity", "data")
        growing = tenacity.wait_exponential(multiplier=self.config.backoff_seconds, max=MAX_PAUSE_SECONDS)

        def pause(state: Any) -> float:
            asked = getattr(state.outcome.exception(), "retry_after", 0.0)
            return float(max(growing(state), min(asked, MAX_PAUSE_SECONDS)))

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.config.attempts),
            wait=pause,
            retry=tenacity.retry_if_exception_type(Passing),
            sleep=self.sleep,
            reraise=True,
        )
        answer: tuple[int, dict[str, str], bytes] = retrying(self._ask_once, url, max_bytes)
        return answer

    def _ask_once(self, url: str, max_bytes: int) -> tuple[int, dict[str, str], bytes]:
        self._wait_for_turn(url)
        deadline = time.monotonic() + 10 * self.config.timeout_seconds
        pieces: list[bytes] = []
        size = 0
        try:
            with self._client.stream("GET", url) as response:
                if response.status_code in PASSING:
                    raise Passing(f"status {response.status_code}", _seconds(response.headers.get("retry-after")))
                for piece in response.iter_raw():
                    pieces.append(piece)
                    size += len(piece)
                    if size > max_bytes:
                        raise Unreadable(f"answer of more than {max_bytes} bytes")
                    if time.monotonic() > deadline:
                        raise Passing("answer that does not end")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return response.status_code, headers, b"".join(pieces)
        except (self._httpx.InvalidURL, self._httpx.UnsupportedProtocol, UnicodeError) as error:
            raise Unreadable(f"malformed address: {error}") from None
        except self._httpx.HTTPError as error:
            raise Passing(f"{type(error).__name__}: {error}") from None

    def _wait_for_turn(self, url: str) -> None:
        """Keep to our rate, and to the pause that the host's robots.txt asks for, if it is longer."""
        pyrate = import_extra("pyrate_limiter", "data")
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        rules = self._robots.get(site)
        delay = rules.crawl_delay(self.config.user_agent) if rules else None
        seconds = max(1 / self.config.requests_per_second, min(float(delay or 0), MAX_PAUSE_SECONDS))
        key = f"{parts.netloc} {seconds:g}"
        if key not in self._limiters:
            self._limiters[key] = pyrate.Limiter(pyrate.Rate(1, max(1, round(1000 * seconds))))
        self._limiters[key].try_acquire(parts.netloc)


def by_host(urls: Iterable[str]) -> dict[str, list[str]]:
    """Addresses by host, each once, in the order in which they came; those without a host are left to `Fetcher.get`."""
    hosts: dict[str, list[str]] = {}
    for url in dict.fromkeys(urls):
        try:
            host = urlsplit(url).netloc.lower()
        except ValueError:
            host = ""
        hosts.setdefault(host, []).append(url)
    return dict(sorted(hosts.items()))


def _date(headers: Mapping[str, str]) -> str | None:
    for name in ("last-modified", "date"):
        try:
            return parsedate_to_datetime(headers[name]).astimezone(UTC).isoformat()
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
    return None


def _seconds(value: str | None) -> float:
    try:
        return max(0.0, float(value or 0))
    except ValueError:
        return 0.0
