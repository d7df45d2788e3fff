//! The bed's real API server behind a door that asks for a token, as the clouds' clusters do: tests hand out tokens that end.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::kubectl;
use crate::servers::{Authority, Server};

/// The door. It is closed when this is dropped.
pub(crate) struct Door {
    _server: Server,
    folder: PathBuf,
    /// URL of the API server as the program is to see it.
    pub(crate) server: String,
    /// PEM of the authority that it shows.
    pub(crate) authority: String,
}

/// A request that came to the door.
#[derive(Debug)]
pub(crate) struct Knock {
    pub(crate) status: u16,
    /// Tells tokens apart; `-` for none.
    pub(crate) token: String,
    pub(crate) method: String,
    pub(crate) path: String,
}

impl Door {
    /// A door whose tokens the test writes with `let_in`.
    pub(crate) fn new(folder: &Path) -> Self {
        let tokens = folder.join("tokens");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&tokens, "").unwrap();
        Self::open(folder, &json!({"tokens": tokens}))
    }

    /// A door that asks a URL about each token, with `{"token": …}`; 200 opens it.
    pub(crate) fn asking(folder: &Path, review: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self::open(folder, &json!({"review": review}))
    }

    fn open(folder: &Path, who: &Value) -> Self {
        let (read, view) = kubectl(&[
            "config",
            "view",
            "--raw",
            "--minify",
            "--flatten",
            "-o",
            "json",
        ]);
        assert!(read, "{view}");
        let view: Value = serde_json::from_str(&view).unwrap();
        let write = |name: &str, pointer: &str| {
            let text = view.pointer(pointer).and_then(Value::as_str).unwrap();
            let path = folder.join(name);
            std::fs::write(&path, STANDARD.decode(text).unwrap()).unwrap();
            path
        };
        let shown = Authority::new(&folder.join("shown"), "DNS:localhost,IP:127.0.0.1");
        let mut config = json!({
            "server": view.pointer("/clusters/0/cluster/server").unwrap(),
            "ca": write("real-ca.pem", "/clusters/0/cluster/certificate-authority-data"),
            "cert": write("admin.pem", "/users/0/user/client-certificate-data"),
            "key": write("admin.key", "/users/0/user/client-key-data"),
            "own_cert": shown.path("cert.pem"),
            "own_key": shown.path("key.pem"),
            "log": folder.join("knocks"),
        });
        let who = who.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(who);
        let file = folder.join("door.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let server = Server::start("bearer.py", &[&file.to_string_lossy()]);
        Self {
            server: format!("https://{}", server.address()),
            _server: server,
            folder: folder.to_owned(),
            authority: std::fs::read_to_string(shown.path("ca.pem")).unwrap(),
        }
    }

    /// File whose lines `TOKEN SECONDS` say who is let in and until when, in seconds since 1970: what hands out tokens adds to it.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    /// Lets a token in for a time.
    pub(crate) fn let_in(&self, token: &str, life: Duration) {
        use std::io::Write as _;
        let ends = SystemTime::now() + life;
        let ends = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let mut file = std::fs::File::options()
            .append(true)
            .open(self.tokens())
            .unwrap();
        writeln!(file, "{token} {}", ends.as_secs_f64()).unwrap();
    }

    /// Who came so far, in order.
    pub(crate) fn knocks(&self) -> Vec<Knock> {
        let text = std::fs::read_to_string(self.folder.join("knocks")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let mut words = line.splitn(4, ' ').map(str::to_owned);
                let mut next = || words.next().unwrap();
                Knock {
                    status: next().parse().unwrap(),
                    token: next(),
                    method: next(),
                    path: next(),
                }
            })
            .collect()
    }
}

#[test]
fn only_a_token_that_is_good_now_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::new(folder.path());
    door.let_in("good", Duration::from_secs(60));
    door.let_in("gone", Duration::ZERO);
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, &door.authority).unwrap();
    let ask = |token: &str| {
        kubectl(&[
            "--kubeconfig=/dev/null",
            &format!("--server={}", door.server),
            &format!("--certificate-authority={}", authority.display()),
            &format!("--token={token}"),
            "get",
            "namespace",
            "default",
            "-o",
            "name",
        ])
    };
    assert_eq!(ask("good"), (true, "namespace/default\n".to_owned()));
    assert!(!ask("gone").0 && !ask("other").0);
    let knocks = door.knocks();
    assert!(
        knocks
            .iter()
            .any(|knock| knock.status == 200 && knock.method == "GET")
    );
    let refused = knocks.iter().filter(|knock| knock.status == 401);
    let mut tokens: Vec<_> = refused.map(|knock| &knock.token).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 2, "{knocks:?}");
    assert!(
        knocks
            .iter()
            .any(|knock| knock.path.contains("/api/v1/namespaces/default"))
    );
}
