"""Run folders keep finished work: skipped when unchanged, replaced only by finished work, damaged ones refused."""

import errno
from pathlib import Path

import pytest

from better_ai.artifacts import StageFolder, atomic_folder, atomic_write, lineage, run_lock, write_json
from better_ai.errors import ArtifactError


def build(run: Path, name: str, text: str, *, inputs: dict[str, str] | None = None, **config: int) -> StageFolder:
    stage = StageFolder(run, name, kind=name, config=config, inputs=inputs or {})
    if stage.manifest is None:
        (stage.begin() / "out.txt").write_text(text)
        (stage.partial / "log.txt").write_text("12 seconds")
        (stage.partial / "checkpoints").mkdir(exist_ok=True)
        (stage.partial / "checkpoints" / "big").write_text("x")
        stage.finish(products=["out.txt"], metrics={"loss": 1.0}, discard=("checkpoints",))
    return stage


def test_a_finished_stage_is_found_again_and_its_checkpoints_are_gone(tmp_path: Path) -> None:
    first = build(tmp_path, "data", "a", steps=1)
    again = build(tmp_path, "data", "never written", steps=1)
    assert again.manifest == first.manifest
    assert (tmp_path / "data/out.txt").read_text() == "a"
    assert not (tmp_path / "data/checkpoints").exists()
    assert set(first.manifest.files) == {"out.txt", "log.txt"}


def test_content_ids_depend_on_products_and_inputs_only(tmp_path: Path) -> None:
    same = [build(tmp_path / run, "data", "a", steps=1).manifest.content_id for run in ("one", "two")]
    other_text = build(tmp_path / "three", "data", "b", steps=1).manifest.content_id
    other_input = build(tmp_path / "four", "data", "a", steps=1, inputs={"raw": "1"}).manifest.content_id
    assert same[0] == same[1]
    assert len({same[0], other_text, other_input}) == 3


def test_another_configuration_takes_the_place_of_the_old_work_only_when_finished(tmp_path: Path) -> None:
    old = build(tmp_path, "data", "old", steps=1)
    unfinished = StageFolder(tmp_path, "data", kind="data", config={"steps": 2}, inputs={})
    unfinished.begin()
    assert (tmp_path / "data/out.txt").read_text() == "old"
    build(tmp_path, "data", "new", steps=2)
    assert (tmp_path / "data/out.txt").read_text() == "new"
    kept = tmp_path / ".replaced" / f"data-{old.manifest.content_id[:12]}" / "out.txt"
    assert kept.read_text() == "old"


def test_what_an_interrupted_stage_wrote_is_still_there(tmp_path: Path) -> None:
    stage = StageFolder(tmp_path, "data", kind="data", config={}, inputs={})
    (stage.begin() / "half").write_text("half")
    again = StageFolder(tmp_path, "data", kind="data", config={}, inputs={})
    assert again.manifest is None
    assert (again.begin() / "half").read_text() == "half"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest"])
def test_damage_is_named_and_never_built_over(tmp_path: Path, damage: str) -> None:
    build(tmp_path, "data", "abc")
    file = tmp_path / "data" / ("manifest.json" if damage == "manifest" else "out.txt")
    if damage == "remove":
        file.unlink()
    else:
        file.write_text({"flip": "abd", "truncate": "ab", "manifest": '{"kind": 3'}[damage])
    with pytest.raises(ArtifactError, match=file.name):
        StageFolder(tmp_path, "data", kind="data", config={}, inputs={})


def test_lineage_orders_parents_first_and_notices_a_missing_parent(tmp_path: Path) -> None:
    data = build(tmp_path, "zz_data", "a")
    build(tmp_path, "model", "b", inputs={"data": data.manifest.content_id})
    assert [(node.name, node.parents) for node in lineage(tmp_path)] == [("zz_data", ()), ("model", ("zz_data",))]
    build(tmp_path, "zz_data", "other", steps=9)
    with pytest.raises(ArtifactError, match="no longer in"):
        lineage(tmp_path)


def test_a_run_folder_serves_one_process_at_a_time(tmp_path: Path) -> None:
    with run_lock(tmp_path), pytest.raises(ArtifactError, match="another process"), run_lock(tmp_path):
        pytest.fail("the second lock was given")
    with run_lock(tmp_path):
        pass


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(ArtifactError, match="No space left"), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "model") as temporary:
        (temporary / "half").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "whole").write_text("x")
    with pytest.raises(ArtifactError, match="exists already"), atomic_folder(tmp_path / "model"):
        pytest.fail("an existing folder was offered for writing")
    assert (tmp_path / "model/whole").read_text() == "x"


@pytest.mark.parametrize("renames_before_the_kill", [0, 1])
def test_a_stage_killed_while_it_moved_is_found_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames_before_the_kill: int
) -> None:
    build(tmp_path, "data", "old", steps=1)
    real, renames = Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        if self.name.startswith("data"):
            if len(renames) == renames_before_the_kill:
                raise KeyboardInterrupt
            renames.append(self)
        return real(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", rename)
        build(tmp_path, "data", "new", steps=2)
    again = build(tmp_path, "data", "never written", steps=2)
    assert (tmp_path / "data/out.txt").read_text() == "new"
    assert again.manifest is not None and again.manifest.config == {"steps": 2}
    assert list((tmp_path / ".replaced").iterdir()) and not again.partial.exists()
