//! What a thread did when, for whoever wants to see where the time goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// A wait that is shorter is none: it is what asking costs.
const SHORTEST_WAIT: Duration = Duration::from_micros(50);

/// What a worker of an ingest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It waits until there is memory for the next file.
    Wait,
    /// It works on a file; the next three are parts of this.
    File,
    /// It reads the file.
    Read,
    /// It decodes the text and redacts secrets.
    Redact,
    /// It parses, cuts and analyses the text.
    Chunk,
    /// It waits until there is room for its batch.
    Send,
}

impl Step {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::File => "file",
            Self::Read => "read",
            Self::Redact => "redact",
            Self::Chunk => "chunk",
            Self::Send => "send",
        }
    }
}

/// A step that a worker took. Times are nanoseconds since its stream was started.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which of the stream's workers.
    pub worker: usize,
    /// What it did.
    pub step: Step,
    /// When it began.
    pub start: u64,
    /// When it was done.
    pub end: u64,
    /// The file, if it is a [`Step::File`].
    pub path: Option<Arc<str>>,
    /// Bytes read of that file.
    pub bytes: u64,
    /// Chunks made of it.
    pub chunks: u32,
}

/// Keeps the spans of one worker until they are taken. One that is off keeps nothing and does not
/// look at the clock.
#[derive(Debug)]
pub(crate) struct Recorder {
    worker: usize,
    origin: Instant,
    spans: Option<Vec<Span>>,
}

impl Recorder {
    /// A recorder for a worker of the stream that was started at `origin`.
    pub fn new(worker: usize, origin: Instant, on: bool) -> Self {
        Self { worker, origin, spans: on.then(Vec::new) }
    }

    /// The time, if anybody wants to know.
    pub fn begin(&self) -> Option<Instant> {
        self.spans.as_ref().map(|_| Instant::now())
    }

    /// Keeps a step that has just ended.
    pub fn end(&mut self, start: Option<Instant>, step: Step) {
        self.keep(start, step, None, 0, 0);
    }

    /// Keeps the work on a file that has just ended.
    pub fn end_file(&mut self, start: Option<Instant>, path: &Arc<str>, bytes: u64, chunks: u32) {
        self.keep(start, Step::File, Some(path), bytes, chunks);
    }

    /// What was kept since this was called last.
    pub fn take(&mut self) -> Vec<Span> {
        self.spans.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn keep(
        &mut self,
        start: Option<Instant>,
        step: Step,
        path: Option<&Arc<str>>,
        bytes: u64,
        chunks: u32,
    ) {
        let (Some(spans), Some(start)) = (&mut self.spans, start) else { return };
        let end = Instant::now();
        if matches!(step, Step::Wait | Step::Send) && end - start < SHORTEST_WAIT {
            return;
        }
        let since = |time: Instant| {
            u64::try_from(time.duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
        };
        spans.push(Span {
            worker: self.worker,
            step,
            start: since(start),
            end: since(end),
            path: path.cloned(),
            bytes,
            chunks,
        });
    }
}
