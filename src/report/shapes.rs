//! The shapes in which programs print a value: as it is, JSON-escaped, URL-encoded, in base64 at any offset and broken into
//! lines. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::telling::SHORTEST;

/// Up to this many characters base64 is looked for as a whole; more may be broken into lines (76, 64), so pieces are.
const WHOLE: usize = 56;
/// A piece, and the distance from one to the next: every line of `PIECE + STRIDE` characters holds one.
const PIECE: usize = 20;
const STRIDE: usize = 40;
/// Fewer different characters are filling (zeros, blanks) and stand in other texts too.
const VARIETY: usize = 8;

/// What to look for.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Hidden as found.
    pub(super) exact: Vec<String>,
    /// Hidden with all of the base64 around it.
    pub(super) pieces: Vec<String>,
}

/// Every shape of a value.
pub(super) fn shapes(value: &str) -> Shapes {
    let mut shapes = Shapes::default();
    let exact = &mut shapes.exact;
    exact.push(value.to_owned());
    if value.contains('\n') {
        exact.push(value.replace('\n', "\r\n"));
    }
    exact.push(json_escaped(value, false));
    exact.push(json_escaped(value, true));
    // A document's lines are values of their own.
    if !value.contains('\n') {
        for upper in [true, false] {
            let encoded = url_encoded(value, upper);
            exact.push(encoded.replace("%20", "+"));
            // Many leave the slash, as within a path.
            exact.push(encoded.replace(if upper { "%2F" } else { "%2f" }, "/"));
            exact.push(encoded);
        }
    }
    let packed = STANDARD.encode(value);
    if packed.len() <= WHOLE {
        exact.push(packed);
    }
    for offset in 0..3 {
        for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let stable = stable_base64(alphabet, value, offset);
            if stable.len() <= WHOLE {
                exact.push(stable);
            } else {
                shapes.pieces.extend(pieces(&stable));
            }
        }
    }
    shapes.exact.retain(|shape| shape.len() >= SHORTEST);
    shapes
}

/// Whether a byte may stand in base64 of any alphabet.
pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

fn pieces(text: &str) -> impl Iterator<Item = String> {
    // The last one ends with the text.
    let last = text.len().saturating_sub(PIECE);
    (0..last)
        .step_by(STRIDE)
        .chain([last])
        .filter_map(|from| text.get(from..from + PIECE))
        .filter(|piece| {
            let mut seen: Vec<u8> = piece.bytes().collect();
            seen.sort_unstable();
            seen.dedup();
            seen.len() >= VARIETY
        })
        .map(str::to_owned)
}

/// The characters of base64 that do not depend on what stands before (`offset` bytes into a group of three) and after.
fn stable_base64(alphabet: &base64::engine::GeneralPurpose, value: &str, offset: usize) -> String {
    let mut bytes = vec![0_u8; offset];
    bytes.extend_from_slice(value.as_bytes());
    let encoded = alphabet.encode(&bytes);
    let start = [0, 2, 3][offset % 3];
    let end = bytes.len() * 8 / 6;
    encoded.get(start..end).unwrap_or_default().to_owned()
}

fn url_encoded(value: &str, upper: bool) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ if upper => text.push_str(&format!("%{byte:02X}")),
            _ => text.push_str(&format!("%{byte:02x}")),
        }
    }
    text
}

/// The inside of a JSON string; `ascii` as Python's `json.dumps` writes it.
fn json_escaped(value: &str, ascii: bool) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    let inner = &quoted[1..quoted.len() - 1];
    if !ascii {
        return inner.to_owned();
    }
    let mut text = String::new();
    for c in inner.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}
