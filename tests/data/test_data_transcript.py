"""A conversation and its text are the same thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.chat import Conversation, Message, ToolCall
from better_ai.data.transcript import read_transcript, write_transcript
from better_ai.errors import UserError

LINES = st.sampled_from(
    ["### User", "#### User", "### Assistant", "##### Tool", "### User ", "## User", "text", "", "#"]
)
CONTENT = st.one_of(st.lists(LINES).map("\n".join), st.text()).map(lambda text: text.strip("\n"))
MESSAGES = st.builds(Message, st.sampled_from(["system", "user", "assistant", "tool"]), CONTENT)


@given(st.lists(MESSAGES, min_size=1))
def test_round_trip(messages: list[Message]) -> None:
    conversation = Conversation(tuple(messages))
    assert read_transcript(write_transcript(conversation)) == conversation


def test_how_it_reads() -> None:
    text = write_transcript(Conversation((Message("user", "Hi?"), Message("assistant", "### User\nis a heading"))))
    assert text == "### User\n\nHi?\n\n### Assistant\n\n#### User\nis a heading\n"


def test_edits_of_the_text_reach_the_messages() -> None:
    text = write_transcript(Conversation((Message("user", "I am a@b.org"), Message("assistant", "Hello"))))
    assert read_transcript(text.replace("a@b.org", "<EMAIL>")).messages[0].content == "I am <EMAIL>"


@pytest.mark.parametrize("text", ["", "plain", "before\n### User\n\nx"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected a conversation"):
        read_transcript(text)


def test_tool_calls_are_refused() -> None:
    with pytest.raises(UserError, match="tool calls"):
        write_transcript(Conversation((Message("assistant", "", (ToolCall("f", {}),)),)))
