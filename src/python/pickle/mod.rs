//! Which modules a pickle imports when it is loaded, read from its opcodes. Nothing is executed, and a hostile file costs
//! bounded memory. It knows the format (Python's `pickletools`, and joblib's arrays between opcodes), not what modules mean.

mod archive;
mod file;
mod machine;
mod opcodes;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::rc::Rc;

pub(crate) use file::imports;

use machine::{Global, Machine, Value};

/// Names longer than this are no names of modules or classes.
const LONGEST_NAME: usize = 256;

/// Arrays of objects inside of arrays of objects.
const DEEPEST: usize = 16;

/// Different names that one file may import; real models have some dozens.
const MOST_NAMES: usize = 1 << 14;

/// What a pickle imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imports {
    /// Module and attribute, such as `("sklearn.svm._classes", "SVC")`.
    pub(crate) names: BTreeSet<(String, String)>,
    /// References that could not be resolved: extension codes, or names made while loading.
    pub(crate) unresolved: u64,
}

/// What a hostile file may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes read, after decompression.
    pub(crate) bytes: u64,
    /// Values on one stack, and in one memo.
    pub(crate) values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 << 30,
            values: 1 << 19,
        }
    }
}

impl Limits {
    /// What a compressed file may become: more is a bomb, or a model of nothing but zeros.
    fn decompressed(compressed: u64) -> Self {
        let limits = Self::default();
        let grown = compressed.saturating_mul(200).saturating_add(64 << 20);
        Self {
            bytes: grown.min(limits.bytes),
            ..limits
        }
    }
}

/// Reads one pickle, or several in a row. What follows the first and is no pickle is left alone: PyTorch's old format writes
/// the bytes of its tensors there.
///
/// # Errors
/// `InvalidData` when it is no pickle, `FileTooLarge` when it breaks a limit, `UnexpectedEof` when it is cut; else the reader's
/// own error.
pub(crate) fn scan(input: impl BufRead, limits: Limits) -> io::Result<Imports> {
    let mut scanner = Scanner {
        input,
        left: limits.bytes,
        limits,
        imports: Imports::default(),
    };
    scanner.pickle(0)?;
    while !scanner.input.fill_buf()?.is_empty() {
        match scanner.pickle(0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(error),
            Err(_) => break,
        }
    }
    Ok(scanner.imports)
}

struct Scanner<R> {
    input: R,
    /// Bytes that may still be read.
    left: u64,
    limits: Limits,
    imports: Imports,
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn too_large(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

impl<R: BufRead> Scanner<R> {
    fn take(&mut self, count: u64) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(count)
            .ok_or_else(|| too_large("it is larger than allowed"))?;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N as u64)?;
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u8(&mut self) -> io::Result<u64> {
        Ok(u64::from(self.bytes::<1>()?[0]))
    }

    fn u32(&mut self) -> io::Result<u64> {
        Ok(u64::from(u32::from_le_bytes(self.bytes()?)))
    }

    fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        self.take(count)?;
        while count > 0 {
            let there = self.input.fill_buf()?.len();
            if there == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let step = there.min(usize::try_from(count).unwrap_or(usize::MAX));
            self.input.consume(step);
            count -= step as u64;
        }
        Ok(())
    }

    /// A line without its end; what is longer than a name is read, but not kept.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        loop {
            let byte = self.bytes::<1>()?[0];
            if byte == b'\n' {
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if line.len() <= LONGEST_NAME {
                line.push(byte);
            }
        }
    }

    fn text(&mut self, length: u64) -> io::Result<Value> {
        if length > LONGEST_NAME as u64 {
            self.skip(length)?;
            return Ok(Value::Other);
        }
        self.take(length)?;
        let mut text = vec![0; usize::try_from(length).unwrap_or_default()];
        self.input.read_exact(&mut text)?;
        Ok(match String::from_utf8(text) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Other,
        })
    }

    fn import(&mut self, module: String, name: String) -> Value {
        if self.imports.names.len() < MOST_NAMES {
            self.imports.names.insert((module.clone(), name.clone()));
        }
        Value::Global(Rc::new(Global { module, name }))
    }

    /// One pickle, up to its STOP.
    fn pickle(&mut self, depth: usize) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(broken("arrays are nested too deeply"));
        }
        // Nested pickles share what one may use.
        let room = self.limits.values >> depth;
        let mut machine = Machine::new(room);
        loop {
            let code = self.bytes::<1>()?[0];
            if code == b'.' {
                return Ok(());
            }
            self.step(&mut machine, code, depth)?;
            if machine.stack.len() > room {
                return Err(too_large("it keeps more values than allowed"));
            }
        }
    }
}
