//! The CA's own request, which this replica may answer: then its verdict is known in a moment.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast;

use crate::{
    plan::order::timing,
    solver::{responder::Responder, token::Token},
};

/// How long after the CA's request was answered its other requests come, from elsewhere.
const OTHER_REQUESTS: Duration = Duration::from_millis(60);

/// A validation by the CA that is expected.
#[derive(Debug)]
pub struct Validation {
    token: Token,
    answered: broadcast::Receiver<Arc<str>>,
}

impl Validation {
    /// Begins to listen; to be called before the CA is told.
    pub(super) fn expect(responder: &Responder, token: Token) -> Self {
        Self {
            token,
            answered: responder.validations(),
        }
    }

    /// Whether the CA has asked, once it has; `false` if it did not within the time after which it is asked anyway.
    pub async fn is_answered(mut self) -> bool {
        let limit = timing::FIRST_LOOK.unsigned_abs();
        let heard = tokio::time::timeout(limit, async {
            loop {
                match self.answered.recv().await {
                    Ok(answered) if *answered == *self.token.as_str() => return true,
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return false,
                }
            }
        });
        let heard = heard.await == Ok(true);
        if heard {
            tokio::time::sleep(OTHER_REQUESTS).await;
        }
        heard
    }
}
