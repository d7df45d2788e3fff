//! Opens a model's file whatever wraps its pickles: nothing, zlib or gzip (joblib's `compress`), or a zip (PyTorch).

use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::path::Path;

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use fs_err::File;

use super::{Imports, Limits, archive, scan};

/// Extensions that say that a file is a pickle. Others are recognised by their first bytes.
const EXTENSIONS: &[&str] = &["pkl", "pickle", "joblib", "sav", "dill", "cloudpickle", "p"];

/// Compressions that joblib offers and that are not read here, by their first bytes.
const UNREAD: &[(&[u8], &str)] = &[
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x5d\0\0", "lzma"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
];

/// What a compressed file may become: more is a bomb, or a model of nothing but zeros.
fn decompressed(compressed: u64) -> Limits {
    let limits = Limits::default();
    let grown = compressed.saturating_mul(200).saturating_add(64 << 20);
    Limits {
        bytes: grown.min(limits.bytes),
        ..limits
    }
}

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
    let result = if head.starts_with(b"\x1f\x8b") {
        let plain = BufReader::new(MultiGzDecoder::new(reader));
        scan(plain, decompressed(length))
    } else if is_zlib(head) {
        scan(
            BufReader::new(ZlibDecoder::new(reader)),
            decompressed(length),
        )
    } else if let Some((_, name)) = UNREAD.iter().find(|(magic, _)| head.starts_with(magic)) {
        if !named {
            return Ok(None);
        }
        let why = format!("it is compressed with {name}, which is not read here");
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    } else {
        // From protocol 2 on; older ones begin like any text.
        let begins = matches!(head, [0x80, 2..=5, ..]);
        if !begins && !named {
            return Ok(None);
        }
        scan(reader, Limits::default())
    };
    match result {
        Ok(imports) => Ok(Some(imports)),
        Err(error) if named || error.kind() == io::ErrorKind::FileTooLarge => Err(error),
        // Its first bytes are those of a pickle, nothing else says that it is one.
        Err(_) => Ok(None),
    }
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

/// Reads exactly this many bytes from here.
pub(super) fn exactly(file: &mut File, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
