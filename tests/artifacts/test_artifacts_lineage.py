"""What was made from an artifact is found through all runs, and a list that might be incomplete is refused."""

from pathlib import Path

import pytest

from better_ai.artifacts import MANIFEST, StageFolder, descendants
from better_ai.errors import ArtifactError


def stage(run: Path, name: str, content: str, **inputs: str) -> str:
    folder = StageFolder(run, name, kind=name, config={"content": content}, inputs=inputs)
    (folder.begin() / "product").write_text(content)
    return folder.finish(products=["product"], metrics={}).content_id


def test_direct_and_indirect_descendants_of_all_runs_are_found(tmp_path: Path) -> None:
    data = stage(tmp_path / "a", "data", "text")
    tokenizer = stage(tmp_path / "a", "tokenizer", "pieces", data=data)
    stage(tmp_path / "a", "pretrain", "weights", tokenizer=tokenizer)
    stage(tmp_path / "b", "sft", "weights", pretrain="elsewhere", tokenizer=tokenizer)
    stage(tmp_path / "b", "data", "other text")
    stage(tmp_path / "a", "pretrain", "other weights", tokenizer=tokenizer)
    found = [str(folder.relative_to(tmp_path)) for folder, _ in descendants(tmp_path, data)]
    replaced = [name for name in found if ".replaced" in name]
    assert [name for name in found if name not in replaced] == ["a/pretrain", "a/tokenizer", "b/sft"]
    assert len(replaced) == 1 and replaced[0].startswith("a/.replaced/pretrain-")
    assert descendants(tmp_path, "nothing") == []


def test_a_damaged_manifest_stops_the_search(tmp_path: Path) -> None:
    data = stage(tmp_path / "a", "data", "text")
    stage(tmp_path / "a", "tokenizer", "pieces", data=data)
    (tmp_path / "a" / "tokenizer" / MANIFEST).write_text("{")
    with pytest.raises(ArtifactError, match="tokenizer"):
        descendants(tmp_path, data)
