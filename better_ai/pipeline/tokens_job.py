"""Token shards of a run's corpus: the stage that turns documents into what training reads."""

from pathlib import Path

from better_ai.artifacts import Manifest
from better_ai.config.data import LocalExecutorConfig
from better_ai.data import SPLITS, corpus_files
from better_ai.data.engine import DONE, OnProgress, Phases, open_executor
from better_ai.data.loading import tokenize_files
from better_ai.data.loading.exchange import write_hdf5
from better_ai.pipeline.clock import CLOCK
from better_ai.pipeline.data_job import DATA, run_on_corpus
from better_ai.pipeline.stage import Progress, StageResult
from better_ai.tokenizer import load

NAME = "tokens"


def tokenize_corpus(
    run: Path, tokenizer: Path, *, hdf5: bool = False, workers: int = 0, progress: Progress | None = None
) -> Manifest:
    """Tokenise the corpus in `run/data` into a token dataset for each split, below `run/tokens`.

    `hdf5`: also as one HDF5 file for each split (extra `data`). `workers`: 0 for one per core. A finished stage is
    found and an interrupted one goes on. Raises UserError when there is no corpus, ArtifactError for a damaged or
    locked run folder or a damaged tokenizer.
    """

    def work(folder: Path, on_progress: OnProgress) -> StageResult:
        corpus, figures = Manifest.read(run / DATA.name), {}
        with open_executor(LocalExecutorConfig(workers=workers)) as executor:
            for split in SPLITS:
                files = corpus_files(run / DATA.name, split)
                phases = Phases((folder / split).absolute(), executor, on_progress)
                hashes = [corpus.files[f"{split}/{file.name}"].sha256 for file in files]
                dataset = tokenize_files(files, tokenizer, phases, sha256=hashes)
                phases.prune()
                if hdf5:
                    write_hdf5(dataset, folder / f"{split}.h5")
                figures[split] = {
                    "documents": dataset.num_documents,
                    "tokens": dataset.num_tokens,
                    "bytes": dataset.num_bytes,
                    "content_id": dataset.content_id,
                }
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (DONE, CLOCK)]
        return StageResult([path.relative_to(folder).as_posix() for path in files], {NAME: figures})

    asked = {"tokenizer": load(tokenizer).content_id, "hdf5": hdf5}
    return run_on_corpus(run, NAME, asked=asked, work=work, progress=progress)
