//! What a pickle's opcodes leave on the stack and in the memo, as far as it is needed to resolve names and to skip arrays.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use super::broken;

/// What the scanner remembers of a value: enough to resolve names and to skip joblib's arrays.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Mark,
    Text(Rc<str>),
    Number(u64),
    /// Of texts and numbers; other items are `Other`, so that no value can grow by being put into itself.
    Tuple(Rc<[Self]>),
    Global(Rc<Global>),
    Object(Rc<Object>),
    /// Small ones only.
    Dict(Vec<(Self, Self)>),
    Other,
}

#[derive(Debug)]
pub(super) struct Global {
    pub(super) module: String,
    pub(super) name: String,
}

/// An instance: its class and the texts and numbers it was made with.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) class: Rc<Global>,
    pub(super) arguments: Rc<[Value]>,
}
/// Stack and memo of one pickle.
pub(super) struct Machine {
    pub(super) stack: Vec<Value>,
    /// Only values that matter; a missing one is `Other`.
    memo: HashMap<u64, Value>,
    /// Index of the next `MEMOIZE`.
    pub(super) next: u64,
    /// Values that the memo may hold.
    room: usize,
}
impl Machine {
    pub(super) fn new(room: usize) -> Self {
        Self {
            stack: Vec::new(),
            memo: HashMap::new(),
            next: 0,
            room,
        }
    }

    pub(super) fn pop(&mut self) -> io::Result<Value> {
        self.stack.pop().ok_or_else(|| broken("the stack is empty"))
    }

    /// Everything above the last mark; the mark goes too.
    pub(super) fn pop_mark(&mut self) -> io::Result<Vec<Value>> {
        let at = self
            .stack
            .iter()
            .rposition(|value| matches!(value, Value::Mark))
            .ok_or_else(|| broken("there is no mark"))?;
        let above = self.stack.split_off(at + 1);
        self.stack.pop();
        Ok(above)
    }

    /// Keeps the top value while there is room.
    pub(super) fn memoize(&mut self, index: u64) {
        match self.stack.last() {
            Some(value) if value.matters() && self.memo.len() < self.room => {
                self.memo.insert(index, value.clone());
            }
            _ => {
                self.memo.remove(&index);
            }
        }
    }

    pub(super) fn recall(&mut self, index: u64) {
        let value = self.memo.get(&index).cloned().unwrap_or(Value::Other);
        self.stack.push(value);
    }
}

impl Value {
    /// Whether a later opcode may need it.
    fn matters(&self) -> bool {
        match self {
            Self::Text(_) | Self::Global(_) | Self::Object(_) => true,
            Self::Tuple(items) => !items.is_empty(),
            Self::Mark | Self::Number(_) | Self::Dict(_) | Self::Other => false,
        }
    }
}
/// A tuple of what can be needed of its items.
pub(super) fn tuple(items: Vec<Value>) -> Value {
    let plain = |value| match value {
        Value::Text(_) | Value::Number(_) => value,
        _ => Value::Other,
    };
    // A shape has few sides, a constructor few arguments.
    Value::Tuple(items.into_iter().take(16).map(plain).collect())
}

/// Keeps the entries of small dictionaries only: a wrapper's state has six.
pub(super) fn keep(dict: Option<&mut Value>, items: Vec<Value>) {
    let Some(dict) = dict else { return };
    let Value::Dict(entries) = dict else { return };
    if entries.len() + items.len() / 2 > 16
        || items.iter().any(|item| matches!(item, Value::Dict(_)))
    {
        *dict = Value::Other;
        return;
    }
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        entries.push((key, value));
    }
}

/// Bytes of an item of a `numpy.dtype` made with these arguments, such as `('f8', False, True)`; 0 for objects.
pub(super) fn item_size(arguments: &[Value]) -> Option<u64> {
    let Some(Value::Text(code)) = arguments.first() else {
        return None;
    };
    let code = code.trim_start_matches(['<', '>', '=', '|']);
    let kind = code.chars().next()?;
    let size: u64 = code.get(kind.len_utf8()..)?.parse().ok()?;
    match kind {
        'O' => Some(0),
        'U' => size.checked_mul(4),
        _ => Some(size),
    }
}
