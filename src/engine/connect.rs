//! The one way to reach the engine, wherever it listens (see `address`). It knows no operation.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bollard::{API_DEFAULT_VERSION, Docker};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::address::{self, Address};
use crate::code::Code;
use crate::failure::{Fail as _, Failure, Outcome, chain};
use crate::host::docker;

/// For requests that answer at once. Builds, pulls and pushes use streams of our own, with a limit on silence.
const TIMEOUT: Duration = Duration::from_secs(60);

/// For requests that copy or remove an image's files, which takes minutes with some storage drivers.
const SLOW: Duration = Duration::from_secs(600);

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);

/// Label of containers that must not outlive the process that made them.
pub(crate) const RUN: &str = "ml-deploy.run";

/// A connection to the engine, its API version negotiated. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(super) docker: Docker,
    endpoint: Endpoint,
    version: String,
    /// Value of the label `RUN` on containers that must not outlive this process.
    mark: String,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Engine").field(&self.version).finish()
    }
}

/// Where the engine listens.
#[derive(Clone)]
enum Endpoint {
    Unix(PathBuf),
    Tcp(String),
    Tls {
        address: String,
        name: ServerName<'static>,
        connector: TlsConnector,
        /// Folder of `ca.pem`, `cert.pem`, `key.pem`.
        certificates: PathBuf,
    },
}

/// Any byte stream to the engine.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl Engine {
    /// Connects to the engine where `address` finds it, and negotiates the API version.
    ///
    /// Fails with `EngineDenied` when the socket may not be opened, else with `EngineUnreachable`.
    pub(crate) async fn connect() -> Outcome<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let address = address::find(variable, docker::folder().as_deref())
            .map_err(|error| Failure::new(Code::EngineUnreachable, chain(&error)).help(CHOOSE))?;
        let endpoint =
            endpoint(&address).map_err(|error| explained(&chain(&error), &address, false))?;
        let secure = matches!(endpoint, Endpoint::Tls { .. });
        // Our own first connection tells a missing socket from a forbidden one; the client library does not.
        dial(&endpoint)
            .await
            .map_err(|error| unreachable_engine(&address, &error, secure))?;
        let docker = client(&endpoint)
            .with_context(|| format!("failed to set up the client for {address}"))
            .fail(Code::EngineUnreachable)?;
        let docker = tokio::time::timeout(CONNECT, docker.negotiate_version())
            .await
            .context("no answer within 10 s")
            .and_then(|answer| answer.map_err(anyhow::Error::from))
            .with_context(|| format!("failed to ask the engine at {address} for its version"))
            .map_err(|error| explained(&chain(&error), &address, secure))?;
        let version = docker.client_version();
        Ok(Self {
            docker,
            endpoint,
            version: format!("v{}.{}", version.major_version, version.minor_version),
            mark: String::new(),
        })
    }

    /// The same, for the process with this mark.
    pub(crate) fn marked(self, mark: &str) -> Self {
        Self {
            mark: mark.to_owned(),
            ..self
        }
    }

    /// Label, and its value, of every container that must not outlive this process. When it is killed, the step's
    /// `post-entrypoint` removes them; elsewhere the next run does, when their time is over.
    pub(crate) fn temporary(&self) -> (String, String) {
        (RUN.to_owned(), self.mark.clone())
    }

    /// A connection of its own, for requests that the client library cannot make.
    pub(super) async fn dial(&self) -> anyhow::Result<Box<dyn Socket>> {
        dial(&self.endpoint)
            .await
            .context("failed to connect to the engine")
    }

    /// The client for what the engine needs time for.
    pub(super) fn patient(&self) -> Docker {
        self.docker.clone().with_timeout(SLOW)
    }

    /// `v1.41`: first part of every path.
    pub(super) fn version(&self) -> &str {
        &self.version
    }
}

/// What to do about a context that leads nowhere.
const CHOOSE: &str =
    "choose another context with `docker context use`, or set DOCKER_HOST to a running engine";

/// What to do about an engine that is there but cannot be talked to.
fn explained(why: &str, address: &Address, secure: bool) -> Failure {
    let failure = Failure::new(Code::EngineUnreachable, why);
    let folder = certificates(address).display().to_string();
    if why.contains(".pem`") {
        return failure.help(match address.context {
            Some(_) => format!("give the context its ca.pem, cert.pem and key.pem again; they belong in `{folder}`"),
            None => format!("set DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem; it is `{folder}` now"),
        });
    }
    // The other side's word on us, and our word on the other side.
    if why.contains("received fatal alert") {
        return failure.help(format!(
            "the engine refuses our client certificate: `cert.pem` and `key.pem` in `{folder}` must come from the authority that the engine trusts"
        ));
    }
    if why.contains("certificate") {
        return failure.help(format!(
            "the engine's certificate must name this host, and come from the authority in `{folder}/ca.pem` (DOCKER_CERT_PATH)"
        ));
    }
    if address.context.is_some() {
        return failure.help(format!("start the engine of the context; {CHOOSE}"));
    }
    if secure {
        return failure.help("unset DOCKER_TLS_VERIFY when the engine does not speak TLS");
    }
    failure.help("start Docker, or set DOCKER_HOST to a running engine; one that speaks TLS needs DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH")
}

