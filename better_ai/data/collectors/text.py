"""From bytes to text. UTF-8 is expected; a byte order mark goes.

Every encoding but UTF-8 needs a declaration in the file itself; nothing is guessed, since a wrong guess looks right.
"""

from better_ai.data.collectors.rows import Unreadable


def decode_text(content: bytes) -> str:
    """The text of a file. Raises Unreadable, with the bytes."""
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 at byte {error.start}", content) from None
