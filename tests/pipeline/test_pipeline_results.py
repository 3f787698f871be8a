"""What a finished run leaves: a summary, a report that stands alone, and models one can talk to and take away."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from shrunken_run import RECIPE
from typer.testing import CliRunner

from better_ai.artifacts import read_json
from better_ai.cli.main import app
from better_ai.config import load_recipe
from better_ai.errors import ArtifactError, UserError
from better_ai.model import from_pretrained
from better_ai.pipeline import STAGES, run_main_job
from better_ai.pipeline.trained import load_trained


def test_the_summary_holds_every_stage_and_figure(undisturbed: Path) -> None:
    summary = read_json(undisturbed / "summary.json")
    names = {stage.name for stage in STAGES}
    assert set(summary["stages"]) == set(summary["content_ids"]) == set(summary["seeds"]) == names
    assert summary["schema_version"] == 1
    assert 0 < summary["validation_bits_per_byte"] < 8
    assert all(usage["seconds"] > 0 and usage["runs"] == 1 for usage in summary["stages"].values())
    systems = summary["evaluation"]["systems"]
    assert list(systems) == ["base", "baseline", "rl", "sft"]
    for system in systems.values():
        first = system["pass_at_k"]["1"]
        assert 0 <= first["low"] <= first["value"] <= first["high"] <= 1
    gain = summary["evaluation"]["rl_minus_sft"]
    expected = systems["rl"]["pass_at_k"]["1"]["value"] - systems["sft"]["pass_at_k"]["1"]["value"]
    assert gain["value"] == pytest.approx(expected)
    assert Path(summary["report"]).is_file()


def test_the_report_loads_nothing_from_anywhere(undisturbed: Path) -> None:
    page = (undisturbed / "report/report.html").read_text("utf-8")
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)
    assert not re.findall(r"<(?:script|link|img|iframe)\b", page)
    assert page.count("<svg") == 7
    assert "pass@1" in page
    assert "StrictUndefined" not in page


def test_what_a_user_writes_cannot_become_markup(undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "shrunken"
    shutil.copytree(undisturbed, run)
    shutil.rmtree(run / "report")
    tasks = run / "evaluate" / "answers-sft.jsonl"
    lines = [json.loads(line) | {"text": "<script>alert(1)</script>"} for line in tasks.read_text().splitlines()]
    tasks.write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = run / "evaluate/manifest.json"
    values = json.loads(manifest.read_text())
    values["files"].pop("answers-sft.jsonl")
    manifest.write_text(json.dumps(values))
    run_main_job(load_recipe(RECIPE), tmp_path)
    assert "<script>" not in (run / "report/report.html").read_text("utf-8")


def test_a_stage_folder_is_a_model_and_an_export_opens_in_transformers(undisturbed: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    result = CliRunner().invoke(app, ["model", "export", str(undisturbed), "--to", str(tmp_path / "hf")])
    assert result.exit_code == 0, result.output
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    tokens_BT = torch.arange(40).reshape(2, 20)
    with torch.no_grad():
        ours = from_pretrained(undisturbed / "rl")(tokens_BT).logits
        torch.testing.assert_close(ours, theirs(tokens_BT).logits, atol=1e-5, rtol=1e-5)
    assert (tmp_path / "hf/tokenizer.model").exists()
    again = CliRunner().invoke(app, ["model", "export", str(undisturbed), "--to", str(tmp_path / "hf")])
    assert isinstance(again.exception, ArtifactError)
    assert "exists already" in str(again.exception)


def test_generate_says_which_model_spoke_and_repeats_itself(undisturbed: Path) -> None:
    command = ["generate", "--prompt", "Write a function f(n) that adds 3 to n.", str(undisturbed), "--json"]
    first, second = (CliRunner().invoke(app, [*command, "--temperature", "0.8", "--seed", "5"]) for _ in "ab")
    assert first.exit_code == 0, first.output
    answer = json.loads(first.output)
    assert re.fullmatch(r"shrunken/rl@[0-9a-f]{12}", answer["model"])
    assert second.output == first.output
    other = json.loads(CliRunner().invoke(app, [*command, "--stage", "pretrain"]).output)
    assert other["model"].startswith("shrunken/pretrain@")


def test_streaming_gives_the_text_of_generate(undisturbed: Path) -> None:
    trained = load_trained(undisturbed)
    tokens = trained.complete_tokens("def ")
    sampling = {"temperature": 0.7, "max_new_tokens": 24, "seed": 2}
    assert "".join(trained.stream(tokens, **sampling)) == trained.generate(tokens, **sampling)["text"]


def test_a_prompt_longer_than_the_context_is_refused(undisturbed: Path) -> None:
    trained = load_trained(undisturbed)
    with pytest.raises(UserError, match="the model's context 256; shorten it"):
        trained.generate(trained.complete_tokens("x = 1\n" * 300), temperature=0.0, max_new_tokens=4, seed=0)


def test_damaged_weights_and_a_foreign_tokenizer_are_refused(undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run)
    weights = run / "rl/model/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.safetensors is damaged"):
        load_trained(run)
    manifest = run / "tokenizer/manifest.json"
    manifest.write_text(manifest.read_text().replace('"content_id": "', '"content_id": "0'))
    with pytest.raises(ArtifactError, match="was trained with the tokenizer"):
        load_trained(run, "sft")
