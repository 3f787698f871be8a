"""Tutorials and blogs: the pages that feeds link to and pages named one by one, as text with code in fences."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urljoin

from better_ai.config.data.dumps import WebSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.network import Answer, Fetcher, by_host
from better_ai.data.collectors.page import page_text
from better_ai.data.collectors.rows import Origin, Unreadable
from better_ai.data.collectors.stream import Document, batches, harmless, record_document
from better_ai.data.step import Reject, Stepped
from better_ai.errors import UserError
from better_ai.extras import import_extra

MAX_ADDRESS = 2_000
"""Characters."""


@dataclass(frozen=True)
class WebCollector:
    """All pages of one host are a part, so that one process keeps to the host's rate."""

    config: WebSource

    def parts(self) -> list[Part]:
        urls: list[str] = []
        dead: list[list[str]] = []
        with Fetcher(self.config) as fetcher:
            for feed in self.config.feeds:
                try:
                    urls += feed_links(fetcher.get(feed))
                except Unreadable as problem:
                    dead.append([feed, str(problem)])
        urls += self.config.pages
        if not urls:
            reasons = "; ".join(f"{feed}: {reason}" for feed, reason in dead)
            raise UserError(f"no feed of the source leads to a page ({reasons}); correct the feeds or try again later")
        hosts = by_host(list(dict.fromkeys(urldefrag(url).url for url in urls))[: self.config.max_pages])
        parts = [Part(f"host-{number:05d}", {"urls": pages, "dead": []}) for number, pages in enumerate(hosts.values())]
        parts[0].payload["dead"] = dead
        return parts

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        yield from batches(self._rows(part, max_document_bytes))

    def _rows(self, part: Part, max_bytes: int) -> Iterator[Document | Reject]:
        license = self.config.license
        origin = Origin("web", license, f"declared as {license} in the configuration")
        for feed, reason in part.payload["dead"]:
            yield Unreadable(f"feed: {reason}").reject(origin.source(harmless(feed)))
        with Fetcher(self.config) as fetcher:
            for url in part.payload["urls"]:
                try:
                    yield self._document(url, fetcher.get(url), origin, max_bytes)
                except Unreadable as problem:
                    yield problem.reject(origin.source(harmless(url)))

    def _document(self, url: str, answer: Answer, origin: Origin, max_bytes: int) -> Document:
        title, text = page_text(answer.body, answer.media, answer.charset, main_content=True)
        if len(text) < self.config.min_characters:
            raise Unreadable(f"{len(text)} characters of text, fewer than {self.config.min_characters}", answer.body)
        return record_document(
            origin,
            text,
            path=url,
            language="text" if answer.media == "text/plain" else "markdown",
            raw=answer.body,
            max_bytes=max_bytes,
            fetched_at=answer.fetched_at,
            title=title,
            url=answer.url,
        )


def feed_links(answer: Answer) -> list[str]:
    """Addresses of a feed's entries, in its order. Raises Unreadable when it is no feed.

    feedparser gets the bytes and never an address, since it would fetch that itself, without our bounds.
    """
    feedparser: Any = import_extra("feedparser", "data")
    try:
        feed = feedparser.parse(io.BytesIO(answer.body), response_headers={"content-type": answer.media or "text/xml"})
    except Exception as error:  # feedparser lets the errors of its parsers through
        raise Unreadable(f"no feed: {type(error).__name__}: {error}", answer.body) from None
    if not feed.get("version") and not feed.entries:
        raise Unreadable("no RSS or Atom feed", answer.body)
    links = []
    for entry in feed.entries:
        link = entry.get("link")
        if isinstance(link, str) and 0 < len(link) <= MAX_ADDRESS:
            try:
                links.append(urljoin(answer.url, link))
            except ValueError:
                continue
    return links
