"""What is written beside a tokenizer's model file, and checked when it is loaded."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from better_ai.artifacts import content_id, read_json, write_json
from better_ai.config import TokenizerConfig
from better_ai.errors import ArtifactError
from better_ai.tokenizer.special import SPECIAL_IDS

MODEL_FILE = "tokenizer.model"
MANIFEST_FILE = "tokenizer.manifest.json"


class TokenizerManifest(BaseModel):
    """Identity and origin of a tokenizer."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["better-ai-tokenizer"] = "better-ai-tokenizer"
    format_version: Literal[1] = 1
    """How text becomes ids and back; raised when that changes for the same model file."""
    vocab_size: int
    special: dict[str, int]
    model_sha256: str
    config: TokenizerConfig
    sample_bytes: int
    """Bytes of text the pieces were learned from."""
    libraries: dict[str, str]
    """Versions of what trained it."""

    @property
    def content_id(self) -> str:
        """What identifies the mapping between text and ids, however it was obtained."""
        return content_id(
            {"format": self.format, "version": self.format_version, "model": self.model_sha256, "special": self.special}
        )

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST_FILE, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path) -> "TokenizerManifest":
        """Raises ArtifactError when the file is missing, damaged, foreign or of another version."""
        path = folder / MANIFEST_FILE
        try:
            manifest = cls.model_validate(read_json(path))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise ArtifactError(
                f"{path} does not describe a tokenizer this version reads: {where}: {problem['msg']}; "
                "train the tokenizer again"
            ) from None
        if manifest.special != SPECIAL_IDS:
            different = sorted(set(manifest.special.items()) ^ set(SPECIAL_IDS.items()))
            raise ArtifactError(
                f"{path} has other special tokens than this version: {different}; train the tokenizer again"
            )
        return manifest
