//! How far all numbers of all answers were from the recorded ones: counts by size, and the largest.

/// Upper bounds of `|a − b| / |b|`; what is above the last has a place of its own.
pub(crate) const BOUNDS: [f64; 5] = [0.0, 1e-12, 1e-9, 1e-6, 1e-3];

/// A distribution of differences.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    /// Numbers up to each bound, and above the last.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    /// The largest difference itself.
    pub(crate) largest: f64,
}

impl Spread {
    /// Takes in one number and the recorded one.
    pub(crate) fn add(&mut self, got: f64, wanted: f64) {
        let same = got == wanted || got.is_nan() && wanted.is_nan();
        let difference = if same { 0.0 } else { (got - wanted).abs() };
        let share = match wanted.abs() {
            _ if same => 0.0,
            0.0 => difference,
            size => difference / size,
        };
        // Not a number compares with nothing, so it lands above the last bound.
        let place = BOUNDS.iter().position(|bound| share <= *bound);
        if let Some(count) = self.counts.get_mut(place.unwrap_or(BOUNDS.len())) {
            *count += 1;
        }
        if difference.is_finite() {
            self.largest = self.largest.max(difference);
        }
    }

    /// Adds what another one has.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.largest = self.largest.max(other.largest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_counts_in_its_place() {
        let mut spread = Spread::default();
        spread.add(1.0, 1.0);
        spread.add(f64::NAN, f64::NAN);
        spread.add(1.000_1, 1.0);
        spread.add(3.0, 1.0);
        spread.add(f64::NAN, 1.0);
        let mut all = Spread::default();
        all.merge(&spread);
        assert_eq!(all.counts, [2, 0, 0, 0, 1, 2]);
        assert!((all.largest - 2.0).abs() < 1e-9);
    }
}
