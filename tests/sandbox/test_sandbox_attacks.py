"""Attack programs: each is stopped, and the jail judges rightly afterwards with the same processes as before."""

import os
from collections.abc import Iterator

import pytest
from sandbox_containment import ATTACK_LIMITS, Contained
from sandbox_forgeries import FORGERIES, STALLING, TASK
from sandbox_harm import HARM, LEFT_BEHIND, UNENDING

IDENTITIES = ["ordinary user", "root"] if os.geteuid() == 0 else ["ordinary user"]
UNHURT = {"right verdicts": True, "same processes": True, "files": True}
SHORT = 0.7  # wall seconds for what nothing else ends


@pytest.fixture(scope="module", params=IDENTITIES)
def contained(request: pytest.FixtureRequest) -> Iterator[Contained]:
    process = Contained(request.param)
    yield process
    process.close()


@pytest.mark.parametrize("name", HARM)
def test_harm_is_held(contained: Contained, name: str) -> None:
    result = contained.ask("run", source=HARM[name])
    assert "ESCAPED" not in result["stdout"], result["stdout"]
    assert result["status"] in ("exit", "signal"), result
    assert result["output_bytes"] <= 2 * ATTACK_LIMITS["file_bytes"], "both streams to the brim"
    assert "SyntaxError" not in result["stderr"], "the attack itself is broken"
    assert "reached its end" in result["stdout"] or "reached its end" not in HARM[name], result
    assert result["aftermath"] == UNHURT


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_nothing_is_left_for_the_next_run(contained: Contained, name: str) -> None:
    leave, look = LEFT_BEHIND[name]
    assert contained.ask("run", source=leave)["exit_code"] == 0
    result = contained.ask("run", source=look)
    assert "ESCAPED" not in result["stdout"], result["stdout"]
    assert "reached its end" in result["stdout"], result


@pytest.mark.parametrize("name", UNENDING)
def test_what_never_ends_is_ended(contained: Contained, name: str) -> None:
    result = contained.ask("run", wall_seconds=SHORT, source=UNENDING[name])
    assert result["status"] == "timeout", result
    assert result["aftermath"] == UNHURT


@pytest.mark.parametrize("name", FORGERIES)
def test_a_verdict_cannot_be_forged(contained: Contained, name: str) -> None:
    verdict = contained.ask("judge", candidate=FORGERIES[name], **TASK)
    assert (verdict["passed"], verdict["status"], verdict["integrity"]) == (False, "failed", "split"), verdict
    assert "limit" not in verdict["reason"], "the judge should not have had to wait"
    assert verdict["aftermath"] == UNHURT


@pytest.mark.parametrize("name", STALLING)
def test_a_stalled_judge_fails_the_solution(contained: Contained, name: str) -> None:
    verdict = contained.ask("judge", wall_seconds=SHORT, candidate=STALLING[name], **TASK)
    assert (verdict["passed"], verdict["status"]) == (False, "failed"), verdict
    assert "limit" in verdict["reason"]
    assert verdict["aftermath"] == UNHURT
