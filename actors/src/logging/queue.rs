//! The bounded queue between those who log and the thread that writes. When it is full a line is dropped and counted;
//! the next line that fits is preceded by one that says how many were.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use pandaflow::{
    Timestamp,
    settings::{Channel, Level},
};
use slog::{BorrowedKV, Drain, KV, Key, Never, OwnedKVList, Record, RecordStatic, Serializer};
use slog_async::{AsyncCore, AsyncError, AsyncGuard};

use super::{
    line::Line,
    writer::{Origin, Writer},
};

/// Lines that the queue holds.
pub(super) const CAPACITY: usize = 8192;

/// The key under which a line carries the instant of its call through the queue.
pub(super) const AT: &str = "pandaflow.at";

const DROPPED: &str = "log lines were dropped, the queue was full";

/// How many lines were dropped. Written by whoever logs; read by the guard.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    total: AtomicU64,
    unreported: AtomicU64,
}

impl Dropped {
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// How many of them no line told of yet.
    pub(super) fn unreported(&self) -> u64 {
        self.unreported.load(Ordering::Relaxed)
    }

    fn one(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
    }

    /// What the queue could not say any more.
    pub(super) fn report(&self, origin: &Origin) -> Option<Line> {
        let count = self.unreported.swap(0, Ordering::Relaxed);
        (count > 0).then(|| {
            let now = chrono::Utc::now().into();
            let mut line =
                Line::new(now, Level::Warning, Channel::Monitoring, DROPPED.into(), origin, module_path!());
            line.add("count", count.into());
            line
        })
    }
}

/// The queue's end for those who log.
pub(super) struct Queue {
    core: AsyncCore,
    dropped: Arc<Dropped>,
}

impl Queue {
    /// A queue before a writer, which gets a thread of its own.
    pub(super) fn before(writer: Writer, capacity: usize) -> (Self, AsyncGuard, Arc<Dropped>) {
        let (core, guard) =
            AsyncCore::custom(writer).chan_size(capacity).thread_name("log".into()).build_with_guard();
        let dropped = Arc::new(Dropped::default());
        let queue = Self { core, dropped: Arc::clone(&dropped) };
        (queue, guard, dropped)
    }

    fn send(&self, record: &Record<'_>, values: &OwnedKVList) -> bool {
        let at = Stamped { at: chrono::Utc::now().into(), kv: record.kv() };
        let place = RecordStatic { location: record.location(), tag: record.tag(), level: record.level() };
        let stamped = Record::new(&place, record.msg(), BorrowedKV(&at));
        // Any other failure says that the process is ending and the writer gone.
        !matches!(self.core.log(&stamped, values), Err(AsyncError::Full))
    }

    fn report(&self, values: &OwnedKVList) {
        if self.dropped.unreported() == 0 {
            return;
        }
        let count = self.dropped.unreported.swap(0, Ordering::Relaxed);
        let message = format_args!("{DROPPED}");
        let fields = slog::b!("count" => count);
        let place = slog::record_static!(slog::Level::Warning, "monitoring");
        if !self.send(&Record::new(&place, &message, fields), values) {
            self.dropped.unreported.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl Drain for Queue {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        self.report(values);
        if !self.send(record, values) {
            self.dropped.one();
        }
        Ok(())
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

/// A line's fields and the instant of its call, which may be long before it is written.
struct Stamped<'a> {
    at: Timestamp,
    kv: BorrowedKV<'a>,
}

impl KV for Stamped<'_> {
    fn serialize(&self, record: &Record<'_>, to: &mut dyn Serializer) -> slog::Result {
        to.emit_i64(Key::from(AT), self.at.0)?;
        self.kv.serialize(record, to)
    }
}
