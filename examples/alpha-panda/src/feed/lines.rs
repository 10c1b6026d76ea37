//! The lines of a CSV, one at a time, each of a bounded length.

use std::io::{self, BufRead, BufReader, Read};

use super::error::LineProblem;

/// Lines without their ends. The last one needs none.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    /// Lines given out.
    number: u64,
}

/// Why there is no next line.
#[derive(Debug)]
pub(super) enum NoLine {
    Io(io::Error),
    Problem(LineProblem),
}

impl<R: Read> Lines<R> {
    /// Bytes that a line may have; a trade or bar has less than 80.
    pub(super) const LIMIT: usize = 256;

    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(64 * 1024, reader), line: Vec::new(), number: 0 }
    }

    /// The number of the line that [`Self::advance`] gave last, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line; none at the end.
    pub(super) fn advance(&mut self) -> Result<Option<&[u8]>, NoLine> {
        self.line.clear();
        let mut limited = (&mut self.reader).take(Self::LIMIT as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.line).map_err(NoLine::Io)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read > Self::LIMIT {
            return Err(NoLine::Problem(LineProblem::TooLong { limit: Self::LIMIT }));
        }
        Ok(Some(&self.line))
    }
}
