"""LanceDB comes without what an index does not need, and is whole for whoever asks for more."""

from __future__ import annotations

import pytest

from support import script

LIGHT = """
import sys
from hybridx.lance import load_lancedb
lancedb = load_lancedb()
"""

PUT_OFF = """
from hybridx.lance import _Loader
def waiting():
    modules = list(sys.modules.items())
    return {name for name, each in modules if isinstance(each.__dict__.get("__loader__"), _Loader)}
"""

STORE = """
import hashlib
import numpy as np, pyarrow as pa
from pathlib import Path
from hybridx.store import VectorStore
store = VectorStore(Path(sys.argv[1]), 4)
store.open()
def rows(first, paths):
    n = len(paths)
    digests = [hashlib.sha256(p.encode()).digest()[:16] for p in paths]
    given = dict(id=range(first, first + n), path=paths, language="c" * n, kind="c" * n)
    given["text_digest"] = digests
    schema = store._schema
    arrays = [pa.array(given[f.name], f.type) for f in schema if f.name != "vector"]
    batch = pa.RecordBatch.from_arrays(arrays, names=[f.name for f in schema if f.name != "vector"])
    return store.rows(batch, np.eye(n, 4, dtype=np.float32))
"""

WORK = """
store.add([rows(1, ["a", "b", "c"])])
store.delete(["b"])
assert store.ids() == [1, 3], store.ids()
assert store.search(np.eye(3, 4, dtype=np.float32)[2], 1, "path = 'c'") == [(3, 1.0)]
assert len(store) == 2
store.read_back(store.version, 2)
found = store.vectors_of(["c", "a"])
expected = {hashlib.sha256(p.encode()).digest()[:16]: row for p, row in [("a", 0), ("c", 2)]}
assert found.keys() == expected.keys()
assert all((found[d] == np.eye(3, 4)[row]).all() for d, row in expected.items()), found
"""

NAMESPACE = """
import pyarrow as pa
db = lancedb.connect_namespace("dir", {"root": sys.argv[1]})
db.create_namespace(["one"])
db.create_table("t", pa.table({"id": [1, 2]}), namespace_path=["one"])
assert db.list_tables(namespace_path=["one"]).tables == ["t"]
assert db.open_table("t", namespace_path=["one"]).count_rows() == 2
assert list(db.list_namespaces().namespaces) == ["one"]
try:
    db.drop_namespace(["one"])
except lancedb.db.NamespaceNotEmptyError:
    pass
else:
    raise AssertionError("a namespace that is not empty was dropped")
"""

WHOLE = """
import importlib, lance_namespace, lance_namespace_urllib3_client.models, pyarrow.dataset, overrides
import lance_namespace.errors, pyarrow as pa
assert lancedb.db.ListTablesResponse(tables=["t"]).tables == ["t"]
for module in (lancedb.db, lancedb.remote.db, lancedb.namespace):
    for name in ("LanceNamespace", "ListTablesResponse", "DescribeNamespaceResponse"):
        assert getattr(module, name) is getattr(lance_namespace, name), (module, name)
assert lancedb.db.TableNotFoundError is lance_namespace.errors.TableNotFoundError
assert lance_namespace.errors.TableNotFoundError is lance_namespace.TableNotFoundError
assert len(dir(lance_namespace_urllib3_client)) > 100
assert lance_namespace_urllib3_client.TableApi
assert isinstance(pa.dataset.dataset(pa.table({"a": [1]})), pa.dataset.InMemoryDataset)
assert pa.compute.sum(pa.array([1, 2])).as_py() == 3
assert overrides.overrides
namespace = {}
exec("from lance_namespace import *", namespace)
assert namespace["ListTablesResponse"] is lance_namespace.ListTablesResponse
"""


def run(tmp_path: object, *code: str) -> str:
    result = script("".join(code), str(tmp_path))
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_an_index_needs_none_of_what_is_put_off(tmp_path: object) -> None:
    code = """
left = waiting()
assert {"lance_namespace", "lance_namespace_urllib3_client", "pyarrow.compute"} <= left, left
heavy = {"urllib3", "lance_namespace_urllib3_client.api", "pyarrow._dataset"} & sys.modules.keys()
assert not heavy, heavy
"""
    run(tmp_path, LIGHT, PUT_OFF, STORE, WORK, code)


def test_lancedb_can_all_it_could(tmp_path: object) -> None:
    run(tmp_path, LIGHT, PUT_OFF, "assert waiting()", NAMESPACE, WHOLE)


