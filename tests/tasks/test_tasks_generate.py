"""What generated tasks promise: solvable, strict tests, disjoint splits, no repetition, the same everywhere."""

import ast
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from better_ai.config import TasksConfig
from better_ai.errors import ConfigError, UserError
from better_ai.tasks import FAMILIES, Task, generate_tasks
from better_ai.tasks.baselines import adapting_baseline, copy_baseline, majority_baseline
from better_ai.tasks.generate import structures_of
from better_ai.tasks.splits import structure_split
from better_ai.tasks.task import SPLITS

COUNTS = {"train": 1500, "validation": 250, "heldout": 300}


@pytest.fixture(scope="module")
def tasks() -> dict[str, list[Task]]:
    return {split: generate_tasks(TasksConfig(), split, COUNTS[split], seed=0) for split in SPLITS}


@pytest.fixture(scope="module")
def every_task(tasks: dict[str, list[Task]]) -> list[Task]:
    return [task for split in SPLITS for task in tasks[split]]


def passes(program: str, task: Task) -> bool:
    names: dict[str, object] = {}
    try:
        exec(program, names)
        exec(task.tests, names)
    except Exception:
        return False
    return True


def test_every_reference_passes_its_tests(every_task: list[Task]) -> None:
    for task in every_task:
        assert passes(task.reference, task), task


def test_tests_are_between_six_and_ten_asserts_with_three_answers(every_task: list[Task]) -> None:
    for task in every_task:
        asserts = ast.parse(task.tests).body
        assert 6 <= len(asserts) <= 10
        answers = Counter(ast.unparse(line.test.comparators[0]) for line in asserts)  # type: ignore[attr-defined]
        assert len(answers) >= 3
        assert max(answers.values()) * 2 <= len(asserts)


class _Changed(ast.NodeTransformer):
    """Make the change numbered `target` to a program: constants, comparisons, dropped statements, exchanged lines."""

    def __init__(self, target: int) -> None:
        self.seen, self.target = 0, target

    def _turn(self) -> bool:
        self.seen += 1
        return self.seen - 1 == self.target

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, int) and self._turn():
            return ast.Constant(node.value + 1)
        if isinstance(node.value, str) and self._turn():
            return ast.Constant(node.value + "q")
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        weaker = {ast.Gt: ast.GtE, ast.Lt: ast.LtE, ast.GtE: ast.Gt, ast.LtE: ast.Lt, ast.Eq: ast.NotEq}
        if type(node.ops[0]) in weaker and self._turn():
            node.ops = [weaker[type(node.ops[0])]()]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        for index in range(len(node.body) - 1):
            if self._turn():
                del node.body[index]
                return node
            if index + 1 < len(node.body) - 1 and self._turn():
                node.body[index], node.body[index + 1] = node.body[index + 1], node.body[index]
                return node
        return node


def _mutants(program: str) -> list[str]:
    found = []
    for target in range(40):
        change = _Changed(target)
        changed = ast.unparse(ast.fix_missing_locations(change.visit(ast.parse(program))))
        if change.seen <= target:
            break
        found.append(changed)
    return found


def _inputs(task: Task, tasks: list[Task]) -> list[str]:
    """Arguments of the other tasks on the same kind of value: inputs that had no part in choosing this task's tests."""
    argument = task.reference.partition("(")[2].partition(")")[0]
    same = [other for other in tasks if f"({argument}):" in other.reference.partition("\n")[0]]
    calls = [line.test.left for other in same[:40] for line in ast.parse(other.tests).body]  # type: ignore[attr-defined]
    return [ast.unparse(call.args[0]) for call in calls]


def _answers(program: str, entry_point: str, inputs: list[str]) -> list[object]:
    names: dict[str, object] = {}
    exec(program, names)
    answers: list[object] = []
    for argument in inputs:
        try:
            answers.append(eval(f"{entry_point}({argument})", names))
        except Exception as error:
            answers.append(type(error))
    return answers


