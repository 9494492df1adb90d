//! The pool of nonces (RFC 8555 section 6.5): every signed request uses one, and every answer brings a new one.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;

/// The most nonces that are kept. Further concurrent requests fetch their own.
const CAPACITY: usize = 64;
/// The longest nonce that is kept, in bytes. A longer one would only use memory.
const MAX_LENGTH: usize = 256;

/// The unused nonces of a server, newest first.
#[derive(Debug, Default)]
pub struct NoncePool(Mutex<Vec<String>>);

impl NoncePool {
    /// Takes the newest nonce, which is the least likely to have expired.
    pub fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Stores the nonce of an answer.
    pub fn keep(&self, headers: &HeaderMap) {
        let Some(nonce) = nonce_of(headers) else { return };
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() == CAPACITY {
            nonces.remove(0);
        }
        nonces.push(nonce);
    }

    /// Removes all nonces. A rejected nonce usually means that the server was restarted, and then all are rejected.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The nonce of an answer. One that is not base64url is ignored, as RFC 8555 section 6.5.1 requires.
pub fn nonce_of(headers: &HeaderMap) -> Option<String> {
    let nonce = headers.get("replay-nonce")?.to_str().ok()?;
    let well_formed = nonce
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    (well_formed && !nonce.is_empty() && nonce.len() <= MAX_LENGTH).then(|| nonce.to_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn answer(nonce: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            HeaderName::from_static("replay-nonce"),
            HeaderValue::from_str(nonce).unwrap(),
        )])
    }

    #[test]
    fn the_youngest_is_used_first_and_each_once() {
        let pool = NoncePool::default();
        pool.keep(&answer("a"));
        pool.keep(&answer("b"));
        assert_eq!(
            [pool.take(), pool.take(), pool.take()],
            [Some("b".into()), Some("a".into()), None]
        );
    }

    #[test]
    fn the_pool_is_bounded_and_drops_the_oldest() {
        let pool = NoncePool::default();
        for number in 0..=CAPACITY {
            pool.keep(&answer(&number.to_string()));
        }
        let kept: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!((kept.len(), kept.last().map(String::as_str)), (CAPACITY, Some("1")));
    }

    #[test]
    fn what_is_not_base64url_is_no_nonce() {
        for bad in ["", "a b", "a\"", "a=", &"x".repeat(MAX_LENGTH + 1)] {
            assert_eq!(nonce_of(&answer(bad)), None, "{bad}");
        }
        assert_eq!(nonce_of(&answer("aZ09-_")), Some("aZ09-_".into()));
    }

    #[test]
    fn clearing_forgets_all() {
        let pool = NoncePool::default();
        pool.keep(&answer("a"));
        pool.clear();
        assert_eq!(pool.take(), None);
    }
}
