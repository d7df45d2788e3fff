//! A registry that answers 503 until it recovers; then it is the bed's plain registry.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::support::bed;

const BROKEN: u8 = 0;
const WELL: u8 = 1;
const GONE: u8 = 2;

pub(super) struct Faulty {
    port: u16,
    state: Arc<AtomicU8>,
}

impl Faulty {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(AtomicU8::new(BROKEN));
        std::thread::spawn({
            let state = Arc::clone(&state);
            move || {
                for stream in listener.incoming().flatten() {
                    match state.load(Ordering::Relaxed) {
                        GONE => return,
                        WELL => drop(std::thread::spawn(move || forward(stream))),
                        _ => drop(std::thread::spawn(move || refuse(stream))),
                    }
                }
            }
        });
        Self { port, state }
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn recover(&self) {
        self.state.store(WELL, Ordering::Relaxed);
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.state.store(GONE, Ordering::Relaxed);
        // Wakes the thread, which then ends.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

/// Answers the first request of the connection and closes it.
fn refuse(mut stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
    let mut request = [0; 4096];
    if stream.read(&mut request).is_ok() {
        let body = "registry is down for maintenance";
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).ok();
    }
}

fn forward(mut from: TcpStream) {
    let Ok(mut to) = TcpStream::connect(bed("REGISTRY")) else {
        return;
    };
    let (Ok(mut back_to), Ok(mut back_from)) = (from.try_clone(), to.try_clone()) else {
        return;
    };
    let back = std::thread::spawn(move || {
        std::io::copy(&mut back_from, &mut back_to).ok();
        back_to.shutdown(Shutdown::Write).ok();
    });
    std::io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Write).ok();
    back.join().ok();
}
