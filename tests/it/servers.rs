//! Small servers that stand between the program and the bed: a package index, a token service, a registry that fails at first,
//! a forwarder to the engine. Each ends with its test. It knows how they are started, not what they are for.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::json;

use crate::ports::free_port;
use crate::support::{bed, checkout};

/// A server written in Python that listens on a port of its own choice.
pub(crate) struct Server {
    child: Child,
    /// It ends when this closes, also when the test is killed.
    _stdin: ChildStdin,
    /// Where it listens.
    pub(crate) port: u16,
}

impl Server {
    /// Starts `servers/NAME.py`; its first line of output is its port.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::listening(Command::new("python3"), name, arguments)
    }

    /// The same with packages from the index.
    pub(crate) fn with(packages: &[&str], name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(bed("UV"));
        command.args(["run", "--quiet", "--no-project"]);
        command.args(packages.iter().flat_map(|one| ["--with", *one]));
        command.arg("python3");
        Self::listening(command, name, arguments)
    }

    fn listening(mut command: Command, name: &str, arguments: &[&str]) -> Self {
        let script = checkout().join("tests/it/servers").join(name);
        let mut child = command
            .arg("-u")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Printed by the test, what it complains of is shown only with a test that fails.
        let complaints = BufReader::new(child.stderr.take().unwrap());
        #[expect(clippy::print_stderr, reason = "a test speaks to its runner this way")]
        std::thread::spawn(move || {
            for line in complaints.lines().map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{name} did not start: {line}"));
        // Whatever it says later has nowhere to block.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let stdin = child.stdin.take().unwrap();
        Self {
            child,
            _stdin: stdin,
            port,
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A registry process of one test.
pub(crate) struct Registry {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
}

impl Registry {
    /// `extra` are lines of its configuration; it keeps its files in `folder`, on a disk of this `size` of its own when one is
    /// given.
    pub(crate) fn start(folder: &Path, size: Option<&str>, extra: &str) -> Self {
        let port = free_port();
        let data = folder.join("data");
        let configuration = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n{extra}\n",
            data.display()
        );
        let file = folder.join("config.yml");
        std::fs::write(&file, configuration).unwrap();
        std::fs::create_dir(&data).unwrap();
        let disk = size.map(|size| {
            format!(
                "mount -t tmpfs -o size={size} tmpfs '{}' && ",
                data.display()
            )
        });
        let script = format!(
            "{}exec docker-registry serve '{}'",
            disk.unwrap_or_default(),
            file.display()
        );
        // Without root, a user namespace gives the right to mount.
        let process = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &script])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self {
            process,
            host: format!("127.0.0.1:{port}"),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// An address of this machine that containers of the engine reach.
pub(crate) fn bridge() -> String {
    let output = Command::new(bed("DOCKER"))
        .args(["network", "inspect", "bridge"])
        .args(["--format", "{{(index .IPAM.Config 0).Gateway}}"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A certificate authority of one test: `ca.pem`, and `cert.pem` with `key.pem` for any of these names, server and client.
pub(crate) struct Authority {
    pub(crate) folder: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, names: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let script = format!(
            "set -e; key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
             openssl req -x509 $key -days 2 -subj '/CN=ml-deploy test' -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem
             openssl req $key -subj '/CN=server' -keyout key.pem -out server.csr
             echo 'subjectAltName={names}' >names
             openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out cert.pem -extfile names"
        );
        let made = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "{said}");
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Path of a file of the authority.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

/// A registry behind TLS, by any name, that takes one login only, as Basic.
pub(crate) fn behind_tls(
    folder: &Path,
    name: &str,
    (user, password): &(&str, &str),
) -> (Authority, Registry, Server) {
    let authority = Authority::new(&folder.join("authority"), &format!("DNS:{name}"));
    let registry = Registry::start(folder, None, "");
    let config = json!({"registry": registry.host, "cert": authority.path("cert.pem"), "key": authority.path("key.pem"),
        "user": user, "password": password});
    let file = folder.join("door.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let door = Server::start("tls_registry.py", &[&file.to_string_lossy()]);
    (authority, registry, door)
}
