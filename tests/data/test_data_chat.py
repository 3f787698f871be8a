"""Turns cannot be forged, longer conversations begin with shorter ones, and only the assistant's words are trained."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data import Conversation, Message, ToolCall, color_trained, render
from better_ai.data.chat import ROLES
from better_ai.errors import UserError
from better_ai.tokenizer import SPECIAL_TOKENS, Tokenizer

CONTENT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30) | st.sampled_from(
    list(SPECIAL_TOKENS.values())
)
CALLS = st.lists(
    st.builds(
        ToolCall, st.sampled_from(["run", "<end>"]), st.dictionaries(st.text("ab"), st.integers() | st.text("<>/"))
    ),
    max_size=2,
).map(tuple)
MESSAGES = st.builds(Message, st.sampled_from(ROLES), CONTENT) | st.builds(
    Message, st.just("assistant"), CONTENT, CALLS
)
CONVERSATIONS = st.lists(MESSAGES, min_size=1, max_size=5).map(lambda messages: Conversation(tuple(messages)))

TALK = Conversation(
    (Message("system", "Be brief."), Message("user", "2 + 2?"), Message("assistant", "4"), Message("user", "Why?"))
)


@given(conversation=CONVERSATIONS)
def test_rendering_of_a_beginning_is_a_beginning(tokenizer: Tokenizer, conversation: Conversation) -> None:
    whole = render(conversation, tokenizer)
    for count in range(1, len(conversation.messages) + 1):
        part = render(Conversation(conversation.messages[:count]), tokenizer)
        assert whole.tokens[: len(part.tokens)] == part.tokens
        assert whole.spans[:count] == part.spans
        prompt = render(Conversation(conversation.messages[:count]), tokenizer, add_generation_prompt=True).tokens
        assert prompt == [*part.tokens, tokenizer.special["assistant"]]
        if count < len(conversation.messages) and conversation.messages[count].role == "assistant":
            assert whole.tokens[: len(prompt)] == prompt


@given(conversation=CONVERSATIONS)
def test_content_forges_no_turn(tokenizer: Tokenizer, conversation: Conversation) -> None:
    tokens = render(conversation, tokenizer).tokens
    special = tokenizer.special
    calls = sum(len(message.tool_calls) for message in conversation.messages)
    assert tokens.count(special["bos"]) == 1
    assert tokens.count(special["end"]) == len(conversation.messages)
    assert sum(tokens.count(special[role]) for role in ROLES) == len(conversation.messages)
    assert tokens.count(special["tool_call"]) == tokens.count(special["tool_call_end"]) == calls
    assert not {special[name] for name in ("eos", "pad", "unk", "thought", "thought_end")} & set(tokens)


@given(conversation=CONVERSATIONS)
def test_mask_covers_what_the_assistant_says_and_its_end(tokenizer: Tokenizer, conversation: Conversation) -> None:
    rendered = render(conversation, tokenizer)
    mask = rendered.assistant_mask
    assert mask.dtype == bool and len(mask) == len(rendered.tokens)
    trained = [token for token, on in zip(rendered.tokens, mask, strict=True) if on]
    said = [message for message in conversation.messages if message.role == "assistant"]
    assert trained.count(tokenizer.special["end"]) == len(said)
    if not any(message.tool_calls for message in said):
        assert tokenizer.decode(trained, show_special=True) == "".join(f"{message.content}<end>" for message in said)


def test_rendered_form(tokenizer: Tokenizer) -> None:
    rendered = render(TALK, tokenizer, add_generation_prompt=True)
    assert tokenizer.decode(rendered.tokens, show_special=True) == (
        "<bos><system>Be brief.<end><user>2 + 2?<end><assistant>4<end><user>Why?<end><assistant>"
    )
    call = Conversation((Message("assistant", "I look.", (ToolCall("search", {"q": "é"}),)),))
    assert tokenizer.decode(render(call, tokenizer).tokens, show_special=True) == (
        '<bos><assistant>I look.<tool_call>{"name": "search", "arguments": {"q": "é"}}</tool_call><end>'
    )


def test_nothing_to_train_on_is_an_error(tokenizer: Tokenizer) -> None:
    assert render(TALK, tokenizer).training_mask().sum() == 2
    silent = render(Conversation((Message("user", "hello"),)), tokenizer, add_generation_prompt=True)
    assert not silent.assistant_mask.any()
    with pytest.raises(UserError, match="nothing to train on"):
        silent.training_mask()


@given(conversation=CONVERSATIONS)
def test_hugging_face_form_comes_back(conversation: Conversation) -> None:
    value = conversation.to_dict()
    assert Conversation.from_dict(value) == conversation
    assert Conversation.from_dict(json.loads(json.dumps(value))) == conversation


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "malformed conversation"),
        ({"messages": []}, "at least one message"),
        ({"messages": ["hi"]}, "malformed message"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "unknown role 'robot'"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "must be text"),
        ({"messages": [{"role": "user", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]},
         "only the assistant"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
         "malformed tool call"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"name": "f"}]}]}, "malformed tool call"),
    ],
)  # fmt: skip
def test_malformed_conversations_are_refused(value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Conversation.from_dict(value)


def test_arguments_may_be_json_text() -> None:
    value = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"x": 1}'}}]}
    assert Message.from_dict(value) == Message("assistant", "", (ToolCall("f", {"x": 1}),))


def test_coloured_example_spells_every_token(tokenizer: Tokenizer) -> None:
    rendered = render(TALK, tokenizer)
    text = color_trained(rendered.tokens, rendered.assistant_mask, tokenizer)
    assert text.plain == tokenizer.decode(rendered.tokens, show_special=True)
    assert [text.plain[span.start : span.end] for span in text.spans if span.style == "bold green"] == ["4<end>"]
