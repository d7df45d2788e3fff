//! Many requests at a time, but not all: it bounds what an API server has to answer at once.

use futures_util::{StreamExt as _, stream};

/// Requests on their way at a time: enough to hide the way to the server, few enough not to be throttled.
const AT_ONCE: usize = 24;

/// Waits for all, and keeps their order.
pub(crate) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    // Collected first: a stream of closures that borrow cannot be sent between threads.
    let futures: Vec<F> = futures.into_iter().collect();
    stream::iter(futures).buffered(AT_ONCE).collect().await
}
