//! Files to chunks: read, decode, chunk and analyse in parallel, as a bounded stream of batches.
//!
//! A file is the unit: all its chunks are in one batch, beside the outcome that a commit of this
//! batch may record. A file that cannot be ingested is an outcome too; a panic in one file costs
//! that file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::batch::{BatchBuilder, ChunkRow};
use crate::cancel::Cancel;
use crate::chunk;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::guard::guarded;
use crate::language::Language;
use crate::origin::Origin;
use crate::path;
use crate::read::{self, Unread};
use crate::retry::Retry;
use crate::schedule::Schedule;
use crate::secrets::{Finding, Policy};
use crate::snapshot::{Failure, FileRow, Outcome};
use crate::span::{Recorder, Span, Step};

/// How to ingest.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// Threads; 0 for one a core.
    pub jobs: usize,
    /// Larger files are skipped.
    pub max_file_bytes: u64,
    /// A batch is sent once its text and terms exceed this.
    pub batch_bytes: usize,
    /// Batches that may wait to be read before the threads pause.
    pub queue: usize,
    /// Memory that files being worked on may take together. A file beyond it is worked on alone.
    pub memory_bytes: u64,
    /// Which files' texts are redacted.
    pub secrets: Policy,
    /// Whether batches tell what the threads did when.
    pub spans: bool,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            jobs: 0,
            max_file_bytes: 4 << 20,
            batch_bytes: 1 << 20,
            queue: 4,
            memory_bytes: 256 << 20,
            secrets: Policy::default(),
            spans: false,
        }
    }
}

/// Chunks of some whole files, and what became of these files.
#[derive(Debug)]
pub struct IngestBatch {
    /// Rows of [`crate::batch::CHUNK_SCHEMA`].
    pub chunks: RecordBatch,
    /// The files, those without chunks included.
    pub outcomes: Vec<(Arc<str>, Outcome)>,
    /// Bytes read.
    pub bytes: u64,
    /// What the thread did that made it, since its last batch; none unless they are asked for.
    pub spans: Vec<Span>,
}

/// A running ingest: an iterator over its batches, in no particular order. Dropping it stops the
/// threads.
#[derive(Debug)]
pub struct Ingest {
    receiver: Receiver<Result<IngestBatch>>,
    cancel: Cancel,
    stop: Cancel,
    origin: Instant,
    // Owns the threads; dropped last, when they have nobody left to send to.
    _pool: rayon::ThreadPool,
}

impl Ingest {
    /// Starts to ingest `files`, paths below `root`.
    pub fn start(
        root: PathBuf,
        files: Vec<Arc<str>>,
        options: IngestOptions,
        cancel: Cancel,
    ) -> Result<Self> {
        // Links above the root are the user's; those below it are not followed. Of a root that is
        // gone every file has vanished.
        let root = root.canonicalize().unwrap_or(root);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.jobs)
            .thread_name(|n| format!("hybridx-ingest-{n}"))
            .build()
            .map_err(|error| Error::Invalid(format!("cannot start threads: {error}")))?;
        let (sender, receiver) = bounded(options.queue.max(1));
        let stop = cancel.child();
        let origin = Instant::now();
        let shared = Arc::new(Shared {
            origin,
            schedule: Schedule::new(root, files, options.memory_bytes),
            options,
            retry: Retry::new(stop.clone()),
            stop: stop.clone(),
        });
        pool.spawn_broadcast(move |thread| {
            Worker::new(&shared, sender.clone(), thread.index()).run();
        });
        Ok(Self { receiver, cancel, stop, origin, _pool: pool })
    }

    /// A flag that ends this stream alone, early and without an error.
    pub fn stopper(&self) -> Cancel {
        self.stop.clone()
    }

    /// When it was started: what spans count from.
    pub fn origin(&self) -> Instant {
        self.origin
    }
}

impl Iterator for Ingest {
    type Item = Result<IngestBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = if self.cancel.is_cancelled() { None } else { self.receiver.recv().ok() };
        // Cancelled threads just end: what is left of the stream is not its end.
        next.or_else(|| self.cancel.is_cancelled().then_some(Err(Error::Cancelled)))
    }
}

