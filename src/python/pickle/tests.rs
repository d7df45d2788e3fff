//! The scanner on what real libraries wrote, on what they did not, and on bytes that want to hurt it.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/pickles")
        .join(name)
}

fn modules(name: &str) -> BTreeSet<String> {
    let found = imports(&fixture(name)).unwrap().unwrap();
    found.names.into_iter().map(|(module, _)| module).collect()
}

fn wrong(name: &str, bytes: &[u8]) -> io::Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    imports(&path).unwrap_err()
}

#[test]
fn every_protocol_names_the_same_modules() {
    for protocol in 0..6 {
        let found = modules(&format!("line.{protocol}.pkl"));
        for module in [
            "sklearn.linear_model._logistic",
            "sklearn.preprocessing._data",
            "sklearn.pipeline",
            "numpy",
        ] {
            assert!(
                found.contains(module),
                "{protocol}: no {module} in {found:?}"
            );
        }
    }
}

#[test]
fn joblib_is_read_plain_and_compressed() {
    let plain = modules("line.joblib");
    assert!(plain.contains("joblib.numpy_pickle") && plain.contains("sklearn.pipeline"));
    assert_eq!(plain, modules("line.z.joblib"));
    for compression in ["gz", "bz2", "xz", "lzma", "lz4"] {
        let compressed = modules(&format!("line.{compression}.joblib"));
        assert_eq!(plain, compressed, "{compression}");
    }
    // The module that a later scikit-learn no longer has.
    assert!(modules("boosted.z.joblib").contains("_loss"));
    assert!(modules("arrays.joblib").contains("numpy"));
}

#[test]
fn functions_and_archives_are_read() {
    let found = modules("function.pkl");
    assert!(
        found.contains("cloudpickle.cloudpickle") && found.contains("numpy"),
        "{found:?}"
    );
    assert_eq!(
        modules("torch.zip"),
        BTreeSet::from(["collections".to_owned()])
    );
}

#[test]
fn what_cannot_be_read_is_said_and_not_skipped() {
    let error = wrong("a.joblib", b"\x28\xb5\x2f\xfd\0\0\0\0");
    assert!(error.to_string().contains("zstd"), "{error}");
    // A header that asks for 4 GiB of memory.
    let greedy = [&[0x5d, 0, 0, 0xff, 0xff][..], &[0xff; 32]].concat();
    assert_eq!(
        wrong("a.joblib", &greedy).kind(),
        io::ErrorKind::OutOfMemory
    );
    let whole = std::fs::read(fixture("line.4.pkl")).unwrap();
    assert_eq!(
        wrong("a.pkl", &whole[..200]).kind(),
        io::ErrorKind::UnexpectedEof
    );
    assert_eq!(wrong("a.pkl", b"hello").kind(), io::ErrorKind::InvalidData);
}

#[test]
fn other_files_are_no_pickles() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("model.onnx", &b"\x08\x07\x12\x04"[..]),
        ("notes.txt", b"c is a letter\n"),
        ("weights.bin", b"\x80\x04 no pickle, only bytes"),
        ("empty", b""),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert!(imports(&path).unwrap().is_none(), "{name}");
    }
}

#[test]
fn a_bomb_is_refused() {
    // Zeros all the way: each time the scanner has read what one opcode announces, there is another one.
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"\x80\x04").unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..100 {
        packed.write_all(b"B\0\0\x10\0").unwrap();
        packed.write_all(&zeros).unwrap();
    }
    let bomb = packed.finish().unwrap();
    assert_eq!(
        wrong("bomb.joblib", &bomb).kind(),
        io::ErrorKind::FileTooLarge
    );
    // As a file that no name gives away too; in an archive, what counts is what all entries become together.
    for name in [
        "bomb.xz.joblib",
        "bomb.lzma.joblib",
        "bomb.bz2.joblib",
        "bomb.zip",
    ] {
        let began = std::time::Instant::now();
        let error = imports(&fixture(name)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{name}: {error}");
        assert!(began.elapsed().as_secs() < 60, "{name}");
    }
    // More values than any model keeps on the stack at once.
    let mut many = b"\x80\x04".to_vec();
    many.resize(1 << 20, b'N');
    assert_eq!(wrong("many.pkl", &many).kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn mutants_neither_panic_nor_grow() {
    let limits = Limits {
        bytes: 1 << 20,
        values: 1 << 12,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mutant.joblib");
    // Always the same numbers: a failure can be repeated.
    let mut seed = 1_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 1).unwrap()
    };
    let mut read = 0;
    for name in [
        "line.0.pkl",
        "line.2.pkl",
        "line.4.pkl",
        "line.joblib",
        "arrays.joblib",
        "function.pkl",
        "torch.zip",
        "line.z.joblib",
        "line.bz2.joblib",
        "line.xz.joblib",
        "line.lz4.joblib",
    ] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for _ in 0..1_500 {
            let mut mutant = whole.clone();
            for _ in 0..=next() % 8 {
                let at = next() % mutant.len();
                mutant[at] = u8::try_from(next() % 256).unwrap();
            }
            mutant.truncate(mutant.len() - next() % 16);
            let wrapped = name == "torch.zip" || name.matches('.').count() > 1;
            let result = if wrapped && !name.ends_with(".pkl") {
                std::fs::write(&path, &mutant).unwrap();
                imports(&path).map(|_| ())
            } else {
                scan(&mutant[..], limits).map(|found| assert!(found.names.len() <= MOST_NAMES))
            };
            read += usize::from(result.is_ok());
        }
    }
    // Some mutations hit only numbers; when none is read, this test reads nothing.
    assert!(read > 100, "{read}");
}
