//! The production variants of an endpoint of SageMaker: the one that the inputs describe, or a list of them. Bounds are those of
//! the API reference (`ProductionVariant`); what serverless endpoints lack is listed in the developer guide, "Serverless Inference".

use super::super::{Resolver, values};
use super::is_name;
use crate::plan::{Capacity, Variant};

/// Most variants that a configuration has.
const MOST: usize = 10;
/// Requests that a serverless variant answers at a time when its line does not say.
const CONCURRENCY: u32 = 5;
/// What describes the only variant, and nothing when there is a list of them.
const OF_ONE: &[&str] = &[
    "variant-name",
    "instance-type",
    "instance-count",
    "serverless-memory",
    "serverless-concurrency",
];
/// What a line takes.
const LINE: &str = "`NAME instance-type=ml.m5.large instance-count=1 weight=1`";

impl Resolver<'_> {
    /// All of them; never empty. What is no deployment needs to know nothing of the machines.
    pub(super) fn variants(&mut self, deploys: bool) -> Vec<Variant> {
        let lines = values::list(&self.inputs.sagemaker.variants, false);
        if lines.is_empty() {
            return vec![self.only_variant(deploys)];
        }
        for name in OF_ONE {
            if self.sources.contains_key(*name) {
                self.invalid(name, "is set beside `variants`, each of which has its own");
            }
        }
        let mut variants = Vec::new();
        for line in lines {
            match variant(&line) {
                Ok(variant) => variants.push(variant),
                Err(why) => {
                    self.invalid("variants", format!("has `{line}`, {why}; expected {LINE}"));
                }
            }
        }
        if let Some(why) = together(&variants) {
            self.invalid("variants", why);
        }
        variants
    }

    fn only_variant(&mut self, deploys: bool) -> Variant {
        let name = self.inputs.sagemaker.variant_name.clone();
        if !is_name(&name) {
            self.invalid("variant-name", super::name_rule(&name));
        }
        Variant {
            name,
            capacity: self.capacity(deploys),
            weight: 1.0,
        }
    }

    fn capacity(&mut self, deploys: bool) -> Capacity {
        let own = &self.inputs.sagemaker;
        let kind = self.inputs.endpoint.instance_type.clone();
        let Some(memory) = own.serverless_memory else {
            if self.sources.contains_key("serverless-concurrency") {
                self.missing("serverless-memory", "`serverless-concurrency` is set");
            }
            match &kind {
                Some(kind) if !is_instance(kind) => self.invalid("instance-type", type_rule(kind)),
                None if deploys => self.missing(
                    "instance-type",
                    "target sagemaker needs it, or `serverless-memory`, or `variants`",
                ),
                _ => {}
            }
            return Capacity::Instances {
                kind: kind.unwrap_or_default(),
                count: self.inputs.endpoint.instance_count,
            };
        };
        if kind.is_some() {
            self.both(
                "serverless-memory",
                "instance-type",
                "an endpoint is serverless or has machines",
            );
        } else if self.sources.contains_key("instance-count") {
            self.invalid(
                "instance-count",
                "is set, and `serverless-memory` makes the endpoint serverless: it has no machines",
            );
        } else if !is_memory(memory) {
            self.invalid("serverless-memory", memory_rule(memory));
        }
        Capacity::Serverless {
            memory,
            concurrency: own.serverless_concurrency,
        }
    }
}

/// One line of the list.
fn variant(line: &str) -> Result<Variant, String> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    if !is_name(name) {
        return Err(format!("whose name {}", super::name_rule(name)));
    }
    let (mut kind, mut count, mut memory, mut concurrency, mut weight) =
        (None, None, None, None, None);
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            return Err(format!("in which `{word}` has no `=`"));
        };
        let wrong = || format!("in which `{word}` cannot be used");
        let number = |range: std::ops::RangeInclusive<u32>| {
            let number = value.parse().ok().filter(|number| range.contains(number));
            number.map(Some).ok_or_else(wrong)
        };
        match key {
            "instance-type" if is_instance(value) => kind = Some(value.to_owned()),
            "instance-count" => count = number(1..=u32::MAX)?,
            "serverless-memory" => {
                memory = number(0..=u32::MAX)?;
                if let Some(memory) = memory.filter(|memory| !is_memory(*memory)) {
                    return Err(format!("whose memory {}", memory_rule(memory)));
                }
            }
            "serverless-concurrency" => concurrency = number(1..=200)?,
            "weight" => {
                let number = value.parse::<f64>().ok();
                let number = number.filter(|number| number.is_finite() && *number >= 0.0);
                weight = Some(number.ok_or_else(wrong)?);
            }
            "instance-type" => return Err(format!("whose `instance-type` {}", type_rule(value))),
            _ => return Err(format!("in which `{key}` is unknown")),
        }
    }
    let capacity = match (kind, memory) {
        (Some(kind), None) if concurrency.is_none() => Capacity::Instances {
            kind,
            count: count.unwrap_or(1),
        },
        (None, Some(memory)) if count.is_none() => Capacity::Serverless {
            memory,
            concurrency: concurrency.unwrap_or(CONCURRENCY),
        },
        (None, None) => {
            return Err("which has neither `instance-type` nor `serverless-memory`".to_owned());
        }
        _ => return Err("which mixes machines (`instance-…`) and `serverless-…`".to_owned()),
    };
    Ok(Variant {
        name: name.to_owned(),
        capacity,
        weight: weight.unwrap_or(1.0),
    })
}

