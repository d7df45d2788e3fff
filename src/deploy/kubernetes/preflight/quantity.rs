//! Kubernetes' quantities (`500m`, `1.5Gi`, `2e3`) as whole thousandths, so that sums compare exactly.
//! It knows the notation, not what is measured.

use serde_json::Value;

/// Thousandths of a unit: enough for the smallest step that the API keeps, a millicore.
pub(super) type Milli = i128;

/// Reads a quantity, which manifests write as text or as a number; what is smaller than a thousandth is rounded up, as
/// the API server does. `None`: this is no quantity.
pub(super) fn read(value: &Value) -> Option<Milli> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => parse(&number.to_string()),
        _ => None,
    }
}

fn parse(text: &str) -> Option<Milli> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    // (factor, divisor) from the written number to thousandths.
    let (factor, divisor): (Milli, Milli) = match suffix {
        "n" => (1, 1_000_000),
        "u" => (1, 1_000),
        "m" => (1, 1),
        "" => (1_000, 1),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (1_000_000_000_000, 1),
        "T" => (1_000_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000_000, 1),
        "Ki" => (1_000 << 10, 1),
        "Mi" => (1_000 << 20, 1),
        "Gi" => (1_000 << 30, 1),
        "Ti" => (1_000 << 40, 1),
        "Pi" => (1_000 << 50, 1),
        "Ei" => (1_000 << 60, 1),
        _ => {
            let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let ten = Milli::from(10).checked_pow(power.unsigned_abs())?;
            if power < 0 {
                (1_000, ten)
            } else {
                (ten.checked_mul(1_000)?, 1)
            }
        }
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let scale = Milli::from(10).checked_pow(u32::try_from(part.len()).ok()?)?;
    let digits: Milli = format!("{whole}{part}").parse().ok()?;
    let divisor = divisor.checked_mul(scale)?;
    let total = digits.checked_mul(factor)?;
    let rest = Milli::from(total > 0 && total % divisor != 0);
    Some(total / divisor + rest)
}

/// The quantity as people write it: `1500m`, `2`, `1.5Gi`. Memory and storage are told by the resource's name.
pub(super) fn show(resource: &str, amount: Milli) -> String {
    let binary = resource.contains("memory")
        || resource.contains("storage")
        || resource.contains("hugepages");
    let whole = amount / 1_000;
    if !binary {
        return if amount % 1_000 == 0 {
            whole.to_string()
        } else {
            format!("{amount}m")
        };
    }
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    for (unit, shift) in units {
        let one: Milli = 1 << shift;
        if whole >= one {
            let tenths = whole * 10 / one;
            return match tenths % 10 {
                0 => format!("{}{unit}", tenths / 10),
                part => format!("{}.{part}{unit}", tenths / 10),
            };
        }
    }
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_means_the_same_amount() {
        for (text, amount) in [
            ("500m", 500),
            ("0.5", 500),
            ("2", 2_000),
            ("+2", 2_000),
            ("1e3", 1_000_000),
            ("5E-1", 500),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
            ("1500M", 1_500_000_000_000),
            ("100n", 1),
            ("1500u", 2),
        ] {
            assert_eq!(parse(text), Some(amount), "{text}");
        }
        assert_eq!(read(&serde_json::json!(2)), Some(2_000));
        assert_eq!(read(&serde_json::json!(0.25)), Some(250));
        for wrong in ["", "x", "1Xi", "1e", "e5", "1.2.3"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn amounts_are_shown_as_people_write_them() {
        assert_eq!(show("cpu", 1_500), "1500m");
        assert_eq!(show("nvidia.com/gpu", 2_000), "2");
        assert_eq!(show("requests.memory", 1_610_612_736_000), "1.5Gi");
        assert_eq!(show("memory", 512_000), "512");
    }
}
