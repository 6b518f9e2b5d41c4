//! Scan, Merkle tree and diff.

use std::path::PathBuf;
use std::sync::Arc;

use hybridx_core::secrets::Policy;
use hybridx_core::walk::{self, ScanOptions};
use hybridx_core::{error::Error, merkle, why};
use pyo3::prelude::*;

use crate::errors::Result;
use crate::tools::{CancelToken, cancel_of};

/// One digest for every file and folder of a tree.
#[pyclass(frozen, module = "hybridx._core")]
pub struct MerkleTree(pub Arc<merkle::MerkleTree>);

#[pymethods]
impl MerkleTree {
    #[staticmethod]
    #[pyo3(signature = (path, *, jobs = 0, max_file_bytes = 4 << 20, default_excludes = true))]
    fn from_path(
        py: Python<'_>,
        path: PathBuf,
        jobs: usize,
        max_file_bytes: u64,
        default_excludes: bool,
    ) -> Result<Self> {
        let options =
            ScanOptions { jobs, max_file_bytes, default_excludes, ..ScanOptions::default() };
        Ok(py.detach(|| {
            let root = std::path::absolute(&path).map_err(Error::io(&path))?;
            let cache = walk::StatCache::default();
            let scan =
                walk::scan(&root, &options, &cache, &hybridx_core::cancel::Cancel::default())?;
            Ok::<_, Error>(Self(scan.tree))
        })?)
    }

    #[getter]
    fn root(&self) -> String {
        self.0.root().to_string()
    }
    fn diff(&self, py: Python<'_>, old: PyRef<'_, Self>) -> Changes {
        let old = old.0.clone();
        Changes(py.detach(|| self.0.diff(&old)))
    }

    fn digest(&self, path: &str) -> Option<String> {
        let digest = self.0.get(path).or_else(|| self.0.folder(path.trim_end_matches('/')));
        digest.map(|digest| digest.to_string())
    }

    fn paths(&self) -> Vec<String> {
        self.0.paths().map(|(_, path)| path).collect()
    }

    fn __contains__(&self, path: &str) -> bool {
        self.0.get(path).is_some()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0.root() == self.0.root())
    }

    fn __hash__(&self) -> u64 {
        self.0.root().number()
    }

    fn __repr__(&self) -> String {
        format!("MerkleTree(root='{}', files={})", self.0.root(), self.0.len())
    }
}

/// What happened between two trees.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Changes(pub merkle::Changes);

#[pymethods]
impl Changes {
    #[getter]
    fn added(&self) -> Vec<&str> {
        self.0.added.iter().map(|path| &**path).collect()
    }

    #[getter]
    fn modified(&self) -> Vec<&str> {
        self.0.modified.iter().map(|path| &**path).collect()
    }

    #[getter]
    fn removed(&self) -> Vec<&str> {
        self.0.removed.iter().map(|path| &**path).collect()
    }

    #[getter]
    fn moved(&self) -> Vec<(&str, &str)> {
        self.0.moved.iter().map(|moved| (&*moved.from, &*moved.to)).collect()
    }

    fn __bool__(&self) -> bool {
        !self.0.is_empty()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __repr__(&self) -> String {
        let Self(changes) = self;
        format!(
            "Changes(added={:?}, modified={:?}, removed={:?}, moved={:?})",
            self.added(),
            self.modified(),
            changes.removed,
            self.moved()
        )
    }
}

/// What earlier scans found out and later ones may reuse.
#[pyclass(frozen, module = "hybridx._core")]
pub struct StatCache(Arc<walk::StatCache>);

#[pymethods]
impl StatCache {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> Self {
        Self(Arc::new(py.detach(|| walk::StatCache::load(&path))))
    }
    fn save(&self, py: Python<'_>, path: PathBuf) -> Result<()> {
        Ok(py.detach(|| self.0.save(&path))?)
    }
}

/// What a scan found.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Scan {
    tree: Arc<merkle::MerkleTree>,
    cache: Option<Arc<walk::StatCache>>,
    /// Rows of the skip ledger.
    pub skipped: Vec<(Arc<str>, hybridx_core::read::Skip)>,
    #[pyo3(get)]
    fresh: usize,
    #[pyo3(get)]
    bytes_hashed: u64,
}

