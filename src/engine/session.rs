//! What the engine's BuildKit may ask of us while it builds: registry logins and secrets, over gRPC on an upgraded
//! connection. Neither is ever written into an image. It does not know what a secret is for.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bollard::health::health_check_response::ServingStatus;
use bollard::health::health_server::{Health, HealthServer};
use bollard::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use bollard::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};

use super::connect::Engine;
use super::silence::Heard;
use super::wire::{empty, rejected};
use crate::registry::Credentials;

/// The methods that the engine may call.
const METHODS: [&str; 3] = [
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/grpc.health.v1.Health/Check",
];

/// Bytes in flight between the upgraded connection and the server.
const BUFFER: usize = 64 << 10;

/// An open session. It ends when this is dropped.
pub(super) struct Session {
    pub(super) id: String,
    _server: AbortOnDropHandle<()>,
}

impl Engine {
    /// Opens a session that offers these logins, by registry host, and these secrets, by id.
    pub(super) async fn session(
        &self,
        logins: BTreeMap<String, Credentials>,
        secrets: BTreeMap<String, SecretString>,
        heard: Heard,
    ) -> anyhow::Result<Session> {
        let id = format!("{:032x}", rand::random::<u128>());
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::CONNECTION,
            HeaderValue::from_static("Upgrade"),
        );
        headers.insert(http::header::UPGRADE, HeaderValue::from_static("h2c"));
        headers.insert("X-Docker-Expose-Session-Uuid", HeaderValue::from_str(&id)?);
        headers.insert(
            "X-Docker-Expose-Session-Name",
            HeaderValue::from_static("ml-deploy"),
        );
        for method in METHODS {
            headers.append(
                "X-Docker-Expose-Session-Grpc-Method",
                HeaderValue::from_static(method),
            );
        }
        let answer = self
            .send(Method::POST, "/session", headers, empty())
            .await
            .context("failed to open a build session")?;
        if answer.response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(rejected(answer).await).context("failed to open a build session");
        }
        let (response, connection) = answer.into_parts();
        let upgraded = hyper::upgrade::on(response)
            .await
            .context("failed to open a build session")?;
        let server = AbortOnDropHandle::new(tokio::spawn(async move {
            let _connection = connection;
            let (near, mut far) = tokio::io::duplex(BUFFER);
            let mut upgraded = TokioIo::new(upgraded);
            let serve = tonic::transport::Server::builder()
                .add_service(HealthServer::new(Alive(heard)))
                .add_service(AuthServer::new(Logins(logins)))
                .add_service(SecretsServer::new(Vault(secrets)))
                // The server stops with its last listener, so this one never ends.
                .serve_with_incoming(
                    futures_util::stream::iter([Ok::<_, std::io::Error>(near)])
                        .chain(futures_util::stream::pending()),
                );
            // Whichever side ends, the session is over; the build itself reports what it missed.
            tokio::select! {
                _ = serve => {}
                _ = tokio::io::copy_bidirectional(&mut upgraded, &mut far) => {}
            }
        }));
        Ok(Session {
            id,
            _server: server,
        })
    }
}

struct Logins(BTreeMap<String, Credentials>);

#[tonic::async_trait]
impl Auth for Logins {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let host = match request.get_ref().host.as_str() {
            "registry-1.docker.io" | "index.docker.io" => "docker.io",
            host => host,
        };
        let answer = match self.0.get(host) {
            None => CredentialsResponse::default(),
            Some(login) => CredentialsResponse {
                // Without a name BuildKit takes the secret for a refresh token.
                username: if login.identity_token {
                    String::new()
                } else {
                    login.username.clone()
                },
                secret: login.secret.expose_secret().to_owned(),
            },
        };
        Ok(Response::new(answer))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unavailable("the engine fetches tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unavailable("the engine fetches tokens itself"))
    }
}

struct Vault(BTreeMap<String, SecretString>);

#[tonic::async_trait]
impl Secrets for Vault {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = &request.get_ref().id;
        // `not found` is what makes a secret mount optional.
        let secret = self
            .0
            .get(id)
            .ok_or_else(|| Status::not_found(format!("secret {id} not found")))?;
        Ok(Response::new(GetSecretResponse {
            data: secret.expose_secret().as_bytes().to_vec(),
        }))
    }
}

/// Answers that we are there; that somebody asks shows that the engine is there too.
struct Alive(Heard);

#[tonic::async_trait]
impl Health for Alive {
    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.0.note();
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        }))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("not offered"))
    }

    type WatchStream = tonic::codegen::BoxStream<HealthCheckResponse>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not offered"))
    }
}