def test_names_are_those_of_a_plain_import(tmp_path: object) -> None:
    """Of every module of LanceDB, without and with what was put off."""
    names = """
import types
def told(value):
    return getattr(value, "__qualname__", None) or getattr(value, "__name__", type(value).__name__)
found = {}
for name, module in sorted(sys.modules.items()):
    if name.split(".")[0] == "lancedb":
        found[name] = sorted((k, told(v)) for k, v in vars(module).items() if k[0] != "_")
import json
print(json.dumps(found))
"""
    plain = run(tmp_path, "import sys, lancedb, lance_namespace, overrides\n", names)
    assert len(plain) > 10_000, "nothing was compared"
    assert run(tmp_path, LIGHT, "lancedb.db.ListTablesResponse(tables=[])\n", names) == plain


def test_lancedb_that_is_there_is_taken(tmp_path: object) -> None:
    before = "import sys, lancedb as first\n"
    run(tmp_path, before, LIGHT, PUT_OFF, "assert first is lancedb and not waiting()", WHOLE)


def test_whoever_imports_it_later_gets_the_same(tmp_path: object) -> None:
    after = """
kept = lancedb
import lancedb, lancedb.pydantic, lancedb.rerankers, lancedb.embeddings
assert kept is lancedb
assert lancedb.embeddings.get_registry().get("openai")
class Row(lancedb.pydantic.LanceModel):
    id: int
    vector: lancedb.pydantic.Vector(2)
table = lancedb.connect(sys.argv[1]).create_table("rows", schema=Row)
table.add([Row(id=1, vector=[0.0, 1.0])])
assert table.search([0.0, 1.0]).limit(1).to_pydantic(Row)[0].id == 1
taken = lancedb.db.LanceNamespace
class Mine(lancedb.db.LanceNamespace):
    def namespace_id(self):
        return "mine"
import lance_namespace
assert issubclass(Mine, lance_namespace.LanceNamespace) and Mine().namespace_id() == "mine"
assert isinstance(Mine(), lancedb.namespace.LanceNamespace)
assert issubclass(Mine, taken) and isinstance(Mine(), taken) and not issubclass(int, taken)
"""
    run(tmp_path, LIGHT, after)


def test_many_threads_at_once_get_one_whole_library(tmp_path: object) -> None:
    threads = """
import sys, threading
sys.setswitchinterval(1e-5)
from hybridx.lance import load_lancedb
start, found, errors = threading.Barrier(8), [], []
def plain():
    import lancedb
    return lancedb
def namespace():
    from lance_namespace import ListTablesResponse
    assert ListTablesResponse(tables=["a"]).tables == ["a"]
    return plain()
def dataset():
    import pyarrow as pa, pyarrow.dataset as ds, pyarrow.compute as pc
    assert ds.dataset(pa.table({"a": [1]})).count_rows() == pc.sum(pa.array([1])).as_py()
    return plain()
def body(work):
    try:
        start.wait()
        found.append(work())
    except BaseException as error:
        errors.append(repr(error))
works = [load_lancedb, namespace, load_lancedb, dataset, plain, load_lancedb, namespace, dataset]
threads = [threading.Thread(target=body, args=[work], daemon=True) for work in works]
for each in threads: each.start()
for each in threads: each.join(60)
assert not errors, errors
assert len(found) == 8 and len(set(map(id, found))) == 1, found
lancedb = found[0]
"""
    for _ in range(3):
        run(tmp_path, threads, WHOLE)


@pytest.mark.parametrize(
    "surprise",
    [
        pytest.param("lance.KNOWN = '0.39.'", id="another version"),
        pytest.param("lance._stand_in = lambda *given: 1 / 0", id="no stand-ins"),
        pytest.param("lance._stand_in = lambda *given: 'text'", id="annotations that fail"),
        pytest.param("lance._INSTEAD['overrides'] = {}", id="a name that is unknown"),
        pytest.param("lance.PathFinder = None", id="no way to find modules"),
        pytest.param("lance._Loader.exec_module = lambda *given: 1 / 0", id="no way to put off"),
    ],
)
def test_surprises_give_the_plain_import(tmp_path: object, surprise: str) -> None:
    before = f"import sys\nfrom hybridx import lance\n{surprise}\n"
    meta_path = """
import gc
assert gc.isenabled()
assert not [each for each in sys.meta_path if isinstance(each, lance._Finder)]
"""
    run(tmp_path, before, LIGHT, PUT_OFF, "assert not waiting()\n", meta_path, NAMESPACE, WHOLE)


def test_a_module_that_fails_when_it_is_needed_says_so_each_time(tmp_path: object) -> None:
    broken = """
module = sys.modules["lance_namespace"]
real = module.__loader__.real
class Broken:
    def exec_module(self, module):
        raise ImportError("no catalogue here")
module.__loader__.real = Broken()
import lance_namespace
for _ in range(2):
    try:
        lance_namespace.LanceNamespace
    except ImportError as error:
        assert "no catalogue" in str(error)
    else:
        raise AssertionError("it did not say so")
module.__loader__.real = real
"""
    run(tmp_path, LIGHT, broken, NAMESPACE, WHOLE)
