//! Verdicts about tokens: `TokenReview`, then `SubjectAccessReview`.
//!
//! | limit | value |
//! |---|---|
//! | how long a verdict is remembered | [`ALLOWED_FOR`], [`DENIED_FOR`] |
//! | remembered verdicts | [`REMEMBERED`] |
//! | reviews at once | [`AT_ONCE`]; a further one is refused |
//! | reviews that fail, in a row of [`WINDOW`] | [`WRONG_TOKENS`]; then only remembered tokens are answered |

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use tokio::{sync::Semaphore, time::Instant};

use super::{PATH_RIGHT, access::Denial};
use crate::{
    cluster::{self, reader::Reader},
    text::short_line,
};

/// How long a token that may read the page is not reviewed again.
const ALLOWED_FOR: Duration = Duration::from_secs(30);
/// How long a token that may read the page is reviewed again whatever other tokens there are.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// How long a token that may not is not reviewed again.
const DENIED_FOR: Duration = Duration::from_secs(5);
/// The most verdicts that are remembered.
const REMEMBERED: usize = 256;
/// The most reviews at once.
const AT_ONCE: usize = 4;
/// The time in which [`WRONG_TOKENS`] are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// The most unknown tokens in a [`WINDOW`], so that guesses do not become load of the API server.
const WRONG_TOKENS: u32 = 50;
/// Length limit of a user's name in an answer.
const MAX_USER: usize = 200;

/// See the module.
pub(super) struct Reviews {
    reader: Reader,
    running: Semaphore,
    memory: Mutex<Memory>,
}

/// SHA-256 of a token. Tokens are not stored.
type TokenDigest = [u8; 32];
type Verdict = Result<(), Denial>;

#[derive(Default)]
struct Memory {
    verdicts: HashMap<TokenDigest, (Verdict, Instant)>,
    /// The beginning of the window, and the unknown tokens since.
    wrong: Option<(Instant, u32)>,
}

impl Reviews {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            reader,
            running: Semaphore::new(AT_ONCE),
            memory: Mutex::default(),
        }
    }

    /// The verdict about a token.
    ///
    /// # Errors
    /// Why its holder may not read the page.
    pub(super) async fn check(&self, token: &str) -> Verdict {
        let digest = digest_of(token);
        if let Some(verdict) = self.memory().recall(&digest, Instant::now()) {
            return verdict;
        }
        let Ok(_running) = self.running.try_acquire() else {
            return Err(Denial::Busy);
        };
        // an error is not remembered
        let reviewed = review(&self.reader, token).await;
        let verdict = reviewed.map_err(|error| Denial::NotReviewed(said(&error)))?;
        self.memory().remember(digest, verdict.clone(), Instant::now());
        verdict
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn recall(&mut self, digest: &TokenDigest, now: Instant) -> Option<Verdict> {
        if let Some((verdict, until)) = self.verdicts.get(digest) {
            if now < *until {
                return Some(verdict.clone());
            }
            if verdict.is_ok() {
                return None;
            }
        }
        self.wrong = self.wrong.filter(|(began, _)| now.duration_since(*began) < WINDOW);
        self.wrong
            .is_some_and(|(_, times)| times >= WRONG_TOKENS)
            .then_some(Err(Denial::Busy))
    }

    fn remember(&mut self, digest: TokenDigest, verdict: Verdict, now: Instant) {
        let known_for = |verdict: &Verdict| if verdict.is_ok() { KNOWN_FOR } else { Duration::ZERO };
        self.verdicts
            .retain(|_, (verdict, until)| now < *until + known_for(verdict));
        if self.verdicts.len() >= REMEMBERED {
            // guesses go before readers
            let first = self
                .verdicts
                .iter()
                .min_by_key(|(_, (verdict, until))| (verdict.is_ok(), *until));
            let first = first.map(|(digest, _)| *digest);
            first.and_then(|digest| self.verdicts.remove(&digest));
        }
        if verdict == Err(Denial::Unknown) {
            let (began, times) = self.wrong.unwrap_or((now, 0));
            self.wrong = Some((began, times.saturating_add(1)));
        }
        let lasts = if verdict.is_ok() { ALLOWED_FOR } else { DENIED_FOR };
        self.verdicts.insert(digest, (verdict, now + lasts));
    }
}

async fn review(reader: &Reader, token: &str) -> Result<Verdict, cluster::Error> {
    let Some(user) = reader.user_of_token(token).await? else {
        return Ok(Err(Denial::Unknown));
    };
    let name = short_line(user.username.as_deref().unwrap_or_default(), MAX_USER);
    let allowed = reader.may_get_path(user, PATH_RIGHT).await?;
    Ok(if allowed { Ok(()) } else { Err(Denial::Forbidden(name)) })
}

/// The error of a review as a sentence. A missing right of certlet itself is the commonest.
fn said(error: &cluster::Error) -> String {
    if error.is_forbidden() {
        "certlet itself may not create TokenReviews and SubjectAccessReviews: apply deploy/status-page".to_owned()
    } else {
        short_line(&error.to_string(), MAX_USER)
    }
}

fn digest_of(token: &str) -> TokenDigest {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_verdict_is_remembered_for_a_short_time_a_refusal_for_less() {
        let (mut memory, digest) = (Memory::default(), digest_of("a"));
        memory.remember(digest, Ok(()), Instant::now());
        tokio::time::advance(ALLOWED_FOR.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(memory.recall(&digest, Instant::now()), Some(Ok(())));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(memory.recall(&digest, Instant::now()), None);
        let refusal = Err(Denial::Forbidden("eve".to_owned()));
        memory.remember(digest, refusal.clone(), Instant::now());
        assert_eq!(memory.recall(&digest, Instant::now()), Some(refusal));
        tokio::time::advance(DENIED_FOR).await;
        assert_eq!(memory.recall(&digest, Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_fill_neither_the_memory_nor_the_api_server() {
        let (mut memory, good) = (Memory::default(), digest_of("good"));
        memory.remember(good, Ok(()), Instant::now());
        let mut asked = 0;
        for guess in 0..10_000 {
            let guess = digest_of(&format!("guess {guess}"));
            if memory.recall(&guess, Instant::now()).is_none() {
                asked += 1;
                memory.remember(guess, Err(Denial::Unknown), Instant::now());
            }
        }
        assert_eq!(asked, WRONG_TOKENS);
        let after = Instant::now() + ALLOWED_FOR;
        let before = memory.wrong.replace((after, WRONG_TOKENS));
        assert_eq!(memory.recall(&digest_of("new"), after), Some(Err(Denial::Busy)));
        assert_eq!(memory.recall(&good, after), None, "a reader is reviewed again");
        memory.wrong = before;
        assert_eq!(
            memory.recall(&good, Instant::now()),
            Some(Ok(())),
            "remembered tokens are answered"
        );
        tokio::time::advance(WINDOW).await;
        assert_eq!(memory.recall(&digest_of("another"), Instant::now()), None);
        for user in 0..2 * REMEMBERED {
            memory.remember(digest_of(&format!("user {user}")), Ok(()), Instant::now());
        }
        assert_eq!(memory.verdicts.len(), REMEMBERED);
    }
}
