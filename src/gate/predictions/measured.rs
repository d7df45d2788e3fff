//! What is measured while a container is tried: memory, times, and the distribution of differences.

use std::time::Duration;

use crate::artifact::{Bucket, Trial, WorstRow};
use crate::context::Context;
use crate::engine::Engine;
use crate::predict::{BOUNDS, Judged, Replayed};

/// How often memory is looked at while requests are answered.
const EVERY: Duration = Duration::from_millis(200);

/// The most memory that was seen.
pub(super) struct Memory<'a> {
    engine: &'a Engine,
    name: &'a str,
    peak: Option<u64>,
}

impl<'a> Memory<'a> {
    pub(super) fn new(engine: &'a Engine, name: &'a str) -> Self {
        Self {
            engine,
            name,
            peak: None,
        }
    }

    /// Looks once. An engine that does not tell is no fault of the image.
    pub(super) async fn look(&mut self) {
        let seen = self.engine.memory(self.name).await.ok().flatten();
        self.peak = self.peak.max(seen);
    }

    /// In MiB, rounded up.
    pub(super) fn peak_mib(&self) -> Option<u64> {
        self.peak.map(|bytes| bytes.div_ceil(1 << 20))
    }

    /// Does the work and looks meanwhile; the work never waits for a look.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let look = async {
                let seen = self.engine.memory(self.name).await.ok().flatten();
                self.peak = self.peak.max(seen);
                tokio::time::sleep(EVERY).await;
            };
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = look => {}
            }
        }
    }
}

/// Puts what was answered into the trial. `first`: how long the first answer took, where it came before the replay.
pub(super) fn describe(trial: &mut Trial, replayed: &Replayed, first: Option<Duration>) {
    let mut took = replayed.took.clone();
    // Where the first row was asked to find out how, that answer was the first.
    let first = first.or(took.first().copied());
    trial.first_answer_ms = first.map(milliseconds);
    took.sort_unstable();
    trial.p50_ms = quantile(&took, 50);
    trial.p95_ms = quantile(&took, 95);
    trial.rows = replayed.rows.len();
    trial.wrong = replayed.rows.iter().filter(|row| !row.passed()).count();
    let noisy = |judged: &Judged| matches!(judged, Judged::Noisy(_));
    trial.noisy = replayed
        .rows
        .iter()
        .filter(|row| noisy(&row.judged))
        .count();
    trial.worst = replayed.worst().and_then(|row| {
        Some(WorstRow {
            row: row.number,
            what: row.judged.what()?,
        })
    });
    trial.noise = replayed.noise;
    let counts = replayed.spread.counts;
    if counts.iter().any(|count| *count > 0) {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        let buckets = bounds
            .zip(counts)
            .map(|(up_to, count)| Bucket { up_to, count });
        trial.differences = buckets.collect();
        trial.largest = Some(replayed.spread.largest);
    }
}

/// Says what was measured, in one line.
pub(super) async fn say(ctx: &Context, trial: &Trial) {
    let mut said = vec![format!("started in {} ms", trial.start_ms)];
    if let (Some(p50), Some(p95)) = (trial.p50_ms, trial.p95_ms) {
        said.push(format!("answers in {p50:.1} ms (p95 {p95:.1} ms)"));
    }
    if let Some(peak) = trial.peak_memory_mib {
        said.push(format!("peak memory {peak} MiB"));
    }
    if trial.protocol.is_some() {
        let right = trial.rows - trial.wrong.min(trial.rows);
        said.push(format!(
            "{right} of {} recorded predictions are answered as recorded",
            trial.rows
        ));
    }
    ctx.events.note(said.join(", ")).await;
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The smallest time within which so many percent came; of a sorted list.
fn quantile(sorted: &[Duration], percent: usize) -> Option<f64> {
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).copied().map(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_time_that_was_measured() {
        let times: Vec<_> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 50), Some(10.0));
        assert_eq!(quantile(&times, 95), Some(19.0));
        assert_eq!(quantile(&times[..1], 95), Some(1.0));
        assert_eq!(quantile(&[], 50), None);
    }
}
