"""Sources that others put together: dumps, crawls, feeds and data sets."""

from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from better_ai.config.schema import Config


class StackExchangeSource(Config):
    """Questions with their accepted answers from the `Posts.xml` of a Stack Exchange dump."""

    type: Literal["stackexchange"] = "stackexchange"
    path: str
    """`Posts.xml`, unpacked, or a folder that holds it."""
    site: str = "stackoverflow.com"
    """Host name; the questions' addresses, which the licence wants named, are made from it."""
    min_question_score: int = 1
    min_answer_score: int = 1
    tags: tuple[str, ...] = ()
    """Only questions with one of these. Empty: all."""


class WebSource(Config):
    """Tutorials and blogs: what feeds link to, and single pages. (Folders of HTML files are `documentation`.)

    Pages are asked for once and kept in `state`; a later build reads them from there.
    """

    type: Literal["web"] = "web"
    feeds: tuple[str, ...] = ()
    """Addresses of RSS or Atom feeds, whose entries are fetched."""
    pages: tuple[str, ...] = ()
    """Addresses of single pages."""
    state: str = "~/.cache/better-ai/web"
    """Folder of what was fetched."""
    license: str = "unknown"
    """SPDX expression that the owner of all pages declares."""
    user_agent: str = "better-ai-collector/1.0"
    """How we introduce ourselves; robots.txt is read for its part before the slash."""
    timeout_seconds: PositiveFloat = 20.0
    """Longest wait for a connection or for the next bytes; a whole answer may take ten times as long."""
    attempts: PositiveInt = 4
    """How often a page is asked for while the server is unreachable or answers 429 or 5xx."""
    backoff_seconds: PositiveFloat = 1.0
    """Pause before the second attempt; it doubles each time, up to a minute."""
    requests_per_second: PositiveFloat = 1.0
    max_response_bytes: PositiveInt = 4_000_000
    """Unpacked size above which an answer is dropped while it comes in."""
    max_redirects: NonNegativeInt = 5
    max_pages: PositiveInt = 10_000
    min_characters: NonNegativeInt = 200
    """Pages with less text are turned away."""

    @model_validator(mode="after")
    def _something_to_fetch(self) -> "WebSource":
        if not (self.feeds or self.pages):
            raise ValueError("a web source needs feeds or pages; found neither")
        return self


class WarcSource(Config):
    """Web pages from WARC files, or the text of WET files, as Common Crawl hands them out."""

    type: Literal["warc"] = "warc"
    paths: tuple[str, ...]
    """Files (`.warc`, `.warc.gz`, `.wet`, `.wet.gz`) and folders of such."""
    license: str = "unknown"
    """SPDX expression for all pages."""
    main_content: bool = True
    """Whether menus, sidebars and footers are left out of HTML pages."""
    languages: tuple[str, ...] = ()
    """Natural languages to keep, as ISO 639-1 codes. Empty: all."""
    max_record_bytes: PositiveInt = 8_000_000
    """Unpacked payload above which a page is turned away while it is read."""
    min_characters: NonNegativeInt = 200
    """Pages with less text are turned away."""


class HuggingFaceSource(Config):
    """A data set from the Hugging Face Hub, or from files on disk that have its columns."""

    type: Literal["huggingface"] = "huggingface"
    id: str
    """Such as `bigcode/the-stack-dedup`; stands in every document's source."""
    path: str = ""
    """Folder or file (Parquet, JSON Lines, JSON, Arrow). Empty: the Hub is asked."""
    columns: str = ""
    """Name of a column map (data/collectors/dataset_maps.py). Empty: the one that knows this id."""
    text: str = ""
    """Column of the text, for a data set that no map knows; takes the place of a map."""
    config: str = ""
    split: str = "train"
    revision: str = ""
    """Commit of the data set on the Hub. Empty: the newest, whose id is recorded."""
    license: str = ""
    """SPDX expression where the rows name none. Empty: what the map knows of the data set."""
    language: str = ""
    """Language of the documents where the rows name none. Empty: what the map knows of the data set."""
    evaluation: bool = False
    """Whether the evaluation splits of benchmarks may be read at all; never for training."""


class RecordsSource(Config):
    """Human annotations and threads in JSON Lines; every line is checked."""

    type: Literal["records"] = "records"
    path: str
    """File, or folder of `.jsonl` files."""
    kind: Literal["conversation", "preference", "rating", "thread", "text"] = "conversation"
    license: str = "unknown"
    """SPDX expression where a record names none in `license`."""
    min_rating: float = 0.0
    """Rated records below it, on a scale from 0 to 1, are turned away."""
    min_score: int = 1
    """Threads whose question or best reply has fewer points are turned away."""


class TemplatesSource(Config):
    """Instructions and dialogues written from templates: a YAML file of texts with slots."""

    type: Literal["templates"] = "templates"
    path: str
    count: PositiveInt = 1000
    """Conversations asked for; fewer come when the slots allow no more."""
    seed: NonNegativeInt = 0
    license: str = "CC0-1.0"
    """SPDX expression of the templates; their author says."""
