//! The address that a server says it listens on.

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Whether only the pod itself reaches it.
    pub(super) fn is_loopback(&self) -> bool {
        self.host.starts_with("127.") || self.host == "localhost" || self.host == "[::1]"
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What servers write before the address: gunicorn, uvicorn and hypercorn, Flask and aiohttp, waitress, `http.server`,
/// TorchServe, Triton, Gradio.
const MARKS: &[&str] = &[
    "Listening at: ",
    "unning on ",
    "Serving on ",
    "Serving HTTP on ",
    "API bind to: ",
    "Started HTTPService at ",
    "unning on local URL: ",
];

/// The address in a line that says that a server listens.
pub(super) fn address(line: &str) -> Option<Address> {
    let rest = MARKS
        .iter()
        .find_map(|mark| line.split_once(mark).map(|(_, rest)| rest.trim_start()))?;
    // `Serving HTTP on 0.0.0.0 port 9000 (…)`
    if let Some((host, rest)) = rest.split_once(" port ") {
        return made(host, rest);
    }
    let rest = rest.split_once("://").map_or(rest, |(_, rest)| rest);
    let (host, port) = rest
        .rsplit_once(':')
        .filter(|_| !rest.contains(' '))
        .or_else(|| {
            let first = rest.split([' ', '/', ',']).next()?;
            first.rsplit_once(':')
        })?;
    made(host, port)
}

fn made(host: &str, port: &str) -> Option<Address> {
    let digits = port
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(port.len());
    let valid = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'));
    let port = port[..digits].parse().ok().filter(|_| valid)?;
    Some(Address {
        host: host.to_owned(),
        port,
    })
}

/// All addresses in the log. Flask names each interface in a line of its own when it listens on all.
pub(super) fn addresses(log: &[String]) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    for address in log.iter().filter_map(|line| address(line)) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (line, wanted) in [
            (
                "[2026-11-23 13:17:58 +0000] [7] [INFO] Listening at: http://127.0.0.1:8000 (7)",
                "127.0.0.1:8000",
            ),
            (
                "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)",
                "127.0.0.1:8000",
            ),
            (" * Running on http://127.0.0.1:5000", "127.0.0.1:5000"),
            (
                "Serving HTTP on 0.0.0.0 port 9000 (http://0.0.0.0:9000/) ...",
                "0.0.0.0:9000",
            ),
            (
                "INFO:waitress:Serving on http://0.0.0.0:8080",
                "0.0.0.0:8080",
            ),
            (
                "======== Running on http://0.0.0.0:8080 ========",
                "0.0.0.0:8080",
            ),
            (
                "* Running on local URL:  http://127.0.0.1:7860",
                "127.0.0.1:7860",
            ),
            (
                "I1 http_server.cc:4636] Started HTTPService at 0.0.0.0:8000",
                "0.0.0.0:8000",
            ),
            ("Listening at: http://[::]:8000 (1)", "[::]:8000"),
        ] {
            assert_eq!(address(line).unwrap().to_string(), wanted, "{line}");
        }
    }

    #[test]
    fn words_alone_are_no_address() {
        for line in [
            "Control socket listening at /root/.gunicorn/gunicorn.ctl",
            "Running on CPU: 8 cores",
            "running on node n1",
            " * Running on all addresses (0.0.0.0)",
            "Serving on demand",
        ] {
            assert_eq!(address(line), None, "{line}");
        }
    }
}
