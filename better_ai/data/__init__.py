"""Data: documents from sources to training rows, and conversations."""

from better_ai.data.chat import Conversation, Message, MessageSpan, RenderedChat, ToolCall, color_trained, render

__all__ = ["Conversation", "Message", "MessageSpan", "RenderedChat", "ToolCall", "color_trained", "render"]
