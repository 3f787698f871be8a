"""Self-contained HTML pages from templates."""

from pathlib import Path
from typing import Any

import jinja2

import better_ai

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, **values: Any) -> str:
    """The page; every value is escaped, and one that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(version=better_ai.__version__, **values)
