//! The CA's own validation request. If this replica answers it, the result is known a moment later.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast;

use crate::{
    plan::order::timing,
    solver::{responder::Responder, token::Token},
};

/// The time within which the CA's requests from other locations follow the first.
const OTHER_REQUESTS: Duration = Duration::from_millis(60);

/// An expected validation by the CA.
#[derive(Debug)]
pub(crate) struct Validation {
    token: Token,
    answered: broadcast::Receiver<Arc<str>>,
}

impl Validation {
    /// Begins to listen. Must be called before the challenge is accepted.
    pub(super) fn expect(responder: &Responder, token: Token) -> Self {
        Self {
            token,
            answered: responder.validations(),
        }
    }

    /// Waits for the CA's request. Returns `false` if it did not arrive before the authorization is polled anyway.
    pub(crate) async fn answered(mut self) -> bool {
        let limit = timing::FIRST_POLL.unsigned_abs();
        let answered = tokio::time::timeout(limit, async {
            loop {
                match self.answered.recv().await {
                    Ok(answered) if *answered == *self.token.as_str() => return true,
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return false,
                }
            }
        });
        let answered = answered.await == Ok(true);
        if answered {
            tokio::time::sleep(OTHER_REQUESTS).await;
        }
        answered
    }
}
