"""Which artifact came from which: the graph of a run folder, by content id."""

from dataclasses import dataclass
from pathlib import Path

from better_ai.artifacts.manifest import MANIFEST, Manifest
from better_ai.errors import ArtifactError


@dataclass(frozen=True)
class LineageNode:
    """One finished stage and the names of the stages it was made from."""

    name: str
    folder: Path
    manifest: Manifest
    parents: tuple[str, ...]


def lineage(run: Path) -> list[LineageNode]:
    """The finished stages of a run, parents before children.

    Raises ArtifactError when the folder holds none, or when a stage names an input that is not there (it was built
    from an artifact that has been replaced since).
    """
    folders = sorted(path.parent for path in run.glob(f"[!.]*/{MANIFEST}"))
    if not folders:
        raise ArtifactError(f"{run} holds no finished stage; give a run folder such as runs/quickstart")
    manifests = {folder: Manifest.read(folder) for folder in folders}
    by_id = {manifest.content_id: folder.name for folder, manifest in manifests.items()}
    nodes = []
    for folder, manifest in manifests.items():
        for name, identity in manifest.inputs.items():
            if identity not in by_id:
                raise ArtifactError(
                    f"{folder} was made from {name} {identity[:12]}, which is no longer in {run}; run the recipe again"
                )
        parents = tuple(dict.fromkeys(by_id[identity] for identity in manifest.inputs.values()))
        nodes.append(LineageNode(folder.name, folder, manifest, parents))
    return _parents_first(nodes)


def descendants(runs: Path, content_id: str) -> list[tuple[Path, Manifest]]:
    """The finished stages below `runs` that were made from an artifact, directly or through others.

    All runs are looked through, with what they have replaced. A damaged manifest raises ArtifactError: a list that
    might be incomplete is worse than none.
    """
    manifests = {path.parent: Manifest.read(path.parent) for path in sorted(runs.rglob(MANIFEST))}
    tainted = {content_id}
    found: dict[Path, Manifest] = {}
    while True:
        more = {
            folder: manifest
            for folder, manifest in manifests.items()
            if folder not in found and not tainted.isdisjoint(manifest.inputs.values())
        }
        if not more:
            return sorted(found.items())
        found |= more
        tainted |= {manifest.content_id for manifest in more.values()}


def _parents_first(nodes: list[LineageNode]) -> list[LineageNode]:
    ordered: list[LineageNode] = []
    placed: set[str] = set()
    waiting = sorted(nodes, key=lambda node: (node.manifest.created_at, node.name))
    while waiting:
        ready = next((node for node in waiting if placed.issuperset(node.parents)), None)
        assert ready is not None, "content ids cannot form a circle"
        ordered.append(ready)
        placed.add(ready.name)
        waiting.remove(ready)
    return ordered