#[pymethods]
impl Scan {
    #[getter]
    fn tree(&self) -> MerkleTree {
        MerkleTree(self.tree.clone())
    }

    #[getter]
    fn cache(&self) -> Option<StatCache> {
        self.cache.clone().map(StatCache)
    }

    #[getter]
    fn skipped(&self) -> Vec<(&str, &'static str, &str)> {
        self.skipped
            .iter()
            .map(|(path, skip)| (&**path, skip.reason.name(), &*skip.detail))
            .collect()
    }
}

#[pyfunction]
#[pyo3(signature = (
    root, *, jobs = 0, max_file_bytes = 4 << 20, exclude = Vec::new(), default_excludes = true,
    redact_secrets = true, secrets_allow = Vec::new(), clock_folder = None, cache = None,
    only = None, cancel = None
))]
pub fn scan(
    py: Python<'_>,
    root: PathBuf,
    jobs: usize,
    max_file_bytes: u64,
    exclude: Vec<PathBuf>,
    default_excludes: bool,
    redact_secrets: bool,
    secrets_allow: Vec<String>,
    clock_folder: Option<PathBuf>,
    cache: Option<&Bound<'_, StatCache>>,
    only: Option<Vec<String>>,
    cancel: Option<&Bound<'_, CancelToken>>,
) -> Result<Scan> {
    let secrets = Policy::new(redact_secrets, &secrets_allow)?;
    let options =
        ScanOptions { jobs, max_file_bytes, exclude, default_excludes, clock_folder, secrets };
    let cache = cache.map(|cache| cache.get().0.clone()).unwrap_or_default();
    let cancel = cancel_of(cancel);
    let found = py.detach(|| {
        let root = std::path::absolute(&root).map_err(Error::io(&root))?;
        match only {
            Some(paths) => walk::scan_some(&root, &options, &cache, &cancel, &paths),
            None => walk::scan(&root, &options, &cache, &cancel),
        }
    })?;
    Ok(Scan {
        tree: found.tree,
        cache: found.cache.map(Arc::new),
        skipped: found.skipped,
        fresh: found.fresh,
        bytes_hashed: found.bytes_hashed,
    })
}

/// What a scan would make of one path.
#[pyclass(frozen, get_all, module = "hybridx._core")]
pub struct Explanation {
    stands: &'static str,
    decided_at: String,
    cause: Option<&'static str>,
    rule: Option<(String, Option<usize>, String)>,
    skip: Option<(&'static str, String)>,
    digest: Option<String>,
    language: Option<&'static str>,
}

#[pyfunction]
#[pyo3(signature = (
    root, path, *, max_file_bytes = 4 << 20, exclude = Vec::new(), default_excludes = true,
    redact_secrets = true, secrets_allow = Vec::new()
))]
pub fn explain(
    py: Python<'_>,
    root: PathBuf,
    path: &str,
    max_file_bytes: u64,
    exclude: Vec<PathBuf>,
    default_excludes: bool,
    redact_secrets: bool,
    secrets_allow: Vec<String>,
) -> Result<Explanation> {
    let secrets = Policy::new(redact_secrets, &secrets_allow)?;
    let options = ScanOptions {
        max_file_bytes,
        exclude,
        default_excludes,
        secrets,
        ..ScanOptions::default()
    };
    let why = py.detach(|| why::explain(&root, &options, path))?;
    let cause = why.cause.as_ref().map(why::Cause::name);
    let rule = match why.cause {
        Some(why::Cause::Rule(rule)) => Some(rule),
        _ => why.included_by,
    };
    Ok(Explanation {
        stands: why.stands.name(),
        decided_at: why.decided_at,
        cause,
        rule: rule.map(|rule| (rule.file, rule.line, rule.pattern)),
        skip: why.skip.map(|skip| (skip.reason.name(), skip.detail)),
        digest: why.digest.map(|digest| digest.to_string()),
        language: why.language.map(hybridx_core::language::Language::name),
    })
}