def test_tests_kill_simple_mutants(tasks: dict[str, list[Task]]) -> None:
    """A program changed in one place that differs on three or more of about 300 foreign inputs fails the tests."""
    survivors = mutants = 0
    for task in tasks["heldout"][::3]:
        inputs = _inputs(task, tasks["train"])
        expected = _answers(task.reference, task.entry_point, inputs)
        for mutant in _mutants(task.reference):
            if "while" in mutant:
                continue
            answers = _answers(mutant, task.entry_point, inputs)
            if sum(answer != right for answer, right in zip(answers, expected, strict=True)) < 3:
                continue
            mutants += 1
            if passes(mutant, task):
                survivors += 1
                print(task.structure, task.parameters, mutant, sep="\n")
    assert mutants > 200
    assert survivors == 0


def test_no_evaluation_task_occurs_in_training(tasks: dict[str, list[Task]]) -> None:
    pairs = {split: {(task.structure, task.parameters) for task in tasks[split]} for split in SPLITS}
    assert not pairs["train"] & pairs["heldout"]
    assert not pairs["train"] & pairs["validation"]
    assert not pairs["validation"] & pairs["heldout"]
    assert len(pairs["heldout"]) == len(tasks["heldout"])
    assert len(pairs["validation"]) == len(tasks["validation"])


def test_what_is_new_about_a_heldout_task_is_true(tasks: dict[str, list[Task]]) -> None:
    trained = {task.structure for task in tasks["train"]}
    pairs = {(task.structure, task.parameters) for task in tasks["train"]}
    kinds = Counter(task.tags[1:] for task in tasks["heldout"])
    assert set(kinds) == {("new structure",), ("new values",), ("new structure", "new values")}
    assert min(kinds.values()) >= 15
    for task in tasks["heldout"]:
        assert len(task.tags) > 1
        if "new structure" in task.tags:
            assert task.structure not in trained
        assert (task.structure, task.parameters) not in pairs


def test_whole_structures_are_held_out_but_none_of_the_single_operations() -> None:
    for family in FAMILIES:
        splits = Counter(structure_split(structure) for structure in structures_of(family))
        if family in ("conditions", "loops", "composition"):
            assert all(splits[split] >= 60 for split in SPLITS), family
        else:
            assert set(splits) == {"train"}


def test_every_operation_occurs_in_training() -> None:
    """A model can be asked only for words it has met; each single operation keeps some values for training."""
    for family in ("arithmetic", "strings", "lists", "dictionaries"):
        known = {structure.name for structure in structures_of(family)}
        config = TasksConfig(families=(family,))
        assert {task.structure for task in generate_tasks(config, "train", 900, seed=1)} == known


def test_thousands_of_distinct_training_tasks(tasks: dict[str, list[Task]]) -> None:
    many = generate_tasks(TasksConfig(), "train", 4000, seed=0)
    assert len({task.prompt for task in many}) == len({task.id for task in many}) == 4000
    assert len({(task.structure, task.parameters) for task in many}) > 2000
    assert many[: len(tasks["train"])] == tasks["train"]


def test_one_prompt_never_asks_for_two_things(every_task: list[Task]) -> None:
    assert len({(task.prompt, task.reference) for task in every_task}) == len({task.prompt for task in every_task})


def test_prompts_and_references_are_short(every_task: list[Task]) -> None:
    prompts = sorted(len(task.prompt.encode()) for task in every_task)
    references = sorted(len(task.reference.encode()) for task in every_task)
    assert prompts[int(0.95 * len(prompts))] <= 180
    assert references[int(0.9 * len(references))] <= 130


def test_families_are_drawn_evenly(tasks: dict[str, list[Task]]) -> None:
    counts = Counter(task.family for task in tasks["train"])
    assert set(counts) == set(FAMILIES)
    assert max(counts.values()) < 1.4 * min(counts.values())


