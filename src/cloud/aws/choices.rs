//! AWS answers a word that it does not know with all words that it does know: hundreds of machine types in one line. What
//! people need is the word and the nearest one that there is.

const LIST: &str = "Member must satisfy enum value set: [";
/// From how many on they are not listed.
const MANY: usize = 12;
/// How alike two words must be for one to be meant.
const ALIKE: f64 = 0.6;

/// The message with its long lists of words in short.
pub(super) fn in_short(message: &str) -> String {
    let mut short = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(LIST) {
        let Some((list, end)) = after.split_once(']') else {
            break;
        };
        short.push_str(before);
        let words: Vec<&str> = list.split(',').map(str::trim).collect();
        if words.len() < MANY {
            short.push_str(&format!("{LIST}{list}]"));
        } else {
            short.push_str(&format!("it is none of the {} that AWS knows", words.len()));
            if let Some(nearest) = value(before).and_then(|value| nearest(value, &words)) {
                short.push_str(&format!("; did you mean `{nearest}`?"));
            }
        }
        rest = end;
    }
    short + rest
}

/// `Value 'ml.m5.larg' at 'instanceType' failed to satisfy constraint: `: the last value before a list.
fn value(before: &str) -> Option<&str> {
    let (_, value) = before.rsplit_once("Value '")?;
    value.split_once('\'').map(|(value, _)| value)
}

fn nearest<'a>(value: &str, words: &[&'a str]) -> Option<&'a str> {
    let alike = |word: &str| strsim::normalized_damerau_levenshtein(value, word);
    let best = words
        .iter()
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
        .copied();
    best.filter(|word| alike(word) > ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_gives_way_to_the_word_that_was_meant() {
        let sizes = [
            "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge",
        ];
        let types = ["ml.m5", "ml.c5"].map(|family| sizes.map(|size| format!("{family}.{size}")));
        let list = types.concat().join(", ");
        let said = |value: &str| {
            in_short(&format!(
                "1 validation error detected: Value '{value}' at 'productionVariants.1.member.instanceType' failed to satisfy constraint: Member must satisfy enum value set: [{list}]"
            ))
        };
        let short = said("ml.m5.larg");
        assert!(
            short.ends_with("failed to satisfy constraint: it is none of the 14 that AWS knows; did you mean `ml.m5.large`?"),
            "{short}"
        );
        assert!(said("quantum").ends_with("that AWS knows"));
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        for message in [
            "Value 'x' at 'y' failed to satisfy constraint: Member must satisfy enum value set: [a, b]",
            "Value 'x' at 'y' failed to satisfy constraint: Member must satisfy enum value set: [a, b",
            "Rate exceeded",
            "",
        ] {
            assert_eq!(in_short(message), message);
        }
    }
}
