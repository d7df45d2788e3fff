//! Ports of this machine for what a test deploys. It knows nothing of who listens on them.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Above what services of a machine use, below the node ports of Kubernetes and the ports that connections are given.
const FIRST: u16 = 20_000;
/// For each run of the tests, so that two at once seldom meet; 45 of them end before 30,000, where node ports begin.
const SHARE: u16 = 222;

/// A port that nobody listens on now, and that no other test of this run is given.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let share = u16::try_from(std::process::id() % 45).expect("below 45") * SHARE;
    for _ in 0..SHARE {
        let port = FIRST + share + NEXT.fetch_add(1, Ordering::Relaxed) % SHARE;
        // On every address: a container's port may be published on any of them.
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("{SHARE} ports from {} on are all taken", FIRST + share);
}
