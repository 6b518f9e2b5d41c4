"""What may crash: each probe runs in a process of its own, `python -m hybridx.doctor.inner`.

Its arguments are the name of the probe, the root, and the index's folder or nothing. It prints the
findings as JSON.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.config import Settings
from hybridx.doctor.findings import Finding, failed
from hybridx.errors import HybridxError, NotIndexedError, UsageError
from hybridx.units import size

if TYPE_CHECKING:
    from collections.abc import Callable

_DIMENSION = 8
_UNIT = 1e-2


def core(_settings: Settings, _root: Path) -> list[Finding]:
    """Whether the extension loads."""
    from hybridx import _core

    versions = ", ".join(f"{name} {number}" for name, number in sorted(_core.versions().items()))
    return [Finding("core", "ok", versions)]


def vectors(_settings: Settings, _root: Path) -> list[Finding]:
    """Whether LanceDB loads, stores and finds a vector."""
    import numpy as np
    import pyarrow as pa

    from hybridx.store import VectorStore

    unit = np.eye(4, _DIMENSION, dtype=np.float32)
    names = ["a", "b", "c", "d"]
    batch = pa.RecordBatch.from_pydict(
        {
            "id": pa.array(range(4), pa.uint64()),
            "path": names,
            "language": names,
            "kind": names,
            "text_digest": pa.array([bytes(16)] * 4, pa.binary(16)),
        }
    )
    with tempfile.TemporaryDirectory(prefix="hybridx-doctor-") as folder:
        store = VectorStore(Path(folder), _DIMENSION)
        store.open()
        store.add([store.rows(batch, unit)])
        found = store.search(unit[2], 1, None)
    if not found or found[0][0] != 2:  # noqa: PLR2004 - the one that was asked for
        return [Finding("vector store", "problem", "LanceDB finds another vector than the nearest")]
    return [Finding("vector store", "ok", "LanceDB stores and finds vectors")]


def runtime(settings: Settings, _root: Path) -> list[Finding]:
    """What ONNX Runtime offers, and what of it works."""
    from hybridx.embed.session import CUDA, load_onnxruntime, missing_gpu

    ort = load_onnxruntime()
    offered = [each.removesuffix("ExecutionProvider") for each in ort.get_available_providers()]
    missing = missing_gpu()
    said = f"ONNX Runtime {ort.__version__} offers {', '.join(offered)}"
    if CUDA not in ort.get_available_providers():
        missing = None if settings.device != "cuda" else missing
    state = "problem" if missing and settings.require_gpu else "ok"
    if missing and settings.device == "cuda" and state == "ok":
        state = "warning"
    what = f"; CUDA does not work: {missing}" if missing else ""
    advice = "" if state == "ok" else "install what is missing, or set HYBRIDX_DEVICE=cpu"
    return [Finding("runtime", state, said + what, advice)]  # type: ignore[arg-type]


def model(settings: Settings, root: Path) -> list[Finding]:
    """Whether the model loads, is what was added, and embeds a text."""
    import numpy as np

    from hybridx.api import Index
    from hybridx.embed.added import find_added, is_intact, list_added
    from hybridx.embed.embedder import Embedder

    # The one an update would take: the index's own where none is configured.
    chosen = Index.open(root, settings=settings).wanted_model()
    name = f"{chosen.name} ({chosen.dimension:,} dimensions, {chosen.precision})"
    added = find_added(settings.cache_dir, chosen.name) or next(
        (each for each in list_added(settings.cache_dir) if each.folder == chosen.folder), None
    )
    if added is not None and not is_intact(added):
        again = f"hybridx models remove {added.name} && hybridx models add {added.name}"
        return [Finding("model", "problem", f"{name}: its files are not what was added", again)]
    embedder = Embedder(chosen, device=settings.device, require_gpu=settings.require_gpu)
    vector = embedder.embed_queries(["read the lines of a file"])[0]
    # Written so that NaN fails.
    if not abs(float(np.linalg.norm(vector)) - 1.0) < _UNIT:
        return [Finding("model", "problem", f"{name}: what it makes of a text is no unit vector")]
    note = embedder.session.note
    said = f"{name} embeds on {embedder.session.device}"
    return [Finding("model", "warning" if note else "ok", said, note or "")]


def index(settings: Settings, root: Path) -> list[Finding]:
    """The index of the root."""
    from hybridx import _core
    from hybridx.api import Index
    from hybridx.layout import Layout

    layout = Layout.of(root, index_dir=settings.index_dir, index_parent=settings.index_parent)
    command = f"hybridx index {shlex.quote(str(root))}"
    holders = []
    with contextlib.suppress(HybridxError, OSError):
        lock = _core.Lock.acquire(layout.lock, timeout=0.0) if layout.lock.exists() else None
        if lock is not None:
            lock.release()
        elif layout.lock.exists():
            holder = _core.Lock.holder(layout.lock)
            holders.append(f"process {holder[0]} writes it" if holder else "somebody writes it")
    for what, pid in (("watches", layout.watcher()), ("fills it in", layout.filler())):
        holders += [f"process {pid} {what}"] if pid is not None else []
    try:
        with Index.open(root, settings=settings) as opened:
            found = opened.status()
    except NotIndexedError:
        said = "; ".join(["none yet", *holders])
        return [Finding("index", "ok", said, f"make it: {command}")]
    said = f"generation {found.generation:,}, {found.files:,} files, {found.chunks:,} chunks, "
    said += "; ".join([size(found.size_bytes["total"]), *holders])
    if found.model_error is not None:
        advice = "search with --mode lexical, or name a model: hybridx index --model NAME"
        return [Finding("index", "problem", f"{said}; {found.model_error}", advice)]
    if found.outdated:
        said += "; made by another version or with other settings"
        return [Finding("index", "warning", said, f"make it anew: {command}")]
    if found.pending:
        said += f"; {found.pending:,} changed since"
        return [Finding("index", "ok", said, f"bring it up to date: {command}")]
    return [Finding("index", "ok", f"{said}; fresh")]


PROBES: dict[str, Callable[[Settings, Path], list[Finding]]] = {
    "core": core,
    "vector store": vectors,
    "runtime": runtime,
    "model": model,
    "index": index,
}


_CONFIGURED = ("model", "index")
"""Which of them ask for what is configured."""


def _settings(root: str, index_dir: str) -> Settings | None:
    """`None` if something is wrong with them, which has a row of its own."""
    try:
        return Settings.load(root, {"index_dir": index_dir or None})
    except (UsageError, OSError):
        return None


def main(arguments: list[str]) -> None:
    """Runs one probe and prints what it finds."""
    name, root, index_dir = arguments
    try:
        settings = _settings(root, index_dir)
        if settings is None and name in _CONFIGURED:
            found = [failed(name, "the settings make no sense; correct them first")]
        else:
            found = PROBES[name](settings or Settings(), Path(root))
    except (HybridxError, ImportError, OSError) as error:
        found = [Finding(name, "problem", f"{type(error).__name__}: {error}", ADVICE.get(name, ""))]
    print(json.dumps([each.to_json() for each in found]))  # noqa: T201 - this is the answer


ADVICE = {
    "core": "install hybridx anew, for this very Python: pip install --force-reinstall hybridx",
    "vector store": "searches by meaning and updates do not work here; --mode lexical does",
    "runtime": "install ONNX Runtime anew: pip install --force-reinstall onnxruntime",
    "model": "see hybridx models list; the bundled model needs nothing: --model bundled",
    "index": "see what is wrong: hybridx verify; mend it: hybridx verify --repair",
}
"""What to do when a probe fails."""


if __name__ == "__main__":
    main(sys.argv[1:])
