//! The grammar of gate rules: `metric op number`, `metric op champion ± x%`, `metric required`. Pure; it knows no metrics.

use super::gates::{Margin, Op, Side, Test};

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// After `rule … `.
    pub(super) why: String,
    /// The rule as it was probably meant.
    pub(super) example: String,
}

/// Reads one rule: the metric's name and what is asked of it. A name with an operator in it stands in quotes.
pub(super) fn parse(text: &str) -> Result<(String, Test), Fault> {
    let text = text.trim();
    let (name, rest) = metric(text)?;
    if rest == "required" {
        return Ok((name, Test::Required));
    }
    let shown = shown(&name);
    let (op, rest) = operator(rest).map_err(|(why, op)| Fault {
        why,
        example: format!("{shown} {op}"),
    })?;
    let fault = |why: String, right: &str| Fault {
        why,
        example: format!("{shown} {} {right}", op.sign()),
    };
    let test = match rest.strip_prefix("champion") {
        Some(rest) if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
            Test::Champion(
                op,
                margin(op, rest.trim()).map_err(|(why, right)| fault(why, &right))?,
            )
        }
        _ => Test::Number(op, number(rest).map_err(|(why, right)| fault(why, &right))?),
    };
    Ok((name, test))
}

/// A name as a rule writes it.
pub(super) fn shown(name: &str) -> String {
    let plain = metric(&format!("{name} > 0")).is_ok_and(|(read, _)| read == name);
    if plain {
        name.to_owned()
    } else if name.contains('"') {
        format!("'{name}'")
    } else {
        format!("\"{name}\"")
    }
}

/// The metric's name, and what follows it.
fn metric(text: &str) -> Result<(String, &str), Fault> {
    let fault = |why: &str, example: &str| Fault {
        why: why.to_owned(),
        example: example.to_owned(),
    };
    let (name, rest) = if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\''))
    {
        let Some((name, rest)) = text[1..].split_once(quote) else {
            return Err(fault(
                "has a quote that is not closed",
                "\"val accuracy\" >= 0.92",
            ));
        };
        (name, rest.trim())
    } else if let Some(at) = operator_at(text) {
        (text[..at].trim(), &text[at..])
    } else if let Some(name) = text.strip_suffix("required") {
        (name.trim(), "required")
    } else {
        return Err(fault(
            "compares with nothing",
            &format!("{} >= 0.92", text.trim_end_matches(':')),
        ));
    };
    if name.trim().is_empty() {
        return Err(fault("names no metric", "accuracy >= 0.92"));
    }
    Ok((name.to_owned(), rest))
}