struct Shared {
    origin: Instant,
    schedule: Schedule,
    options: IngestOptions,
    retry: Retry,
    stop: Cancel,
}

struct Worker<'a> {
    shared: &'a Shared,
    sender: Sender<Result<IngestBatch>>,
    builder: BatchBuilder,
    outcomes: Vec<(Arc<str>, Outcome)>,
    bytes: u64,
    spans: Recorder,
    scratch: Scratch,
}

/// Buffers that live as long as their thread.
#[derive(Default)]
struct Scratch {
    file: Vec<u8>,
    /// The fields of all chunks of the file.
    fields: Fields,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, sender: Sender<Result<IngestBatch>>, worker: usize) -> Self {
        Self {
            shared,
            sender,
            builder: BatchBuilder::default(),
            outcomes: Vec::new(),
            bytes: 0,
            spans: Recorder::new(worker, shared.origin, shared.options.spans),
            scratch: Scratch::default(),
        }
    }

    fn run(mut self) {
        match self.work() {
            // The reader knows: it asked for it, or finds the flag set.
            Ok(()) | Err(Error::Cancelled) => {}
            // Nobody listens any more: then nobody needs to know either.
            Err(error) => drop(self.sender.send(Err(error))),
        }
    }

    fn work(&mut self) -> Result<()> {
        let shared = self.shared;
        loop {
            let waiting = self.spans.begin();
            let Some(task) = shared.schedule.take(&shared.stop) else { break };
            self.spans.end(waiting, Step::Wait);
            let (start, before) = (self.spans.begin(), self.bytes);
            let outcome = self.file(task.path)?;
            self.spans.end_file(start, task.path, self.bytes - before, chunks_of(&outcome));
            self.outcomes.push((task.path.clone(), outcome));
            drop(task);
            let full = self.builder.bytes() >= self.shared.options.batch_bytes
                || self.outcomes.len() >= MAX_BATCH_FILES;
            if full && !self.flush()? {
                return Ok(());
            }
        }
        if !self.outcomes.is_empty() {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends the batch; false when nobody listens any more.
    fn flush(&mut self) -> Result<bool> {
        let batch = IngestBatch {
            chunks: self.builder.finish()?,
            outcomes: std::mem::take(&mut self.outcomes),
            bytes: std::mem::take(&mut self.bytes),
            spans: self.spans.take(),
        };
        let start = self.spans.begin();
        let listened = self.sender.send(Ok(batch)).is_ok();
        self.spans.end(start, Step::Send);
        Ok(listened)
    }

    fn file(&mut self, path: &str) -> Result<Outcome> {
        let options = &self.shared.options;
        let file = path::resolve(self.shared.schedule.root(), path);
        let scratch = &mut self.scratch;
        let limit = options.max_file_bytes;
        let start = self.spans.begin();
        match read::read_into(&file, limit, &self.shared.retry, &mut scratch.file) {
            Ok(_) => {}
            Err(Unread::Skip(skip)) => return Ok(Outcome::Skipped(skip)),
            Err(Unread::Busy(error)) => return Ok(failed("read", &error.to_string())),
            Err(Unread::Cancelled) => return Err(Error::Cancelled),
        }
        self.spans.end(start, Step::Read);
        let bytes = scratch.file.len() as u64;
        self.bytes += bytes;
        let start = self.spans.begin();
        let decoded = match guarded(|| read::decode(&scratch.file)) {
            Ok(Ok(text)) => text,
            Ok(Err(skip)) => return Ok(Outcome::Skipped(skip)),
            Err(message) => return Ok(failed("read", &message)),
        };
        // From here on nobody sees the file's own text, neither a store nor a message.
        let Ok(text) = guarded(|| options.secrets.redact(path, &decoded.text)) else {
            return Ok(failed("redact", "the search for secrets failed"));
        };
        self.spans.end(start, Step::Redact);
        let start = self.spans.begin();
        let fields = &mut scratch.fields;
        // Nothing of a file reaches the builder before all of it is known to be good.
        let stop = &self.shared.stop;
        let chunked = guarded(|| {
            #[cfg(test)]
            tests::stumble(path);
            let language = Language::detect(path, &text.text);
            let chunks = chunk::chunk_until(&text.text, language, stop)?;
            fields.clear();
            for chunk in &chunks {
                fields.push(&text.text, chunk);
            }
            Ok::<_, Error>((language, Origin::of(path, &text.text), chunks))
        });
        let (language, origin, chunks) = match chunked {
            Ok(chunked) => chunked?,
            Err(message) => return Ok(failed("chunk", &message)),
        };
        for (chunk, fields) in chunks.iter().zip(fields.iter()) {
            self.builder.push(&ChunkRow {
                path,
                language: language.name(),
                origin,
                kind: chunk.kind.name(),
                symbol: &chunk.symbol,
                symbols: fields.symbols,
                start_line: chunk.start_line,
                end_line: chunk.end_line,
                offset: chunk.bytes.start,
                context: &chunk.context,
                text: &text.text[chunk.bytes.clone()],
                terms: fields.terms,
                signature: fields.signature,
                doc: fields.doc,
            })?;
        }
        self.spans.end(start, Step::Chunk);
        Ok(Outcome::Indexed(Arc::new(FileRow {
            digest: Digest::of(&scratch.file),
            chunks: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
            bytes,
            language: language.name().into(),
            decoded_as: decoded.decoded_as.map(Box::from),
            redactions: counted(&text.findings),
        })))
    }
}

/// Files of a batch at most, so that many tiny files still report progress.
const MAX_BATCH_FILES: usize = 256;

/// How many chunks a file was cut into.
fn chunks_of(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Indexed(row) => row.chunks,
        Outcome::Skipped(_) | Outcome::Failed(_) => 0,
    }
}