def test_tasks_are_the_same_in_another_process(tasks: dict[str, list[Task]]) -> None:
    """Neither the order of sets nor string hashing takes part."""
    program = (
        "from better_ai.config import TasksConfig; from better_ai.tasks import generate_tasks;"
        "print([task.id for task in generate_tasks(TasksConfig(), 'heldout', 40, 0)])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert ast.literal_eval(shown) == [task.id for task in tasks["heldout"][:40]]


def test_a_family_named_twice_is_drawn_twice_as_often_without_repetition() -> None:
    tasks = generate_tasks(TasksConfig(families=("loops", "lists", "loops")), "heldout", 150, seed=4)
    counts = Counter(task.family for task in tasks)
    assert 1.4 < counts["loops"] / counts["lists"] < 2.8
    assert len({(task.structure, task.parameters) for task in tasks}) == 150


def test_the_dials_choose_families_and_difficulty() -> None:
    config = TasksConfig(families=("arithmetic", "composition"), max_difficulty=0.3)
    tasks = generate_tasks(config, "train", 60, seed=3)
    assert {task.family for task in tasks} == {"arithmetic", "composition"}
    assert max(task.difficulty for task in tasks) <= 0.3
    hard = generate_tasks(TasksConfig(families=("composition",)), "train", 60, seed=3)
    assert max(task.difficulty for task in hard) > 0.6


def test_asking_for_more_than_exist_says_how_many_there_are() -> None:
    config = TasksConfig(families=("arithmetic",), max_difficulty=0.13)
    with pytest.raises(UserError, match=r"asked for 5000 heldout tasks, but only (\d+) exist") as caught:
        generate_tasks(config, "heldout", 5000, seed=0)
    available = int(str(caught.value).split("but only ")[1].split()[0])
    assert len(generate_tasks(config, "heldout", available, seed=7)) == available
    with pytest.raises(UserError):
        generate_tasks(config, "heldout", available + 1, seed=7)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown family of tasks 'poetry'; known: arithmetic"):
        generate_tasks(TasksConfig(families=("poetry",)), "train", 1, seed=0)


BASELINES = [majority_baseline, copy_baseline, adapting_baseline]


@pytest.mark.parametrize("baseline", BASELINES)
def test_baselines_answer_with_programs_and_copies_solve_little(baseline, tasks: dict[str, list[Task]]) -> None:
    answer = baseline(tasks["train"])
    sample = tasks["heldout"][:150]
    for task in sample:
        assert any(
            isinstance(node, ast.FunctionDef) and node.name == task.entry_point for node in ast.parse(answer(task)).body
        )
    if baseline is not adapting_baseline:
        assert sum(passes(answer(task), task) for task in sample) <= 0.1 * len(sample)


def test_the_adapting_baseline_fills_in_values_and_no_more(tasks: dict[str, list[Task]]) -> None:
    answer = adapting_baseline(tasks["train"])
    solved = Counter(task.tags[1:] for task in tasks["heldout"] if passes(answer(task), task))
    asked = Counter(task.tags[1:] for task in tasks["heldout"])
    assert solved["new values",] > 0.4 * asked["new values",]
    assert solved["new structure",] + solved["new structure", "new values"] < 0.1 * len(tasks["heldout"])


def test_the_copy_baseline_copies_a_known_prompt_exactly(tasks: dict[str, list[Task]]) -> None:
    answer = copy_baseline(tasks["train"])
    known = tasks["train"][17]
    assert answer(known) == known.reference
    renamed = replace(known, prompt=known.prompt.replace(f"{known.entry_point}(", "other("), entry_point="other")
    assert passes(answer(renamed), replace(renamed, tests=known.tests.replace(f"{known.entry_point}(", "other(")))


def test_baselines_do_not_look_at_the_answer(tasks: dict[str, list[Task]]) -> None:
    task = tasks["heldout"][0]
    blind = replace(task, reference="", tests="", structure="", parameters=())
    for baseline in BASELINES:
        assert baseline(tasks["train"])(blind) == baseline(tasks["train"])(task)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_baseline_without_training_tasks_is_refused(baseline) -> None:
    with pytest.raises(UserError, match="found none"):
        baseline([])
