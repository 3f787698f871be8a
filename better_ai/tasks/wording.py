"""How a task is put in words: frames, connectives and the two moods of a verb."""

from collections.abc import Sequence

_FRAMES = (
    ("Write a function {call} that {clauses}.", True),
    ("Define {call} to {clauses}.", False),
    ("Implement {call}. It should {clauses}.", False),
    ("Write {call}, which {clauses}.", True),
)
"""Sentences, and whether their clauses stand in the third person."""

NUM_FRAMES = len(_FRAMES)


def instruction(call: str, clauses: Sequence[str], frame: int, connective: tuple[str, str]) -> str:
    """One sentence that asks for `call`, such as "f(n)". Clauses are verb phrases in the base form."""
    sentence, in_third_person = _FRAMES[frame]
    if in_third_person:
        clauses = [third_person(clause) for clause in clauses]
    between, before_last = connective
    joined = between.join(clauses[:-1]) + before_last + clauses[-1] if len(clauses) > 1 else clauses[0]
    return sentence.format(call=call, clauses=joined.rstrip(",")).replace(",,", ",")


def third_person(clause: str) -> str:
    """Put the verb that begins a clause (after "otherwise") into the third person: "add 3" -> "adds 3"."""
    adverb, verb, rest = "", *clause.partition(" ")[::2]
    if verb == "otherwise":
        adverb, (verb, _, rest) = "otherwise ", rest.partition(" ")
    return f"{adverb}{_conjugate(verb)} {rest}".rstrip()


def _conjugate(verb: str) -> str:
    if verb in ("are", "have"):
        return {"are": "is", "have": "has"}[verb]
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"