/// Why these cannot stand in one configuration.
fn together(variants: &[Variant]) -> Option<String> {
    let first = variants.first()?;
    let twice = (1..).zip(variants).find(|(next, one)| {
        variants
            .iter()
            .skip(*next)
            .any(|other| other.name == one.name)
    });
    if let Some((_, twice)) = twice {
        return Some(format!("has `{}` twice", twice.name));
    }
    if variants.len() > MOST {
        return Some(format!(
            "has {} variants, and SageMaker takes {MOST}",
            variants.len()
        ));
    }
    if variants.len() > 1 && variants.iter().any(Variant::is_serverless) {
        return Some("has several variants with a serverless one among them: a serverless endpoint has one variant".to_owned());
    }
    let other = variants
        .iter()
        .find(|one| one.architecture() != first.architecture());
    if let Some(other) = other {
        return Some(format!(
            "has machines of two processors, `{}` of {} and `{}` of {}: one image cannot run on both",
            first.name,
            first.architecture(),
            other.name,
            other.architecture()
        ));
    }
    let all: f64 = variants.iter().map(|variant| variant.weight).sum();
    (all <= 0.0).then(|| "has only variants with weight 0: nobody would be answered".to_owned())
}

fn is_memory(memory: u32) -> bool {
    memory.is_multiple_of(1024) && (1024..=6144).contains(&memory)
}

fn memory_rule(memory: u32) -> String {
    format!("is {memory}, expected 1024, 2048, 3072, 4096, 5120 or 6144 MiB")
}

fn type_rule(kind: &str) -> String {
    format!("is `{kind}`, expected a type of SageMaker such as ml.m5.large")
}

/// `ml.`, a family with its generation, and a size.
fn is_instance(text: &str) -> bool {
    let mut parts = text.split('.');
    let word = |part: Option<&str>| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        part.is_some_and(|part| !part.is_empty() && part.chars().all(plain))
    };
    parts.next() == Some("ml") && word(parts.next()) && word(parts.next()) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_sagemaker() {
        for right in [
            "ml.m5.large",
            "ml.g5.48xlarge",
            "ml.p4d.24xlarge",
            "ml.u-6tb1.112xlarge",
        ] {
            assert!(is_instance(right), "{right}");
        }
        for wrong in [
            "m5.large",
            "ml.m5",
            "ml.m5.large.x",
            "ml..large",
            "ML.m5.large",
        ] {
            assert!(!is_instance(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_line_is_a_variant() {
        let blue = variant("blue instance-type=ml.m5.large instance-count=2 weight=0.5").unwrap();
        let machines = |kind: &str, count| Capacity::Instances {
            kind: kind.to_owned(),
            count,
        };
        assert_eq!(
            (blue.name.as_str(), blue.capacity, blue.weight),
            ("blue", machines("ml.m5.large", 2), 0.5)
        );
        let green = variant("green  instance-type=ml.c5.large").unwrap();
        assert_eq!(
            (green.capacity, green.weight),
            (machines("ml.c5.large", 1), 1.0)
        );
        let serverless = variant("s serverless-memory=2048").unwrap();
        assert_eq!(
            serverless.capacity,
            Capacity::Serverless {
                memory: 2048,
                concurrency: 5
            }
        );
        for (line, why) in [
            ("b_lue instance-type=ml.m5.large", "whose name"),
            ("blue", "neither"),
            ("blue instance-type", "no `=`"),
            (
                "blue instance-type=m5.large",
                "`instance-type` is `m5.large`",
            ),
            (
                "blue instance-type=ml.m5.large instance-count=0",
                "`instance-count=0`",
            ),
            ("blue instance-type=ml.m5.large weight=-1", "`weight=-1`"),
            ("blue instance-type=ml.m5.large weight=NaN", "`weight=NaN`"),
            (
                "blue instance-type=ml.m5.large wieght=1",
                "`wieght` is unknown",
            ),
            (
                "blue instance-type=ml.m5.large serverless-memory=1024",
                "mixes",
            ),
            ("blue serverless-memory=1024 instance-count=1", "mixes"),
            ("blue serverless-memory=1000", "is 1000"),
            (
                "blue serverless-memory=1024 serverless-concurrency=201",
                "=201`",
            ),
        ] {
            let said = variant(line).unwrap_err();
            assert!(said.contains(why), "{line}: {said}");
        }
    }

    #[test]
    fn variants_must_fit_together() {
        let of = |lines: &[&str]| {
            let variants: Vec<_> = lines.iter().map(|line| variant(line).unwrap()).collect();
            together(&variants)
        };
        let (blue, green) = (
            "blue instance-type=ml.m5.large",
            "green instance-type=ml.c5.large weight=0",
        );
        assert_eq!(of(&[blue, green]), None);
        assert_eq!(of(&["s serverless-memory=1024"]), None);
        assert_eq!(of(&[]), None);
        let told = |lines: &[&str], why: &str| {
            let said = of(lines).unwrap();
            assert!(said.contains(why), "{said}");
        };
        told(&[blue, green, blue], "`blue` twice");
        told(&[blue, "s serverless-memory=1024"], "one variant");
        told(&[blue, "arm instance-type=ml.m6g.large"], "`arm` of arm64");
        told(&[green], "weight 0");
        let many: Vec<_> = (0..11)
            .map(|number| format!("v{number} instance-type=ml.m5.large"))
            .collect();
        told(
            &many.iter().map(String::as_str).collect::<Vec<_>>(),
            "11 variants",
        );
    }
}