/// How often each rule found something, in the order of their names.
fn counted(findings: &[Finding]) -> Box<[(Box<str>, u32)]> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.rule).or_insert(0) += 1;
    }
    counts.into_iter().map(|(rule, count)| (Box::from(rule), count)).collect()
}

fn failed(stage: &str, message: &str) -> Outcome {
    Outcome::Failed(Failure { stage: stage.into(), message: message.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Reason;
    use std::collections::BTreeSet;

    /// Panics at one name, so that a panic in a file can be seen from outside.
    pub(super) fn stumble(path: &str) {
        assert!(path != "stumbles.py", "a stone");
    }

    fn run(root: &std::path::Path, files: &[&str], options: IngestOptions) -> Vec<IngestBatch> {
        let files = files.iter().map(|file| Arc::from(*file)).collect();
        Ingest::start(root.to_owned(), files, options, Cancel::default())
            .expect("started")
            .map(|batch| batch.expect("a batch"))
            .collect()
    }

    #[test]
    fn every_file_has_one_outcome_and_its_chunks_are_in_that_batch() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let names: Vec<String> = (0..40).map(|n| format!("f{n}.py")).collect();
        for (n, name) in names.iter().enumerate() {
            let text = format!("def f{n}():\n    return {n}\n").repeat(n + 1);
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        std::fs::write(folder.path().join("b.bin"), b"\0").expect("written");
        let mut files: Vec<&str> = names.iter().map(String::as_str).collect();
        files.extend(["b.bin", "missing"]);
        let options =
            IngestOptions { jobs: 3, batch_bytes: 2_000, queue: 1, ..IngestOptions::default() };
        let batches = run(folder.path(), &files, options);
        let mut seen = BTreeSet::new();
        for batch in &batches {
            let paths = crate::batch::strings(&batch.chunks, "path").expect("paths");
            for (path, outcome) in &batch.outcomes {
                assert!(seen.insert(path.clone()), "{path} came twice");
                let chunks = paths.iter().flatten().filter(|p| *p == &**path).count();
                match outcome {
                    Outcome::Indexed(row) => {
                        let text = std::fs::read(folder.path().join(&**path)).expect("read");
                        assert_eq!(row.digest, Digest::of(&text));
                        assert_eq!(row.chunks as usize, chunks);
                        assert!(chunks > 0);
                    }
                    Outcome::Skipped(skip) if &**path == "b.bin" => {
                        assert_eq!(skip.reason, Reason::Binary);
                    }
                    Outcome::Skipped(skip) => assert_eq!(skip.reason, Reason::Vanished),
                    Outcome::Failed(failure) => panic!("{path} failed: {failure:?}"),
                }
            }
        }
        assert_eq!(seen.len(), files.len());
        assert!(batches.len() > 3, "one batch holds everything");
    }

    #[test]
    fn spans_tell_what_became_of_each_file_and_when() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let names: Vec<String> = (0..40).map(|n| format!("f{n}.py")).collect();
        for name in &names {
            std::fs::write(folder.path().join(name), "def f():\n    return 1\n").expect("written");
        }
        let files: Vec<&str> = names.iter().map(String::as_str).collect();
        let quiet = IngestOptions { jobs: 2, batch_bytes: 500, ..IngestOptions::default() };
        let options = IngestOptions { spans: true, ..quiet.clone() };
        let spans: Vec<Span> =
            run(folder.path(), &files, options).into_iter().flat_map(|batch| batch.spans).collect();
        let paths: BTreeSet<&str> = spans.iter().filter_map(|span| span.path.as_deref()).collect();
        assert_eq!(paths, files.iter().copied().collect());
        for each in spans.iter().filter(|span| span.step == Step::File) {
            assert_eq!((each.bytes, each.chunks), (22, 1));
            let parts: Vec<&Span> = spans
                .iter()
                .filter(|span| span.worker == each.worker && span.path.is_none())
                .filter(|span| each.start <= span.start && span.end <= each.end)
                .collect();
            let steps: Vec<Step> = parts.iter().map(|span| span.step).collect();
            assert_eq!(steps, [Step::Read, Step::Redact, Step::Chunk]);
            assert!(parts.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
        assert!(run(folder.path(), &files, quiet).iter().all(|batch| batch.spans.is_empty()));
    }

    #[test]
    fn a_panic_costs_its_own_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let names = ["a.py", "stumbles.py", "z.py"];
        for name in names {
            std::fs::write(folder.path().join(name), "x = 1\n").expect("written");
        }
        let batches = run(folder.path(), &names, IngestOptions { jobs: 1, ..Default::default() });
        let chunks: usize = batches.iter().map(|batch| batch.chunks.num_rows()).sum();
        assert_eq!(chunks, 2);
        let outcomes: Vec<_> = batches.into_iter().flat_map(|batch| batch.outcomes).collect();
        assert!(matches!(&outcomes[0].1, Outcome::Indexed(_)));
        assert!(matches!(&outcomes[2].1, Outcome::Indexed(_)));
        let Outcome::Failed(failure) = &outcomes[1].1 else { panic!("{outcomes:?}") };
        assert_eq!(&*failure.stage, "chunk");
        assert!(failure.message.ends_with(": a stone"), "{}", failure.message);
    }

    #[test]
    fn dropping_a_stream_ends_its_threads() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("f.txt"), "word\n".repeat(2_000)).expect("written");
        let files = vec![Arc::from("f.txt"); 500];
        let options =
            IngestOptions { jobs: 2, batch_bytes: 1, queue: 1, ..IngestOptions::default() };
        let mut stream = Ingest::start(folder.path().to_owned(), files, options, Cancel::default())
            .expect("started");
        assert!(stream.next().is_some());
        drop(stream);
    }

    #[test]
    fn a_stopped_stream_ends_and_a_cancelled_one_says_so() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("f.txt"), "word\n".repeat(2_000)).expect("written");
        let options =
            IngestOptions { jobs: 1, batch_bytes: 1, queue: 1, ..IngestOptions::default() };
        let start = |cancel: &Cancel| {
            let files = vec![Arc::from("f.txt"); 500];
            Ingest::start(folder.path().to_owned(), files, options.clone(), cancel.clone())
        };
        let cancel = Cancel::default();
        let stopped = start(&cancel).expect("started");
        stopped.stopper().cancel();
        assert!(stopped.flatten().count() < 500);
        let mut cancelled = start(&cancel).expect("started");
        assert!(cancelled.next().is_some_and(|batch| batch.is_ok()));
        cancel.cancel();
        assert!(matches!(cancelled.next(), Some(Err(Error::Cancelled))));
    }
}
