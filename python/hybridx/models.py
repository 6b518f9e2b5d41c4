"""Which models an index is used with: chosen by its settings and by what it was made with, kept."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Any

from hybridx.config import NO_RERANKING
from hybridx.errors import HybridxError, ModelError

if TYPE_CHECKING:
    from hybridx.commit import Manifest
    from hybridx.config import Settings
    from hybridx.embed.model import Model
    from hybridx.embed.rerank import Reranker
    from hybridx.layout import Layout
    from hybridx.types import ModelInfo

_CHOICES = re.compile(r"#(?:precision=\w+)?,?(?:dimension=\d+)?$")
"""What follows the folder in the reference to a model."""


class Models:
    """The models of one index. Each is looked for once; safe for several threads."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        """Nothing is looked for yet."""
        self._layout = layout
        self._settings = settings
        self._models: dict[tuple[object, ...], Model] = {}
        self._rerankers: dict[str, Reranker] = {}
        self._lock = threading.Lock()

    def wanted(self) -> Model:
        """The model that is asked for; where none is, the one the index has.

        Raises:
            ModelError: it is not there, or a part of it is missing or wrong.
        """
        from hybridx.commit import Generation

        settings = self._settings
        choices = {"precision": settings.precision, "dimension": settings.dimension}
        current = None
        if settings.origin("model") == "default":
            with contextlib.suppress(HybridxError):
                current = Generation.current(self._layout)
        if current is not None:
            # Its precision is the index's too, wherever it runs now.
            return self.of(current.manifest, **choices, device="cpu")
        trusted = not settings.is_from_project("model")
        return self._model(settings.model, **choices, device=settings.device, trusted=trusted)

    def serving(self) -> Model | None:
        """The model of the index that is there; `None` if there is none, or it is gone."""
        from hybridx.commit import Generation

        with contextlib.suppress(HybridxError):
            current = Generation.current(self._layout)
            if current is not None:
                return self.of(current.manifest)
        return None

    def of(self, manifest: Manifest, **choices: Any) -> Model:
        """The model that a generation was made with.

        Raises:
            ModelError: it is not there any more, or not whole.
        """
        bundled = manifest.model_source == "bundled"
        try:
            return self._model("bundled" if bundled else manifest.model_folder, **choices)
        except ModelError as error:
            raise ModelError(
                f"the index was made with model {manifest.model}: {error}; "
                "name another with hybridx index --model, or search with --mode lexical"
            ) from error

    def reranker(self, name: str) -> Reranker | None:
        """The cross-encoder `name`; it is kept, whatever generation is searched.

        Raises:
            ModelError: there is none of that name, or it does not work.
        """
        if name == NO_RERANKING:
            return None
        with self._lock:
            if name not in self._rerankers:
                from hybridx.embed.rerank import Reranker, load_cross_encoder

                self._rerankers[name] = Reranker(
                    load_cross_encoder(name),
                    device=self._settings.device,
                    threads=self._settings.threads,
                )
            return self._rerankers[name]

    def release(self) -> None:
        """Lets go of the cross-encoders, which are all that is held in memory."""
        self._rerankers = {}

    def _model(self, name: str, **choices: Any) -> Model:
        """The model called `name`; that of a manifest needs no `choices`."""
        key = (name, *choices.values())
        if key not in self._models:
            from hybridx.embed.model import load_model

            self._models[key] = load_model(name, cache_dir=self._settings.cache_dir, **choices)
        return self._models[key]


def model_info(manifest: Manifest) -> ModelInfo:
    """The model of a generation, as reports show it."""
    from hybridx.types import ModelInfo

    return ModelInfo(
        name=manifest.model,
        source=manifest.model_source,
        dimension=manifest.dimension,
        fingerprint=manifest.model_fingerprint,
        path=_CHOICES.sub("", manifest.model_folder),
    )
