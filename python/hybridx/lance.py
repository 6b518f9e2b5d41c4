"""LanceDB, loaded without what an index never asks of it.

`import lancedb` costs about a second of CPU time. More than half of that are the generated models
of a REST catalogue, checks of its own classes and parts of pyarrow, of which a table in a folder
needs none. While LanceDB is imported here these modules are put off: they are the real ones, they
are in `sys.modules`, and they run when somebody looks into them. What LanceDB takes from them by
name is a stand-in until then. Whoever else imports LanceDB, before or after, has all of it.

Where anything is not as it was when this was written, LanceDB is imported as ever.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.util
import os
import sys
import threading
import types
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

KNOWN = "0.40."
"""How the versions begin whose imports were looked at."""

_PUT_OFF = (
    "lance_namespace",
    "lance_namespace_urllib3_client",
    "overrides",
    "pyarrow.compute",
    "pyarrow.dataset",
    "pyarrow.fs",
)
_AT_ONCE = ("lance_namespace.errors",)
"""Light, and caught by `except`, which takes no stand-ins."""

_OURS = ("lancedb", "lance_namespace", "lance_namespace_urllib3_client")
"""Packages that are imported once more if the first attempt fails."""

_NATIVE = "lancedb._lancedb"
"""A compiled module stays: it cannot be loaded twice."""

_lock = threading.Lock()
_running = threading.RLock()
"""Held while a module that was put off runs; nobody who holds it waits for `_lock`."""


def load_lancedb() -> ModuleType:
    """LanceDB, told to keep its warnings to itself: what matters comes as an error.

    And to sort the rows of an index in portions of 16 MiB, which for 1.4 million vectors takes 100
    MiB less than its own portions, and no longer; and to read 2,048 rows at once, 2 MiB of 256
    dimensions: of its own 8 MiB the allocator maps each anew, and an index takes a third longer.
    """
    os.environ.setdefault("LANCEDB_LOG", "off")
    os.environ.setdefault("LANCE_DEFAULT_BATCH_SIZE", "2048")
    os.environ.setdefault("LANCE_SHUFFLE_BATCH_BYTES", str(16 << 20))
    with _lock:
        if "lancedb" not in sys.modules and _is_known():
            with contextlib.suppress(Exception):
                return _light()
        import lancedb

        module: ModuleType = lancedb
        return module


def _is_known() -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lancedb").startswith(KNOWN)
    except PackageNotFoundError:
        return False


def _light() -> ModuleType:
    """LanceDB with the rest put off; if that fails, nothing of the attempt stays."""
    before = set(sys.modules)
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        with _without_collections():
            return importlib.import_module("lancedb")
    except BaseException:
        for name in set(sys.modules) - before:
            if name != _NATIVE and _is_in(name, (*_OURS, *_PUT_OFF)):
                del sys.modules[name]
        raise
    finally:
        finder.importing = None
        sys.meta_path.remove(finder)


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """No garbage collection: there are ever more objects meanwhile, and all of them stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _is_in(name: str, packages: Sequence[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in packages)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are put off, for the one thread that imports LanceDB."""

    def __init__(self) -> None:
        self.importing: int | None = threading.get_ident()

    @property
    def is_asked(self) -> bool:
        return self.importing == threading.get_ident()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Puts nothing off that is imported meanwhile."""
        asked, self.importing = self.is_asked, None if self.is_asked else self.importing
        try:
            yield
        finally:
            if asked:
                self.importing = threading.get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self.is_asked or not _is_in(name, _PUT_OFF) or _is_in(name, _AT_ONCE):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None and spec.origin is not None:
            spec.loader = _Loader(spec.loader, self)
            return spec
        return None


class _Loader(importlib.abc.Loader):
    """Makes a module and runs it later."""

    def __init__(self, real: Any, finder: _Finder) -> None:
        self.real = real
        self.finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self.real.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Not yet."""
        module.__class__ = _PutOff


_OF_IMPORTS = ("__path__", "__file__", "__cached__")
"""What an import asks of a module, and has given to those that have it."""


class _PutOff(types.ModuleType):
    """A module that runs when somebody asks for a name it does not have."""

    def __getattr__(self, name: str) -> Any:
        loader = self.__dict__.get("__loader__")
        if not isinstance(loader, _Loader) or name in _OF_IMPORTS:
            # It is running, or has run in another thread while this one waited.
            return _plain(self, name)
        if loader.finder.is_asked and not name.startswith("__"):
            instead = _INSTEAD.get(self.__name__)
            return instead[name] if instead else _stand_in(self.__name__, name)
        _run(self)
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        _run(self)
        return sorted(self.__dict__)


def _plain(module: ModuleType, name: str) -> Any:
    with _running:
        try:
            return module.__dict__[name]
        except KeyError:
            text = f"module {module.__name__!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=module) from None


def _run(module: ModuleType) -> None:
    """Runs a module that was put off, as its import would have."""
    with _running:
        spec, loader = module.__spec__, module.__loader__
        if spec is None or not isinstance(loader, _Loader):
            return
        module.__loader__ = spec.loader = loader.real
        try:
            with loader.finder.aside():
                loader.real.exec_module(module)
        except BaseException:
            module.__loader__ = spec.loader = loader
            raise
        module.__class__ = types.ModuleType
        _replace_stand_ins(module)


class _StandIn(type):
    """The class of stand-ins: each is a class, so that annotations may name it."""

    home: str

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if any(isinstance(base, _StandIn) for base in bases):
            real = tuple(_real(base) if isinstance(base, _StandIn) else base for base in bases)
            return types.new_class(name, real, exec_body=lambda space: space.update(body))
        return super().__new__(cls, name, bases, body)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _real(cls)(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real(cls), name)

    def __instancecheck__(cls, instance: object) -> bool:
        # Before its module has run there are none.
        module = sys.modules[cls.home]
        return not isinstance(module.__loader__, _Loader) and isinstance(instance, _real(cls))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return subclass is cls or issubclass(subclass, _real(cls))


def _stand_in(home: str, name: str) -> Any:
    return _StandIn(name, (), {"home": home, "__module__": home})


def _real(stand_in: _StandIn) -> Any:
    """What a stand-in stands for."""
    module = sys.modules[stand_in.home]
    _run(module)
    return getattr(module, stand_in.__name__)


def _replace_stand_ins(home: ModuleType) -> None:
    """Gives LanceDB's modules the real things, now that they are there."""
    for name, module in list(sys.modules.items()):
        if _is_in(name, ("lancedb",)):
            for key, value in list(vars(module).items()):
                if isinstance(value, _StandIn) and value.home == home.__name__:
                    setattr(module, key, getattr(home, value.__name__))


def override(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `typing.override` is to a program that runs."""
    return function


_INSTEAD: dict[str, dict[str, Any]] = {
    # As LanceDB itself does where Python has an `override`: it checks nothing.
    "overrides": {"override": override, "EnforceOverrides": type("EnforceOverrides", (), {})}
}
