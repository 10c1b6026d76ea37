//! The write-ahead log that a killed process left. SQLite takes it up to the first frame that doesn't fit and
//! silently drops the rest, which is right for a write that was cut off, and wrong for damage among what was
//! committed. The layout is that of <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

pub(super) const HEADER_BYTES: u64 = 32;
const FRAME_HEADER: usize = 24;
const MAGIC: u32 = 0x377f_0682;

/// Reads words as the log's header says.
#[derive(Debug, Clone, Copy)]
struct Words {
    big_endian: bool,
}

impl Words {
    /// Goes on with SQLite's checksum of two words over `bytes`, whose length divides by eight.
    fn sum(self, (mut a, mut b): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let word = |bytes: &[u8; 4]| {
            if self.big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) }
        };
        for pair in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            a = a.wrapping_add(word(&pair[0])).wrapping_add(b);
            b = b.wrapping_add(word(&pair[1])).wrapping_add(a);
        }
        (a, b)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Looks through the log; what is wrong with it otherwise.
///
/// A frame that doesn't fit is damage if a commit lies behind it and another frame behind that one: the next
/// transaction begins only when the commit is on the disk, so all before it was whole once. The salt, new each time
/// the log begins from its start, tells frames of this round from older ones.
pub(super) fn audit(wal: &Path, page_bytes: u64) -> io::Result<Result<(), String>> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(wal)?);
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact(&mut header)?;
    let magic = word(&header, 0);
    let words = Words { big_endian: magic & 1 == 1 };
    let mut sum = words.sum((0, 0), &header[..24]);
    let is_sound = magic & !1 == MAGIC && sum == (word(&header, 24), word(&header, 28));
    if !is_sound || u64::from(word(&header, 8)) != page_bytes {
        return Ok(Err(format!("the header of its write-ahead log {} is damaged", wal.display())));
    }
    let salt = &header[16..24];
    let mut frame = vec![0; FRAME_HEADER + page_bytes as usize];
    let mut found = Found::default();
    let mut number = 0_u64;
    while read_frame(&mut file, &mut frame)? {
        number += 1;
        let is_ours = frame[8..16] == *salt;
        let fits = is_ours && found.bad.is_none() && {
            sum = words.sum(words.sum(sum, &frame[..8]), &frame[FRAME_HEADER..]);
            sum == (word(&frame, 16), word(&frame, 20))
        };
        if found.bad.is_none() && !fits {
            found.bad = Some((number, word(&frame, 0)));
        }
        if is_ours && found.is_damage(word(&frame, 4) != 0) {
            let (number, page) = found.bad.unwrap_or_default();
            return Ok(Err(format!(
                "frame {number} (of page {page}) of its write-ahead log {} is damaged, and later ones were committed",
                wal.display()
            )));
        }
    }
    Ok(Ok(()))
}

/// What was found in the log.
#[derive(Debug, Default)]
struct Found {
    /// Number and page of the first frame that doesn't fit.
    bad: Option<(u64, u32)>,
    committed_behind: bool,
}

impl Found {
    /// Takes in a frame of this round; whether it shows that the bad one is damaged.
    fn is_damage(&mut self, is_commit: bool) -> bool {
        let shows = self.committed_behind;
        self.committed_behind |= self.bad.is_some() && is_commit;
        shows
    }
}

fn read_frame(file: &mut impl Read, frame: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(frame) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
