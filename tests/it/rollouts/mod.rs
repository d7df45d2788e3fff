//! Rollouts on the real cluster, judged from outside: the cases of `tests/rollouts`, several at once, each in a namespace of
//! its own. `ML_DEPLOY_CASES` chooses some by name, `ML_DEPLOY_CASES_AT_ONCE` says how many are played at once, and
//! `ML_DEPLOY_CASE_RECORDS` names a file for what was measured.

mod case;
mod outcome;
mod play;
mod registry;
mod witness;

use std::sync::{Condvar, Mutex};

use self::witness::Witness;

/// Places for cases that are played at the same time, over all tests of this module.
static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

struct Place;

impl Place {
    fn take() -> Self {
        let places = std::env::var("ML_DEPLOY_CASES_AT_ONCE")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(12);
        let taken = TAKEN.lock().unwrap();
        let mut taken = FREED.wait_while(taken, |taken| *taken >= places).unwrap();
        *taken += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap() -= 1;
        FREED.notify_one();
    }
}

/// Plays all cases of a file and fails with everything that went wrong.
fn all(file: &str) {
    let names = case::names(file);
    let witness = Witness::new(play::PREFIX);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let playing: Vec<_> = names
            .iter()
            .map(|name| {
                let witness = &witness;
                let play = move || {
                    let _place = Place::take();
                    play::play(file, name, witness)
                };
                (name, scope.spawn(play))
            })
            .collect();
        let ended = playing.into_iter().filter_map(|(name, thread)| {
            let why = match thread.join() {
                Ok(Ok(())) => return None,
                Ok(Err(why)) => why,
                Err(_) => "the case itself panicked, see above".to_owned(),
            };
            Some(format!("=== {name}: {why}"))
        });
        ended.collect()
    });
    assert!(
        wrong.is_empty(),
        "{} of {} cases of {file} went wrong\n{}",
        wrong.len(),
        names.len(),
        wrong.join("\n")
    );
}

#[test]
fn rollouts_that_cannot_succeed_are_called_with_their_cause() {
    all("fails.yaml");
}

#[test]
fn rollouts_that_heal_are_waited_for() {
    all("heals.yaml");
}

#[test]
fn mistakes_are_found_before_anything_is_applied() {
    all("mistakes.yaml");
}
