"""Task files: exact round trip, and one clear error that names each bad line."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config import TasksConfig
from better_ai.errors import UserError
from better_ai.tasks import Task, generate_tasks, read_humaneval, read_mbpp, read_tasks, write_tasks
from better_ai.tasks import jsonl as jsonl_module

GOOD = {
    "id": "t", "prompt": "p", "entry_point": "f", "tests": "assert f() == 1\n", "reference": "def f():\n    return 1\n",
    "difficulty": 0.5, "tags": ["lists"],
}  # fmt: skip


def _file(path: Path, *lines: object) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_generated_tasks_survive_the_round_trip(tmp_path: Path) -> None:
    tasks = generate_tasks(TasksConfig(), "train", 50, seed=2)
    write_tasks(tasks, tmp_path / "tasks.jsonl")
    assert read_tasks(tmp_path / "tasks.jsonl") == tasks


_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@given(
    st.builds(
        Task, id=_text, prompt=_text, entry_point=st.just("f"), tests=_text, reference=_text,
        difficulty=st.floats(0, 1), tags=st.lists(_text, min_size=1, max_size=3).map(tuple), language=_text,
        split=st.sampled_from(("train", "validation", "heldout")), structure=_text,
        parameters=st.lists(st.integers(-(10**6), 10**6) | _text, max_size=3).map(tuple),
        prompt_kind=st.sampled_from(("instruction", "code")), integrity=st.sampled_from(("split", "shared")),
    )
)  # fmt: skip
def test_any_task_survives_the_round_trip(tmp_path_factory: pytest.TempPathFactory, task: Task) -> None:
    path = tmp_path_factory.mktemp("round") / "tasks.jsonl"
    write_tasks([task], path)
    assert read_tasks(path) == [task]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"difficulty": 1.5}, "difficulty must be a number from 0 to 1, found 1.5"),
        ({"difficulty": True}, "difficulty must be"),
        ({"entry_point": "f()"}, "entry_point must be an identifier"),
        ({"tags": []}, "tags must name"),
        ({"tags": "lists"}, "tags must be a list of strings"),
        ({"prompt": 3}, "prompt must be a string, found int"),
        ({"split": "test"}, "split must be one of train, validation, heldout"),
        ({"parameters": [1.5]}, "parameters must be a list"),
        ({"note": "x"}, r"unknown fields \['note'\]"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, change: dict, complaint: str) -> None:
    path = _file(tmp_path / "tasks.jsonl", GOOD, GOOD | change)
    with pytest.raises(UserError, match=rf"line 2: .*{complaint}"):
        read_tasks(path)


def test_every_bad_line_is_named_once(tmp_path: Path) -> None:
    missing = {key: value for key, value in GOOD.items() if key != "tests"}
    deep, long = "[" * 100_000 + "\n", '{"id": "' + "x" * (1 << 20)
    path = _file(tmp_path / "t.jsonl", "{oops\n", GOOD, "\n", "[1]\n", missing, deep, long)
    with pytest.raises(UserError) as caught:
        read_tasks(path)
    lines = str(caught.value).split("\n")
    assert [line.partition(":")[0] for line in lines[1:]] == ["line 1", "line 4", "line 5", "line 6", "line 7"]
    assert "not JSON" in lines[1]
    assert "expected an object, found list" in lines[2]
    assert "the field 'tests' is missing" in lines[3]
    assert "nested too deeply" in lines[4]
    assert "longer than" in lines[5]


def test_a_flood_of_bad_lines_gives_a_short_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds 500 bad lines(?s:.*)and 480 more") as caught:
        read_tasks(_file(tmp_path / "t.jsonl", *["?\n"] * 500))
    assert len(str(caught.value)) < 3000


def test_a_compressed_flood_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl_module, "MAX_FILE_BYTES", 1 << 22)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 24)))
    with pytest.raises(UserError, match="holds more than 4194304 bytes"):
        read_tasks(path)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*absent\.jsonl"):
        read_tasks(tmp_path / "absent.jsonl")
    whole = gzip.compress(json.dumps(GOOD).encode() * 50)
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cannot read .*cut\.gz"):
        read_tasks(tmp_path / "cut.gz")


HUMANEVAL = {
    "task_id": "HumanEval/32",
    "prompt": 'import math\n\n\ndef half(x):\n    return x / 2\n\n\ndef f(x):\n    """Double x."""\n',
    "entry_point": "f",
    "canonical_solution": "    return 2 * x\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert half(candidate(3)) == 3\n",
}


def test_humaneval_tests_carry_the_helpers_of_the_prompt(tmp_path: Path) -> None:
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(HUMANEVAL) + "\n").encode()))
    (task,) = read_humaneval(path)
    assert (task.id, task.entry_point, task.split, task.family) == ("HumanEval/32", "f", "heldout", "humaneval")
    assert task.demonstration() == (HUMANEVAL["prompt"], HUMANEVAL["canonical_solution"])
    solution: dict = {}
    exec(task.reference, solution)
    judge: dict = {}
    exec(task.tests, judge)
    assert "f" not in judge
    judge["check"](solution["f"])
    with pytest.raises(AssertionError):
        judge["check"](lambda x: x)


MBPP = {
    "text": "Write a function to make a node. ",
    "code": "class Node:\r\n    def __init__(self, v):\r\n        self.v = v\r\ndef get(node):\r\n    return node.v",
    "task_id": 367,
    "test_setup_code": "root = Node(3)\r\n",
    "test_list": ["assert get(root) == 3", "assert get(Node(4)) == 4"],
    "challenge_test_list": [],
}


def test_mbpp_sets_up_after_the_solution_and_has_plain_line_ends(tmp_path: Path) -> None:
    few, test, validation, train = read_mbpp(
        _file(tmp_path / "mbpp.jsonl", *(MBPP | {"task_id": number} for number in (10, 367, 511, 601)))
    )
    assert [task.split for task in (few, test, validation, train)] == ["train", "heldout", "validation", "train"]
    assert test.entry_point == "get"
    assert test.integrity == "shared"
    assert "\r" not in test.reference + test.tests
    assert test.prompt == ("Write a function to make a node.\nYour code should pass this test:\nassert get(root) == 3")
    names: dict = {}
    exec(test.reference, names)
    exec(test.tests, names)


def test_mbpp_tests_import_what_they_borrowed_from_the_solution(tmp_path: Path) -> None:
    change = {
        "code": "import sys\r\nimport re\r\ndef get(x):\r\n    return sys.getsizeof(x)",
        "test_setup_code": "",
        "test_list": ["assert get(1) == sys.getsizeof(1)"],
    }
    (task,) = read_mbpp(_file(tmp_path / "mbpp.jsonl", MBPP | change))
    assert task.tests == "import sys\nassert get(1) == sys.getsizeof(1)\n"
    assert task.integrity == "split"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"test_list": []}, "test_list is empty"),
        ({"test_list": ["assert other(1)"]}, "the tests call none of the solution's functions"),
        ({"code": "def get(:"}, "not Python"),
        ({"task_id": "x"}, "task_id must be an integer"),
    ],
)
def test_a_bad_mbpp_line_is_named(tmp_path: Path, change: dict, complaint: str) -> None:
    with pytest.raises(UserError, match=f"line 1: .*{complaint}"):
        read_mbpp(_file(tmp_path / "mbpp.jsonl", MBPP | change))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"prompt": "def f(:"}, "not the beginning of a program"),
        ({"entry_point": "g"}, "does not begin a function 'g'"),
    ],
)
def test_a_bad_humaneval_line_is_named(tmp_path: Path, change: dict, complaint: str) -> None:
    with pytest.raises(UserError, match=f"line 1: .*{complaint}"):
        read_humaneval(_file(tmp_path / "h.jsonl", HUMANEVAL | change))
