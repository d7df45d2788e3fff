//! How far two versions of a package are apart (PEP 440, as much of it as installed versions use).

/// The distance of two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Distance {
    Same,
    /// Only what stands after `+` differs: `2.3.1+cpu` and `2.3.1+cu118`.
    Local,
    Minor,
    Major,
}

/// Years as first number are no promise about compatibility.
const FIRST_YEAR: u64 = 1990;

/// Compares two versions.
pub(super) fn distance(one: &str, other: &str) -> Distance {
    let (one, other) = (one.trim().to_lowercase(), other.trim().to_lowercase());
    if one == other {
        return Distance::Same;
    }
    let (one_public, one_local) = split(&one);
    let (other_public, other_local) = split(&other);
    let (one_release, one_rest) = release(one_public);
    let (other_release, other_rest) = release(other_public);
    if one_release == other_release && one_rest == other_rest {
        return if one_local == other_local {
            Distance::Same
        } else {
            Distance::Local
        };
    }
    match (one_release.first(), other_release.first()) {
        (Some(one), Some(other)) if one == other => Distance::Minor,
        (Some(one), Some(other)) if *one >= FIRST_YEAR && *other >= FIRST_YEAR => Distance::Minor,
        _ => Distance::Major,
    }
}

fn split(version: &str) -> (&str, &str) {
    version.split_once('+').unwrap_or((version, ""))
}

/// The numbers without zeros at the end, and what follows them: `1.0rc1` is `[1]` and `rc1`.
fn release(version: &str) -> (Vec<u64>, &str) {
    let version = version.trim_start_matches('v');
    let end = version
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(version.len());
    let (numbers, rest) = version.split_at(end);
    let mut numbers: Vec<u64> = numbers
        .split('.')
        .filter_map(|number| number.parse().ok())
        .collect();
    while numbers.len() > 1 && numbers.last() == Some(&0) {
        numbers.pop();
    }
    (numbers, rest)
}

/// `3.11` of `3.11.7`.
pub(super) fn minor(version: &str) -> &str {
    version
        .match_indices('.')
        .nth(1)
        .map_or(version, |(at, _)| &version[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for (one, other, expected) in [
            ("1.5.2", "1.5.2", Distance::Same),
            ("1.0", "1.0.0", Distance::Same),
            ("1.0RC1", "1.0rc1", Distance::Same),
            ("2.3.1+cpu", "2.3.1+cu118", Distance::Local),
            ("2.3.1", "2.3.1+cu118", Distance::Local),
            ("1.5.2", "1.6.1", Distance::Minor),
            ("1.0rc1", "1.0", Distance::Minor),
            ("1.26.4", "2.0.0", Distance::Major),
            ("2025.2", "2026.1", Distance::Minor),
            ("0.9", "0.10", Distance::Minor),
            ("", "1", Distance::Major),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
        assert_eq!((minor("3.11.7"), minor("3.12")), ("3.11", "3.12"));
    }
}