fn unreachable_engine(address: &Address, error: &std::io::Error, secure: bool) -> Failure {
    use std::io::ErrorKind;
    let why = match error.kind() {
        ErrorKind::PermissionDenied => {
            return Failure::new(
                Code::EngineDenied,
                format!("failed to open the engine's socket {address}: permission denied"),
            );
        }
        ErrorKind::NotFound => {
            format!("failed to reach the engine: the socket {address} does not exist")
        }
        ErrorKind::ConnectionRefused => {
            format!("failed to reach the engine: nothing listens on {address}")
        }
        _ => {
            let why = format!("failed to reach the engine at {address}: {error}");
            return explained(&why, address, secure);
        }
    };
    match address.context {
        Some(_) => explained(&why, address, secure),
        None => Failure::new(Code::EngineUnreachable, why),
    }
}

/// Reads the address the way Docker's own client does: without a context, `DOCKER_TLS_VERIFY` asks for TLS.
fn endpoint(address: &Address) -> anyhow::Result<Endpoint> {
    let host = &address.host;
    if let Some(path) = host.strip_prefix("unix://") {
        return Ok(Endpoint::Unix(PathBuf::from(path)));
    }
    let Some((scheme, rest)) = host.split_once("://") else {
        anyhow::bail!(
            "failed to read the engine's address {address}: it has no scheme such as unix:// or tcp://"
        );
    };
    anyhow::ensure!(
        matches!(scheme, "tcp" | "http" | "https"),
        "failed to read the engine's address {address}: `{scheme}` is not supported, use unix:// or tcp://"
    );
    let place = rest.trim_end_matches('/');
    let secure = scheme == "https"
        || match &address.context {
            Some(context) => context.certificates.is_some(),
            None => std::env::var("DOCKER_TLS_VERIFY").is_ok_and(|value| !value.is_empty()),
        };
    let port = if secure { 2376 } else { 2375 };
    let place = if place
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    {
        place.to_owned()
    } else {
        format!("{place}:{port}")
    };
    if !secure {
        return Ok(Endpoint::Tcp(place));
    }
    let name = place.rsplit_once(':').map_or("", |(name, _)| name);
    let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
        .with_context(|| format!("failed to read the host name in `{host}`"))?;
    let certificates = certificates(address);
    Ok(Endpoint::Tls {
        address: place,
        name,
        connector: TlsConnector::from(Arc::new(tls(&certificates)?)),
        certificates,
    })
}

/// The folder of `ca.pem`, `cert.pem`, `key.pem`.
fn certificates(address: &Address) -> PathBuf {
    let of_context = address
        .context
        .as_ref()
        .and_then(|context| context.certificates.clone());
    of_context
        .or_else(|| {
            std::env::var_os("DOCKER_CERT_PATH")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        })
        .or_else(docker::folder)
        .unwrap_or_default()
}

fn tls(folder: &Path) -> anyhow::Result<rustls::ClientConfig> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read("ca.pem")?) {
        roots.add(certificate.context("failed to parse `ca.pem`")?)?;
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read("cert.pem")?)
        .collect::<Result<_, _>>()
        .context("failed to parse `cert.pem`")?;
    let key =
        PrivateKeyDer::from_pem_slice(&read("key.pem")?).context("failed to parse `key.pem`")?;
    rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .context("failed to use the engine's client certificate")
}

async fn dial(endpoint: &Endpoint) -> std::io::Result<Box<dyn Socket>> {
    let open = async {
        Ok::<Box<dyn Socket>, std::io::Error>(match endpoint {
            Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Endpoint::Tcp(address) => Box::new(TcpStream::connect(address).await?),
            Endpoint::Tls {
                address,
                name,
                connector,
                ..
            } => {
                let stream = TcpStream::connect(address).await?;
                Box::new(connector.connect(name.clone(), stream).await?)
            }
        })
    };
    tokio::time::timeout(CONNECT, open)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::other("no answer within 10 s")))
}

fn client(endpoint: &Endpoint) -> Result<Docker, bollard::errors::Error> {
    let seconds = TIMEOUT.as_secs();
    match endpoint {
        Endpoint::Unix(path) => {
            Docker::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION)
        }
        Endpoint::Tcp(address) => {
            Docker::connect_with_http(&format!("tcp://{address}"), seconds, API_DEFAULT_VERSION)
        }
        Endpoint::Tls {
            address,
            certificates,
            ..
        } => Docker::connect_with_ssl(
            &format!("tcp://{address}"),
            &certificates.join("key.pem"),
            &certificates.join("cert.pem"),
            &certificates.join("ca.pem"),
            seconds,
            API_DEFAULT_VERSION,
        ),
    }
}
