//! A worker has other requests.

/// Questions that are asked without a pause; a node's create with everything has about 60.
const QUESTIONS_IN_A_TURN: usize = 256;

/// What one request has had of its worker since the others had their turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    questions: usize,
}

impl Turn {
    /// A body may have thousands of writes: now and then the worker's other requests have their turn.
    pub(super) async fn let_others_in(&mut self, questions: usize) {
        self.questions += questions;
        if self.questions >= QUESTIONS_IN_A_TURN {
            self.questions = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// How often a future lets others in before it is done.
#[cfg(test)]
pub(super) fn pauses<F: Future>(future: F) -> (usize, F::Output) {
    use std::task::{Context, Poll, Waker};

    let mut future = std::pin::pin!(future);
    let mut pauses = 0;
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return (pauses, output),
            Poll::Pending => pauses += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_questions_are_asked_in_turns() {
        for (writes, questions, expected) in [(255, 1, 0), (256, 1, 1), (2560, 1, 10), (256, 3, 2), (4, 300, 4)] {
            let (paused, ()) = pauses(async {
                let mut turn = Turn::default();
                for _ in 0..writes {
                    turn.let_others_in(questions).await;
                }
            });
            assert_eq!(paused, expected, "{writes} {questions}");
        }
    }
}
