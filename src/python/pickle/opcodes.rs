//! What each opcode does. Source of the table: Python's `pickletools`; joblib's arrays stand between opcodes.

use std::io::{self, BufRead};
use std::rc::Rc;

use super::machine::{Machine, Object, Value, item_size, keep, tuple};
use super::{Scanner, broken, too_large};

impl<R: BufRead> Scanner<R> {
    pub(super) fn step(&mut self, m: &mut Machine, code: u8, depth: usize) -> io::Result<()> {
        let pushed = match code {
            // Protocol and frames say nothing that is needed.
            0x80 => return self.skip(1),
            0x95 => return self.skip(8),
            b'(' => Value::Mark,
            b'0' => return m.pop().map(drop),
            b'1' => return m.pop_mark().map(drop),
            // A copy of a dictionary would cost as much again.
            b'2' => match m.stack.last() {
                None | Some(Value::Dict(_)) => Value::Other,
                Some(value) => value.clone(),
            },
            b'N' | 0x88 | 0x89 | b']' | 0x8f | 0x97 => Value::Other,
            b'}' => Value::Dict(Vec::new()),
            b')' => Value::Tuple(Rc::new([])),
            b'F' | b'I' | b'L' | b'P' => {
                let line = self.line()?;
                line.parse().map_or(Value::Other, Value::Number)
            }
            b'S' | b'V' => Value::Text(self.line()?.trim_matches(['\'', '"']).into()),
            b'J' => Value::Number(self.u32()?),
            b'K' => Value::Number(self.u8()?),
            b'M' => Value::Number(u64::from(u16::from_le_bytes(self.bytes()?))),
            b'G' => self.skip(8).map(|()| Value::Other)?,
            0x8a => {
                let length = self.u8()?;
                self.skip(length).map(|()| Value::Other)?
            }
            0x8b | b'B' => {
                let length = self.u32()?;
                self.skip(length).map(|()| Value::Other)?
            }
            b'C' => {
                let length = self.u8()?;
                self.skip(length).map(|()| Value::Other)?
            }
            0x8e | 0x96 => {
                let length = self.u64()?;
                self.skip(length).map(|()| Value::Other)?
            }
            b'U' | 0x8c => {
                let length = self.u8()?;
                self.text(length)?
            }
            b'T' | b'X' => {
                let length = self.u32()?;
                self.text(length)?
            }
            0x8d => {
                let length = self.u64()?;
                self.text(length)?
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.import(module, name)
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                m.pop_mark()?;
                self.import(module, name);
                Value::Other
            }
            0x93 => {
                let (name, module) = (m.pop()?, m.pop()?);
                if let (Value::Text(module), Value::Text(name)) = (module, name) {
                    self.import(module.to_string(), name.to_string())
                } else {
                    self.imports.unresolved += 1;
                    Value::Other
                }
            }
            // Extension codes are registered by the program that loads.
            0x82..=0x84 => {
                self.skip(1 << (code - 0x82))?;
                self.imports.unresolved += 1;
                Value::Other
            }
            0x85..=0x87 => {
                let first = m.stack.len().saturating_sub(usize::from(code - 0x84));
                tuple(m.stack.split_off(first))
            }
            b't' => tuple(m.pop_mark()?),
            b'l' | b'd' | 0x91 | b'o' => m.pop_mark().map(|_| Value::Other)?,
            b'Q' | 0x98 => m.pop().map(|_| Value::Other)?,
            b'R' | 0x81 => {
                let (arguments, class) = (m.pop()?, m.pop()?);
                self.instance(class, arguments)
            }
            0x92 => {
                m.pop()?;
                let (arguments, class) = (m.pop()?, m.pop()?);
                self.instance(class, arguments)
            }
            b'a' => return m.pop().map(drop),
            b'e' | 0x90 => return m.pop_mark().map(drop),
            b's' => {
                let (value, key) = (m.pop()?, m.pop()?);
                keep(m.stack.last_mut(), vec![key, value]);
                return Ok(());
            }
            b'u' => {
                let items = m.pop_mark()?;
                keep(m.stack.last_mut(), items);
                return Ok(());
            }
            b'b' => {
                let state = m.pop()?;
                return self.array_after(m.stack.last(), &state, depth);
            }
            b'p' => {
                let index = self
                    .line()?
                    .parse()
                    .map_err(|_| broken("a memo's index is no number"))?;
                m.memoize(index);
                return Ok(());
            }
            b'q' => {
                let index = self.u8()?;
                m.memoize(index);
                return Ok(());
            }
            b'r' => {
                let index = self.u32()?;
                m.memoize(index);
                return Ok(());
            }
            0x94 => {
                m.memoize(m.next);
                m.next += 1;
                return Ok(());
            }
            b'g' => {
                let index = self
                    .line()?
                    .parse()
                    .map_err(|_| broken("a memo's index is no number"))?;
                m.recall(index);
                return Ok(());
            }
            b'h' => {
                let index = self.u8()?;
                m.recall(index);
                return Ok(());
            }
            b'j' => {
                let index = self.u32()?;
                m.recall(index);
                return Ok(());
            }
            _ => return Err(broken("an opcode is unknown")),
        };
        m.stack.push(pushed);
        Ok(())
    }

    /// What a class or function makes of its arguments. cloudpickle imports the modules that a function uses by a call.
    fn instance(&mut self, class: Value, arguments: Value) -> Value {
        let (Value::Global(class), Value::Tuple(arguments)) = (class, arguments) else {
            return Value::Other;
        };
        if class.name == "subimport"
            && let Some(Value::Text(module)) = arguments.first()
        {
            return self.import(module.to_string(), String::new());
        }
        Value::Object(Rc::new(Object { class, arguments }))
    }

    /// joblib writes an array's bytes right after the state of its wrapper.
    fn array_after(
        &mut self,
        object: Option<&Value>,
        state: &Value,
        depth: usize,
    ) -> io::Result<()> {
        let (Some(Value::Object(object)), Value::Dict(state)) = (object, state) else {
            return Ok(());
        };
        if !object.class.module.starts_with("joblib.") || object.class.name != "NumpyArrayWrapper" {
            return Ok(());
        }
        let get = |key: &str| {
            state.iter().find_map(|(name, value)| match name {
                Value::Text(name) if **name == *key => Some(value),
                _ => None,
            })
        };
        let size = match get("dtype") {
            Some(Value::Object(dtype)) => item_size(&dtype.arguments),
            _ => None,
        };
        match size {
            // An array of objects is a pickle of its own.
            Some(0) => self.pickle(depth + 1),
            Some(size) => {
                let Some(Value::Tuple(shape)) = get("shape") else {
                    return Err(broken("an array has no shape"));
                };
                let mut bytes = size;
                for side in shape.iter() {
                    let Value::Number(side) = side else {
                        return Err(broken("an array's shape is no number"));
                    };
                    bytes = bytes
                        .checked_mul(*side)
                        .ok_or_else(|| too_large("an array is larger than allowed"))?;
                }
                if matches!(get("numpy_array_alignment_bytes"), Some(Value::Number(_))) {
                    let padding = self.u8()?;
                    self.skip(padding)?;
                }
                self.skip(bytes)
            }
            None => Err(broken("an array's type is unknown")),
        }
    }
}
