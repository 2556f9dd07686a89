//! A worker has other requests.

/// Writes that are decided about without a pause; a node's create with everything has about 60.
const WRITES_IN_A_TURN: usize = 256;

/// A body may have thousands of writes: now and then the worker's other requests have their turn.
pub(super) async fn let_others_in(index: usize) {
    if index % WRITES_IN_A_TURN == WRITES_IN_A_TURN - 1 {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn many_writes_are_decided_about_in_turns() {
        let pauses = (0..10 * WRITES_IN_A_TURN).filter(|index| {
            let mut context = Context::from_waker(Waker::noop());
            matches!(pin!(let_others_in(*index)).poll(&mut context), Poll::Pending)
        });
        assert_eq!(pauses.count(), 10);
    }
}
