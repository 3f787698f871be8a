"""How a task is put to a model: the same chat in fine-tuning, reinforcement learning and evaluation."""

from dataclasses import replace

from better_ai.data import Conversation, Message, render
from better_ai.tasks import Task
from better_ai.tokenizer import Tokenizer

COMPLETION_STOPS = ("\ndef ", "\nclass ", "\n#", "\n@", "\nif ")
"""Where the function that a base model continues has ended."""


def demonstration(task: Task) -> Conversation:
    """The task and its reference solution, as a conversation to learn from."""
    prompt, answer = task.demonstration()
    return Conversation((Message("user", prompt), Message("assistant", answer)))


def chat_prompt(task: Task, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The tokens that ask for the task's solution."""
    conversation = Conversation((Message("user", task.prompt),))
    return tuple(render(conversation, tokenizer, add_generation_prompt=True).tokens)


def as_completion(task: Task) -> Task:
    """The same task as code to be continued: the instruction in a comment, and the beginning of the function."""
    return replace(task, prompt=f"# {task.prompt}\ndef {task.entry_point}(", prompt_kind="code")


def completion_prompt(task: Task, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The tokens of a task of code, as in pretraining."""
    return (tokenizer.special["bos"], *tokenizer.encode(task.prompt))
