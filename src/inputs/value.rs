//! How the text of a single value is read. It knows no input.

use std::time::Duration;

use secrecy::SecretString;

/// Any text is a secret.
pub(super) fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

/// `true` or `false`, as the runner writes them.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A time such as `90s`, `10m`, `1h 30m`; a bare number is refused because its unit would be a guess.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "expected a time with its unit, such as 90s, 10m or 2h".to_owned())?;
    Duration::try_from(parsed)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "expected a time above zero".to_owned())
}
