"""Models: their contract, the ONNX Runtime session, and vectors from chunks."""

from __future__ import annotations

from hybridx.embed.model import Model, list_models, load_configured, load_model

__all__ = ["Model", "list_models", "load_configured", "load_model"]
