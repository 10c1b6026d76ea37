//! The first 100 bytes of the file, as <https://www.sqlite.org/fileformat2.html#the_database_header> lays them out.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// What `PRAGMA application_id` is in our files: "pfl1".
pub(super) const APPLICATION_ID: u32 = 0x7066_6c31;

const BYTES: usize = 100;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What the header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) page_bytes: u64,
    /// Pages in all; `None` if an old version of SQLite wrote it last.
    pages: Option<u64>,
    pub(super) application_id: u32,
}

/// Reads the header of a file of so many bytes; what is wrong with it otherwise.
pub(super) fn read(file: &Path, bytes: u64) -> io::Result<Result<Header, String>> {
    if bytes == 0 {
        return Ok(Err("it is empty".into()));
    }
    if bytes < BYTES as u64 {
        return Ok(Err(format!("it ends within its header, after {bytes} bytes")));
    }
    let mut header = [0; BYTES];
    File::open(file)?.read_exact(&mut header)?;
    Ok(parse(&header))
}

fn parse(header: &[u8; BYTES]) -> Result<Header, String> {
    if !header.starts_with(MAGIC) {
        return Err(format!(
            "its header begins with {:?}, not with \"SQLite format 3\"",
            header[..16].escape_ascii().to_string()
        ));
    }
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        size if size >= 512 && size.is_power_of_two() => u64::from(size),
        size => return Err(format!("its header says pages of {size} bytes")),
    };
    if header[18..24] != [2, 2, header[20], 64, 32, 32] {
        return Err(format!("bytes 18 to 23 of its header are {:?}", &header[18..24]));
    }
    let is_valid = word(header, 24) == word(header, 92);
    Ok(Header {
        page_bytes,
        pages: is_valid.then(|| word(header, 28).into()),
        application_id: word(header, 68),
    })
}

fn word(header: &[u8; BYTES], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

impl Header {
    /// Whether a file of so many bytes is whole.
    pub(super) fn fits(&self, bytes: u64) -> Result<(), String> {
        let Self { page_bytes, pages, .. } = self;
        match pages {
            Some(pages) if pages * page_bytes != bytes => Err(format!(
                "it has {bytes} bytes, but its header says {pages} pages of {page_bytes} bytes, which are {}",
                pages * page_bytes
            )),
            _ if !bytes.is_multiple_of(*page_bytes) => {
                Err(format!("it has {bytes} bytes, which are no whole pages of {page_bytes}"))
            }
            _ => Ok(()),
        }
    }
}
