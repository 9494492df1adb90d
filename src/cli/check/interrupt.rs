//! The end of a command by a person: what was created in the cluster or in the DNS is removed first.

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, pending},
};
use tokio::signal::unix::{SignalKind, signal};

/// The error of an interrupted command.
pub(super) const INTERRUPTED: &str = "the check was interrupted";

/// Ready when the command is to end. All clones are ready together, and stay so.
pub(super) type Interrupt = Shared<BoxFuture<'static, ()>>;

/// Ready at SIGINT or SIGTERM, which no longer end the process from the first poll on.
pub(super) fn interrupt() -> Interrupt {
    let signalled = async {
        // without the signals there is no interruption
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    signalled.boxed().shared()
}

/// Never ready: signals end the process.
pub(super) fn never() -> Interrupt {
    pending().boxed().shared()
}

/// The result of a future, or the error of an interruption if that is first.
pub(super) async fn unless<T>(interrupt: &Interrupt, future: impl Future<Output = T>) -> Result<T, String> {
    tokio::select! {
        biased;
        () = interrupt.clone() => Err(INTERRUPTED.to_owned()),
        done = future => Ok(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_interrupted_ends_with_an_error_and_what_is_not_with_its_result() {
        let interrupted = futures::future::ready(()).boxed().shared();
        assert_eq!(unless(&interrupted, pending::<()>()).await, Err(INTERRUPTED.to_owned()));
        assert_eq!(unless(&never(), async { 7 }).await, Ok(7));
    }
}
