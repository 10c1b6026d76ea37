//! The zip archive around a CSV: which bytes of the file are the CSV's, and reading them without holding the archive.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::error::FeedError;

/// The one CSV of an archive: where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackedCsv {
    pub(super) name: String,
    /// Bytes unpacked.
    pub(super) size: u64,
    pub(super) crc32: u32,
    start: u64,
    packed_size: u64,
    deflated: bool,
}

impl PackedCsv {
    /// Finds the CSV of the archive at `path`.
    pub(super) fn find(path: &Path) -> Result<Self, FeedError> {
        let unreadable = |source| FeedError::Unreadable { path: path.to_owned(), source };
        let no_archive = |source| FeedError::NoArchive { path: path.to_owned(), source };
        // Looked at before it is opened: opening a pipe would wait for whoever writes into it.
        let found = fs::metadata(path).map_err(unreadable)?;
        if found.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        if !found.is_file() {
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
        }
        let file = File::open(path).map_err(unreadable)?;
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(no_archive)?;
        let mut entries = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(no_archive)?;
            let method = entry.compression();
            let known = matches!(method, CompressionMethod::Deflated | CompressionMethod::Stored);
            if entry.is_file() && known && !entry.encrypted() {
                entries.push(Self {
                    name: entry.name().map_err(no_archive)?.into_owned(),
                    size: entry.size(),
                    crc32: entry.crc32(),
                    start: entry.data_start().unwrap_or_default(),
                    packed_size: entry.compressed_size(),
                    deflated: method == CompressionMethod::Deflated,
                });
            }
        }
        Self::only_one(entries).map_err(|found| FeedError::NotOneCsv { path: path.to_owned(), found })
    }

    /// The first of the entries, if all are the same bytes.
    fn only_one(entries: Vec<Self>) -> Result<Self, String> {
        let names = || entries.iter().map(|entry| &*entry.name).collect::<Vec<_>>().join(", ");
        let Some(first) = entries.first() else { return Err("no file that can be unpacked".to_owned()) };
        let same = |entry: &Self| (entry.size, entry.crc32) == (first.size, first.crc32);
        if entries.iter().all(same) { Ok(first.clone()) } else { Err(format!("several files ({})", names())) }
    }

    /// The CSV's bytes, unpacked as they are read. Neither length nor checksum is checked here.
    pub(super) fn unpack(&self, path: &Path) -> io::Result<Unpacked> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.start))?;
        let packed = BufReader::with_capacity(64 * 1024, file.take(self.packed_size));
        Ok(if self.deflated {
            Unpacked::Deflated(Box::new(DeflateDecoder::new(packed)))
        } else {
            Unpacked::Stored(packed)
        })
    }

    /// Reads the CSV to its end, with its checksum checked.
    pub(super) fn verify(&self, path: &Path) -> io::Result<()> {
        let mut crc = flate2::Crc::new();
        let mut unpacked = self.unpack(path)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut size = 0;
        loop {
            let read = unpacked.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            crc.update(&buffer[..read]);
            size += read as u64;
            if size > self.size {
                break;
            }
        }
        if (size, crc.sum()) == (self.size, self.crc32) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "length or checksum differs from what was packed"))
        }
    }
}

/// A CSV being unpacked.
#[derive(Debug)]
pub(super) enum Unpacked {
    /// Packed by deflate.
    Deflated(Box<DeflateDecoder<BufReader<io::Take<File>>>>),
    /// Not packed.
    Stored(BufReader<io::Take<File>>),
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Deflated(reader) => reader.read(buffer),
            Self::Stored(reader) => reader.read(buffer),
        }
    }
}
