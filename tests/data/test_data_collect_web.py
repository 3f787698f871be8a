"""Pages are fetched politely, within bounds and once, from a server that misbehaves in every way."""

import contextlib
import gzip
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from collected import collected
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.dumps import WebSource
from better_ai.data.collectors import network
from better_ai.data.collectors.network import Answer, Fetcher, Store, by_host
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.collectors.web import WebCollector, feed_links
from better_ai.errors import UserError

PAGE = b"<html><title>T</title><main><p>" + b"Many plain words. " * 30 + b"</p><pre>x</pre></main>"
DATE = "Tue, 02 Jan 2024 03:04:05 GMT"
RSS = '<?xml version="1.0"?><rss version="2.0"><channel><title>b</title>{}</channel></rss>'
ATOM = '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>b</title>{}</feed>'

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """A server of this test: what it says to each path, and how often it was asked."""

    url: str = ""
    replies: dict[str, Callable[[int], Reply]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    agents: set[str] = field(default_factory=set)

    def says(self, path: str, status: int = 200, body: bytes = PAGE, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in {"Content_Type": "text/html", **headers}.items()}
        self.replies[path] = lambda time: (status, named, body)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked[self.path] += 1
            site.agents.add(self.headers["User-Agent"])
            reply = site.replies.get(self.path, lambda time: (404, {}, b""))
            status, headers, body = reply(site.asked[self.path])
            if status < 0:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between attempts, which are not waited for."""
    waited: list[float] = []
    monkeypatch.setattr(network.Fetcher, "__init__", _without_sleep(waited))
    return waited


def _without_sleep(waited: list[float]) -> Callable[..., None]:
    plain = network.Fetcher.__init__
    return lambda self, config: plain(self, config, sleep=waited.append)


def source(folder: Path, **fields: Any) -> WebSource:
    return WebSource(state=str(folder / "state"), requests_per_second=1000, attempts=3, **fields)


def test_pages_of_feeds(site: Site, tmp_path: Path) -> None:
    site.says("/rss", body=RSS.format("<item><link>/a</link></item><item><link>b?x=1#top</link></item>").encode())
    site.says("/atom", body=ATOM.format(f'<entry><link href="{site.url}/a"/></entry>').encode())
    for path in ("/a", "/b?x=1"):
        site.says(path, Last_Modified=DATE)
    documents, rejects = collected(source(tmp_path, feeds=(f"{site.url}/rss", f"{site.url}/atom"), license="MIT"))
    assert rejects == []
    assert [document["meta"]["path"] for document in documents] == [f"{site.url}/a", f"{site.url}/b?x=1"]
    first = documents[0]
    assert first["content"].startswith("Many plain words.") and first["content"].endswith("```\nx\n```")
    assert (first["license"], first["meta"]["fetched_at"]) == ("MIT", "2024-01-02T03:04:05+00:00")
    assert first["meta"]["title"] == "T"
    assert site.agents == {"better-ai-collector/1.0"}


def test_what_was_fetched_is_never_asked_for_again(site: Site, tmp_path: Path) -> None:
    site.says("/a")
    config = source(tmp_path, pages=(f"{site.url}/a", f"{site.url}/gone"))
    before = collected(config)
    assert site.asked == {"/robots.txt": 1, "/a": 1, "/gone": 1}
    site.says("/a", body=PAGE.replace(b"plain", b"other"))
    site.says("/gone")
    assert collected(config) == before and site.asked["/a"] == site.asked["/gone"] == 1


def test_a_killed_run_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    pages = tuple(f"{site.url}/{number}" for number in range(5))
    for number in range(5):
        site.says(f"/{number}", body=PAGE + b"%d" % number)
    config = source(tmp_path, pages=pages)

    class Killed(BaseException):
        pass

    with pytest.MonkeyPatch.context() as patch:
        ask = Fetcher._ask_once

        def ask_until_killed(self: Fetcher, url: str, max_bytes: int) -> Any:
            if url.endswith("/3"):
                raise Killed
            return ask(self, url, max_bytes)

        patch.setattr(Fetcher, "_ask_once", ask_until_killed)
        with pytest.raises(Killed):
            collected(config)
    documents, rejects = collected(config)
    assert rejects == [] and len(documents) == 5
    assert site.asked == {"/robots.txt": 1, **{f"/{number}": 1 for number in range(5)}}
    assert documents == collected(source(tmp_path / "undisturbed", pages=pages))[0]


def test_a_torn_record_of_the_store_is_fetched_again(site: Site, tmp_path: Path) -> None:
    site.says("/a")
    config = source(tmp_path, pages=(f"{site.url}/a",))
    before = collected(config)
    for file in (tmp_path / "state").rglob("*.json"):
        file.write_bytes(file.read_bytes()[:-20])
    assert collected(config) == before and site.asked["/a"] == 2


def test_robots(site: Site, tmp_path: Path) -> None:
    site.says(
        "/robots.txt", body=b"User-agent: better-ai-collector\nDisallow: /private\n\nUser-agent: *\nDisallow: /\n"
    )
    site.says("/a")
    site.says("/private/a")
    site.says("/moved", 302, b"", Location="/private/a")
    config = source(tmp_path, pages=tuple(f"{site.url}/{path}" for path in ("a", "private/a", "moved")))
    documents, rejects = collected(config)
    assert len(documents) == 1 and {reason for _, reason in rejects} == {"robots.txt forbids it"}
    assert site.asked["/private/a"] == 0


@pytest.mark.parametrize("status", [500, 503, -1])
def test_robots_that_cannot_be_had_forbid_all(status: int, site: Site, tmp_path: Path) -> None:
    site.replies["/robots.txt"] = lambda time: (status, {}, b"")
    site.says("/a")
    documents, [(_, reason)] = collected(source(tmp_path, pages=(f"{site.url}/a",)))
    assert documents == [] and reason.startswith("robots.txt cannot be had") and site.asked["/a"] == 0


def test_robots_behind_a_redirect_and_too_large(site: Site, tmp_path: Path) -> None:
    site.says("/a")
    site.says("/robots.txt", 301, b"", Location="/moved.txt")
    site.says("/moved.txt", body=b"User-agent: *\nDisallow: /\n")
    assert collected(source(tmp_path, pages=(f"{site.url}/a",)))[1][0][1] == "robots.txt forbids it"
    site.says("/robots.txt", body=b"#" * 600_000)
    assert collected(source(tmp_path / "b", pages=(f"{site.url}/a",)))[1][0][1] == "robots.txt forbids it"
    site.says("/robots.txt", 403, b"")
    assert len(collected(source(tmp_path / "c", pages=(f"{site.url}/a",)))[0]) == 1


def test_trouble_that_passes(site: Site, tmp_path: Path, pauses: list[float]) -> None:
    site.says("/a")
    page = site.replies["/a"]
    site.replies["/a"] = lambda time: page(time) if time > 2 else (503, {"Retry-After": "7"}, b"")
    site.replies["/b"] = lambda time: page(time) if time > 1 else (-1, {}, b"")
    documents, rejects = collected(source(tmp_path, pages=(f"{site.url}/a", f"{site.url}/b")))
    assert rejects == [] and len(documents) == 2
    assert pauses == [7.0, 7.0, 1.0]


def test_trouble_that_stays_is_named_and_not_kept(site: Site, tmp_path: Path, pauses: list[float]) -> None:
    site.says("/a", 503)
    config = source(tmp_path, pages=(f"{site.url}/a",))
    assert collected(config)[1][0][1] == "status 503, after 3 attempts"
    assert pauses[:2] == [1.0, 2.0]
    site.says("/a")
    assert len(collected(config)[0]) == 1


def test_timeouts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        config = source(tmp_path, pages=(url,)).model_copy(update={"timeout_seconds": 0.05, "attempts": 2})
        _, [(_, reason)] = collected(config)
    assert "robots.txt cannot be had: ReadTimeout" in reason


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((200, {}, b"x" * 300_000), "answer of more than 100000 bytes"),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 300_000)), "unpacks to more than 100000 bytes"),
        ((200, {"Content-Encoding": "gzip"}, PAGE), "damaged gzip content"),
        ((200, {"Content-Type": "image/png"}, b"\x89PNG\0"), "binary content"),
        ((200, {"Content-Type": "application/pdf"}, b"%PDF"), "media type 'application/pdf'"),
        ((200, {"Content-Type": "text/html"}, b"<p>short"), "5 characters of text"),
        ((403, {}, b""), "status 403"),
        ((302, {"Location": "/page"}, b""), "more than 5 redirects"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "not http or https"),
        ((302, {"Location": "http://[::1"}, b""), "Invalid URL in location header"),
        ((302, {"Location": "http://localhost:1/"}, b""), "host in a local network"),
        ((200, {"Content-Type": "text/html; charset=nonsense"}, b"\xff" * 500), ""),
    ],
)
def test_bad_answers_are_rows(reply: Reply, reason: str, site: Site, tmp_path: Path) -> None:
    site.replies["/page"] = lambda time: reply
    site.says("/fine")
    config = source(tmp_path, pages=(f"{site.url}/page", f"{site.url}/fine"), max_response_bytes=100_000)
    documents, rejects = collected(config)
    assert len(documents) == (1 if reason else 2)
    assert [said for _, said in rejects if reason not in said] == [] and len(rejects) == bool(reason)


def test_redirects_are_followed(site: Site, tmp_path: Path) -> None:
    site.says("/old", 301, b"", Location="new#part")
    site.says("/new")
    (document,), _ = collected(source(tmp_path, pages=(f"{site.url}/old",)))
    assert (document["meta"]["path"], document["meta"]["url"]) == (f"{site.url}/old", f"{site.url}/new")


def test_dead_feeds_do_not_end_a_build(site: Site, tmp_path: Path) -> None:
    site.says("/rss", body=RSS.format("<item><link>/a</link></item>").encode())
    site.says("/page", body=b"<html>no feed</html>")
    site.says("/a")
    feeds = tuple(f"{site.url}/{path}" for path in ("gone", "page", "rss"))
    documents, rejects = collected(source(tmp_path, feeds=feeds))
    assert len(documents) == 1
    assert [reason for _, reason in rejects] == ["feed: status 404", "feed: no RSS or Atom feed"]
    with pytest.raises(UserError, match=r"no feed of the source leads to a page .*status 404"):
        collected(source(tmp_path, feeds=feeds[:2]))


def test_a_host_is_one_part_and_keeps_its_pace(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyrate_limiter

    rates: list[tuple[int, int]] = []
    plain = pyrate_limiter.Rate

    def rate(limit: int, interval: int) -> Any:
        rates.append((limit, interval))
        return plain(limit, 1)

    monkeypatch.setattr(pyrate_limiter, "Rate", rate)
    site.says("/robots.txt", body=b"User-agent: *\nCrawl-delay: 3\n")
    for path in ("/a", "/b"):
        site.says(path)
    config = source(tmp_path, pages=(f"{site.url}/a", f"{site.url}/b")).model_copy(update={"requests_per_second": 2})
    assert len(WebCollector(config).parts()) == 1
    assert len(collected(config)[0]) == 2
    assert rates[:2] == [(1, 500), (1, 3000)]


def test_hosts() -> None:
    pages = ["http://b/1", "http://a/1", "http://b/2", "http://b/1", "http://[", ""]
    assert by_host(pages) == {"": ["http://[", ""], "a": ["http://a/1"], "b": ["http://b/1", "http://b/2"]}


def test_feeds_are_bytes_and_never_addresses(site: Site, tmp_path: Path) -> None:
    site.says("/secret", body=RSS.format("<item><link>/a</link></item>").encode())
    with pytest.raises(Unreadable):
        feed_links(Answer(site.url, f"{site.url}/secret".encode()))
    (tmp_path / "feed.xml").write_text(RSS.format("<item><link>/a</link></item>"))
    with pytest.raises(Unreadable):
        feed_links(Answer(site.url, str(tmp_path / "feed.xml").encode()))
    assert not site.asked


def test_entities_of_a_feed_are_not_expanded() -> None:
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    feed = RSS.format("<item><link>/x&b;&c;</link></item>").replace("?>", f"?>{bomb}")
    try:
        links = feed_links(Answer("http://a.org/", feed.encode()))
    except Unreadable:
        links = []
    assert all(len(link) < 100 and "root:" not in link for link in links)


@given(st.binary(max_size=300) | st.text(alphabet='<rsitemlnk/>&"=!DOCTYPE[]', max_size=200).map(str.encode))
def test_no_feed_is_an_error(body: bytes) -> None:
    for content in (body, RSS.encode().replace(b"{}", body)):
        with contextlib.suppress(Unreadable):
            assert isinstance(feed_links(Answer("http://a.org/", content)), list)


@given(st.binary(), st.text(), st.none() | st.text())
def test_the_store_gives_back_what_it_got(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, url: str, problem: str | None
) -> None:
    if any("\ud800" <= character <= "\udfff" for character in url + (problem or "")):
        return
    store, answer = Store(tmp_path_factory.getbasetemp() / "store"), Answer("http://a.org", body, problem=problem)
    store.put(url, answer)
    assert store.get(url) == answer


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(ValueError, match="needs feeds or pages"):
        WebSource()