/// Where the operator begins. What stands in braces belongs to the name: `auc{country=DE}`.
fn operator_at(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '<' | '>' | '=' | '!' | '≥' | '≤' | '≠' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The operator and what follows; else why not, and the rest of the rule as it was probably meant.
fn operator(text: &str) -> Result<(Op, &str), (String, String)> {
    const RIGHT: &[(&str, Op)] = &[
        (">=", Op::AtLeast),
        ("<=", Op::AtMost),
        ("==", Op::Equal),
        (">", Op::Above),
        ("<", Op::Below),
    ];
    const WRONG: &[(&str, &str)] = &[
        ("=>", ">="),
        ("=<", "<="),
        ("≥", ">="),
        ("≤", "<="),
        ("!=", ">="),
        ("≠", ">="),
        ("<>", ">="),
        ("=", "=="),
        ("!", ">="),
    ];
    for (wrong, meant) in WRONG {
        if let Some(rest) = text.strip_prefix(wrong)
            && !text.starts_with("==")
        {
            let rest = rest.trim();
            let rest = if rest.is_empty() { "0.92" } else { rest };
            let why = format!("has `{wrong}`, which is none of >=, >, <=, <, ==");
            return Err((why, format!("{meant} {rest}")));
        }
    }
    for (sign, op) in RIGHT {
        if let Some(rest) = text.strip_prefix(sign) {
            return Ok((*op, rest.trim()));
        }
    }
    Err((
        format!("has `{text}` after the metric's name, expected an operator or `required`"),
        ">= 0.92".to_owned(),
    ))
}

/// A number; else why not, and what was probably meant.
fn number(text: &str) -> Result<f64, (String, String)> {
    if text.is_empty() {
        return Err(("compares with nothing".to_owned(), "0.92".to_owned()));
    }
    if let Some(value) = plain(text.strip_prefix('-').unwrap_or(text)) {
        return Ok(if text.starts_with('-') { -value } else { value });
    }
    if let Some(share) = text.strip_suffix('%').map(str::trim).and_then(plain) {
        return Err((
            format!("compares with `{text}`; a share counts only from the champion"),
            (share / 100.0).to_string(),
        ));
    }
    let comma = text.replace(',', ".");
    let meant = if plain(&comma).is_some() {
        &comma
    } else {
        "champion"
    };
    Err((
        format!("compares with `{text}`, expected a number or `champion`"),
        meant.to_owned(),
    ))
}

/// What follows `champion`; else why not, and the right side as it was probably meant.
fn margin(op: Op, text: &str) -> Result<Margin, (String, String)> {
    const SIGNS: &[(&str, Side)] = &[
        ("+/-", Side::Both),
        ("+-", Side::Both),
        ("±", Side::Both),
        ("+", Side::Above),
        ("-", Side::Below),
        ("−", Side::Below),
    ];
    let same = Margin {
        side: Side::Both,
        amount: 0.0,
        percent: false,
    };
    if text.is_empty() {
        return Ok(same);
    }
    let Some((side, rest)) = SIGNS
        .iter()
        .find_map(|(sign, side)| Some((*side, text.strip_prefix(sign)?.trim())))
    else {
        return Err((
            format!("has `{text}` after `champion`, expected + or - and a difference"),
            "champion - 0.01".to_owned(),
        ));
    };
    let share = rest.strip_suffix('%').map(str::trim);
    let Some(amount) = plain(share.unwrap_or(rest)) else {
        let unit = if share.is_some() { "2%" } else { "0.01" };
        let sign = if side == Side::Above { '+' } else { '-' };
        return Err((
            format!("has the difference `{rest}`, expected a number such as 0.01 or 2%"),
            format!("champion {sign} {unit}"),
        ));
    };
    if side == Side::Both && op != Op::Equal {
        let sign = if matches!(op, Op::AtMost | Op::Below) {
            '+'
        } else {
            '-'
        };
        return Err((
            "has `±`, which needs the operator ==".to_owned(),
            format!("champion {sign} {rest}"),
        ));
    }
    Ok(Margin {
        side,
        amount,
        percent: share.is_some(),
    })
}

/// A finite number without a sign.
fn plain(text: &str) -> Option<f64> {
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse()
        .ok()
        .filter(|value: &f64| begins && value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn champion(op: Op, side: Side, amount: f64, percent: bool) -> Test {
        let margin = Margin {
            side,
            amount,
            percent,
        };
        Test::Champion(op, margin)
    }

    #[test]
    fn rules_of_every_form_are_read() {
        for (text, name, test) in [
            (
                "accuracy >= 0.92",
                "accuracy",
                Test::Number(Op::AtLeast, 0.92),
            ),
            ("  loss<.5 ", "loss", Test::Number(Op::Below, 0.5)),
            ("score > -1e-3", "score", Test::Number(Op::Above, -1e-3)),
            ("n == 3", "n", Test::Number(Op::Equal, 3.0)),
            (
                "val/f1 score.macro-avg <= 1",
                "val/f1 score.macro-avg",
                Test::Number(Op::AtMost, 1.0),
            ),
            (
                "auc{country=DE} >= 0.7",
                "auc{country=DE}",
                Test::Number(Op::AtLeast, 0.7),
            ),
            ("\"a >= b\" > 1", "a >= b", Test::Number(Op::Above, 1.0)),
            ("'say \"x\"' required", "say \"x\"", Test::Required),
            ("auc required", "auc", Test::Required),
            ("not required", "not", Test::Required),
            (
                "rmse <= champion + 2%",
                "rmse",
                champion(Op::AtMost, Side::Above, 2.0, true),
            ),
            (
                "accuracy >= champion - 0.01",
                "accuracy",
                champion(Op::AtLeast, Side::Below, 0.01, false),
            ),
            (
                "accuracy>champion",
                "accuracy",
                champion(Op::Above, Side::Both, 0.0, false),
            ),
            (
                "accuracy >= champion −0.5 %",
                "accuracy",
                champion(Op::AtLeast, Side::Below, 0.5, true),
            ),
            (
                "bias == champion ± 0.1",
                "bias",
                champion(Op::Equal, Side::Both, 0.1, false),
            ),
        ] {
            assert_eq!(parse(text), Ok((name.to_owned(), test)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rule_is_said_with_a_rule_that_is_one() {
        for (text, why, example) in [
            ("accuracy", "compares with nothing", "accuracy >= 0.92"),
            ("accuracy >=", "compares with nothing", "accuracy >= 0.92"),
            ("accuracy => 0.9", "`=>`", "accuracy >= 0.9"),
            ("accuracy = 0.9", "`=`", "accuracy == 0.9"),
            ("accuracy ≥ 0.9", "`≥`", "accuracy >= 0.9"),
            (
                "accuracy >= 92%",
                "only from the champion",
                "accuracy >= 0.92",
            ),
            ("accuracy >= 0,92", "`0,92`", "accuracy >= 0.92"),
            ("accuracy >= nan", "`nan`", "accuracy >= champion"),
            (
                "accuracy >= production",
                "`production`",
                "accuracy >= champion",
            ),
            (
                "accuracy >= championship",
                "`championship`",
                "accuracy >= champion",
            ),
            (">= 0.9", "names no metric", "accuracy >= 0.92"),
            ("\"a >= 1", "not closed", "\"val accuracy\" >= 0.92"),
            ("\"a\" 5", "expected an operator", "a >= 0.92"),
            ("rmse <= champion + -2%", "`-2%`", "rmse <= champion + 2%"),
            (
                "rmse <= champion 2%",
                "after `champion`",
                "rmse <= champion - 0.01",
            ),
            (
                "rmse <= champion ± 2%",
                "needs the operator ==",
                "rmse <= champion + 2%",
            ),
            ("\"a > b\" => 1", "`=>`", "\"a > b\" >= 1"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.why.contains(why), "{text}: {fault:?}");
            assert_eq!(fault.example, example, "{text}");
            assert!(parse(&fault.example).is_ok(), "{}", fault.example);
        }
    }
}
