//! Opens a model's file whatever wraps its pickles: nothing, what joblib's `compress` offers, or a zip (PyTorch).

use std::io::{self, BufRead, BufReader, Seek as _};
use std::path::Path;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use fs_err::File;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::{LzmaReader, XzReader};

use super::{Imports, Limits, archive, scan};

/// Extensions that say that a file is a pickle. Others are recognised by their first bytes.
const EXTENSIONS: &[&str] = &["pkl", "pickle", "joblib", "sav", "dill", "cloudpickle", "p"];

/// KiB of memory that xz may ask for: its highest level needs 65 MiB, a hostile header asks for 4 GiB.
const XZ_MEMORY: u32 = 128 << 10;

/// What loading the file imports; `None` for a file that holds no pickle.
///
/// # Errors
/// A file that by its name is a pickle and cannot be read as one, a compression that is not known, a limit, or the disk.
pub(crate) fn imports(path: &Path) -> io::Result<Option<Imports>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(1 << 16, &mut file);
    let head = reader.fill_buf()?;
    let head = &head[..head.len().min(8)].to_vec()[..];
    let extension = path.extension().and_then(|extension| extension.to_str());
    let named = extension.is_some_and(|extension| {
        let extension = extension.to_ascii_lowercase();
        EXTENSIONS.contains(&extension.as_str())
    });
    if head.starts_with(b"PK\x03\x04") {
        drop(reader);
        file.rewind()?;
        return archive::imports(&mut file, length);
    }
    let result = match wrapped(head, named, reader)? {
        Wrapped::By(plain) => scan(BufReader::new(plain), Limits::decompressed(length)),
        Wrapped::Not(reader) => {
            // From protocol 2 on; older ones begin like any text.
            let begins = matches!(head, [0x80, 2..=5, ..]);
            if !begins && !named {
                return Ok(None);
            }
            scan(reader, Limits::default())
        }
        Wrapped::Unread(name) if named => {
            let why = format!("it is compressed with {name}, which is not read here");
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        Wrapped::Unread(_) => return Ok(None),
    };
    match result {
        Ok(imports) => Ok(Some(imports)),
        Err(error) if named || error.kind() == io::ErrorKind::FileTooLarge => Err(error),
        // Its first bytes are those of a pickle, nothing else says that it is one.
        Err(_) => Ok(None),
    }
}

/// What stands around a file's pickles.
enum Wrapped<'a, R> {
    Not(R),
    By(Box<dyn io::Read + 'a>),
    /// A compression that joblib does not offer, and its name.
    Unread(&'static str),
}

/// Told by the first bytes; those of lzma are too common to say it without the file's name.
fn wrapped<'a, R: BufRead + 'a>(head: &[u8], named: bool, reader: R) -> io::Result<Wrapped<'a, R>> {
    Ok(match head {
        [0x1f, 0x8b, ..] => Wrapped::By(Box::new(MultiGzDecoder::new(reader))),
        [b'B', b'Z', b'h', ..] => Wrapped::By(Box::new(MultiBzDecoder::new(reader))),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Wrapped::By(Box::new(XzReader::new_mem_limit(reader, true, XZ_MEMORY)))
        }
        [0x5d, 0, 0, ..] if named => Wrapped::By(Box::new(LzmaReader::new_mem_limit(
            reader, XZ_MEMORY, None,
        )?)),
        [0x04, 0x22, 0x4d, 0x18, ..] => Wrapped::By(Box::new(FrameDecoder::new(reader))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Wrapped::Unread("zstd"),
        _ if is_zlib(head) => Wrapped::By(Box::new(ZlibDecoder::new(reader))),
        _ => Wrapped::Not(reader),
    })
}

/// RFC 1950: method 8, and a checksum over the first two bytes.
fn is_zlib(head: &[u8]) -> bool {
    match head {
        [first, second, ..] => {
            first & 0x0f == 8
                && first >> 4 <= 7
                && (u16::from(*first) * 256 + u16::from(*second)) % 31 == 0
        }
        _ => false,
    }
}
