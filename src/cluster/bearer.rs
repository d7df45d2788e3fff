//! Puts a token that is good now on every request: tokens of clouds live minutes, rollouts longer.

use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use kube::Client;
use kube::client::{Body, ClientBuilder, DynBody};
use secrecy::ExposeSecret as _;
use tower::buffer::BufferLayer;
use tower::filter::{AsyncFilterLayer, AsyncPredicate};
use tower::{BoxError, Service};

use crate::cloud;
use crate::failure::Failure;

/// Requests that may wait for the connection.
const WAITING: usize = 1024;

/// Who makes the tokens.
#[derive(Clone)]
struct Authorise(cloud::Bearer);

/// A client whose every request carries a token of the bearer.
pub(super) fn client<S>(builder: ClientBuilder<S>, bearer: cloud::Bearer) -> Client
where
    S: Service<http::Request<Body>, Response = http::Response<Box<DynBody>>, Error = BoxError>
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    builder
        // Making a token takes time, and requests that wait for one must not share what they wait with.
        .with_layer(&BufferLayer::new(WAITING))
        .with_layer(&AsyncFilterLayer::new(Authorise(bearer)))
        .build()
}

impl AsyncPredicate<http::Request<Body>> for Authorise {
    type Future = BoxFuture<'static, Result<Self::Request, BoxError>>;
    type Request = http::Request<Body>;

    fn check(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let bearer = self.0.clone();
        Box::pin(async move {
            let token = bearer.token().await.map_err(|failure| told(&failure))?;
            let text = format!("Bearer {}", token.expose_secret());
            let mut value = http::HeaderValue::from_str(&text)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
            Ok(request)
        })
    }
}

/// The failure's own words: the client's errors carry only text.
fn told(failure: &Failure) -> BoxError {
    let messages: Vec<&str> = failure
        .findings()
        .map(|finding| finding.message.as_str())
        .collect();
    messages.join("; ").into()
}
