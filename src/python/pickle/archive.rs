//! Pickles inside of a zip: PyTorch writes `<name>/data.pkl` there and the tensors beside it.
//! Source of the format: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3. Only the central directory is believed.

use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};

use flate2::bufread::DeflateDecoder;
use fs_err::File;

use super::{Imports, Limits, broken, scan, too_large};

/// Bytes of the end record without its comment, and the longest comment.
const END: u64 = 22;
const COMMENT: u64 = 0xffff;

/// The central directory of a real model is some kilobytes.
const LONGEST_DIRECTORY: u64 = 64 << 20;

/// Pickles that are read in one archive.
const MOST_PICKLES: usize = 64;

/// One stored file.
#[derive(Debug)]
struct Entry {
    name: String,
    method: u16,
    compressed: u64,
    plain: u64,
    offset: u64,
}

/// What its pickles import; `None` when it has none.
pub(super) fn imports(file: &mut File, length: u64) -> io::Result<Option<Imports>> {
    let mut all: Option<Imports> = None;
    // Entries may lie on top of each other: what they may become together is bounded, not each alone.
    let mut left = Limits::decompressed(length).bytes;
    for (count, entry) in pickles(file, length)?.iter().enumerate() {
        if count == MOST_PICKLES {
            return Err(too_large("it holds more pickles than allowed"));
        }
        left = left
            .checked_sub(entry.plain)
            .ok_or_else(|| too_large("its pickles are larger than allowed"))?;
        let found = one(file, entry)?;
        let all = all.get_or_insert_default();
        all.names.extend(found.names);
        all.unresolved += found.unresolved;
    }
    Ok(all)
}

fn one(file: &mut File, entry: &Entry) -> io::Result<Imports> {
    file.seek(SeekFrom::Start(entry.offset))?;
    let local = exactly(file, 30)?;
    if !local.starts_with(b"PK\x03\x04") {
        return Err(broken("an entry of the zip has no header"));
    }
    let skip = i64::from(u16_at(&local, 26)?) + i64::from(u16_at(&local, 28)?);
    file.seek(SeekFrom::Current(skip))?;
    let limits = Limits {
        bytes: entry.plain,
        ..Limits::default()
    };
    let stored = BufReader::new(file.take(entry.compressed));
    match entry.method {
        0 => scan(stored, limits),
        8 => scan(BufReader::new(DeflateDecoder::new(stored)), limits),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the zip is compressed in a way that is not read here",
        )),
    }
}

/// Reads exactly this many bytes from here.
fn exactly(file: &mut File, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The pickles in the central directory.
fn pickles(file: &mut File, length: u64) -> io::Result<Vec<Entry>> {
    let tail = (END + COMMENT + 20).min(length);
    file.seek(SeekFrom::Start(length - tail))?;
    let tail = exactly(file, usize::try_from(tail).unwrap_or_default())?;
    let end = tail
        .windows(4)
        .rposition(|four| four == b"PK\x05\x06")
        .ok_or_else(|| broken("the zip has no directory"))?;
    let mut size = u64::from(u32_at(&tail, end + 12)?);
    let mut start = u64::from(u32_at(&tail, end + 16)?);
    // Archives of more than 4 GiB say it in a second record, which stands before a locator.
    let locator = end.checked_sub(20).and_then(|at| tail.get(at..end));
    if let Some(locator) = locator.filter(|bytes| bytes.starts_with(b"PK\x06\x07")) {
        file.seek(SeekFrom::Start(u64_at(locator, 8)?))?;
        let record = exactly(file, 56)?;
        if !record.starts_with(b"PK\x06\x06") {
            return Err(broken(
                "the zip's second end record is not where it should be",
            ));
        }
        size = u64_at(&record, 40)?;
        start = u64_at(&record, 48)?;
    }
    if size > LONGEST_DIRECTORY || size > length {
        return Err(too_large("the zip's directory is larger than allowed"));
    }
    file.seek(SeekFrom::Start(start))?;
    let directory = exactly(file, usize::try_from(size).unwrap_or_default())?;
    let mut entries = Vec::new();
    let mut at = 0;
    while directory.get(at..at + 4) == Some(b"PK\x01\x02") {
        let (entry, next) = entry(&directory, at)?;
        if entry.name.ends_with(".pkl") || entry.name.ends_with(".pickle") {
            entries.push(entry);
        }
        at = next;
    }
    Ok(entries)
}

/// The entry at this place, and where the next one begins.
fn entry(directory: &[u8], at: usize) -> io::Result<(Entry, usize)> {
    let name_length = usize::from(u16_at(directory, at + 28)?);
    let extra_length = usize::from(u16_at(directory, at + 30)?);
    let comment = usize::from(u16_at(directory, at + 32)?);
    let name_end = at + 46 + name_length;
    let name = directory.get(at + 46..name_end).unwrap_or_default();
    let extra = directory
        .get(name_end..name_end + extra_length)
        .unwrap_or_default();
    let mut entry = Entry {
        name: String::from_utf8_lossy(name).into_owned(),
        method: u16_at(directory, at + 10)?,
        compressed: u64::from(u32_at(directory, at + 20)?),
        plain: u64::from(u32_at(directory, at + 24)?),
        offset: u64::from(u32_at(directory, at + 42)?),
    };
    // Extra field 1 holds, in this order, the numbers that do not fit into four bytes.
    let mut wide = extra;
    while let [a, b, c, d, rest @ ..] = wide {
        let size = usize::from(u16::from_le_bytes([*c, *d]));
        if u16::from_le_bytes([*a, *b]) == 1 {
            let mut place = 0;
            for number in [&mut entry.plain, &mut entry.compressed, &mut entry.offset] {
                if *number == u64::from(u32::MAX) {
                    *number = u64_at(rest, place)?;
                    place += 8;
                }
            }
            break;
        }
        wide = rest.get(size..).unwrap_or_default();
    }
    Ok((entry, name_end + extra_length + comment))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .copied()
        .ok_or_else(|| broken("the zip's directory is cut"))
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> io::Result<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}
