/// Why an input of ours cannot be read, or a value cannot be made. The message is a sentence for the author of the
/// input. It never contains key material.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// A PEM text is damaged, empty, or holds something else than was expected.
    #[error("{0}")]
    Pem(String),
    /// A private or public key cannot be used.
    #[error("{0}")]
    Key(String),
    /// A subject, literal subject or alternative name cannot be read or written.
    #[error("{0}")]
    Name(String),
    /// A key usage has no meaning here.
    #[error("{0}")]
    Usage(String),
    /// A certificate signing request cannot be read, or its signature is wrong.
    #[error("{0}")]
    Request(String),
    /// A certificate cannot be read.
    #[error("{0}")]
    Certificate(String),
    /// A bundle of certificates does not form one chain.
    #[error("{0}")]
    Chain(String),
    /// Input is larger than the limit (SEC-08).
    #[error("the {what} has {size} bytes, more than the limit of {limit}; shorten it or raise the limit")]
    TooLarge {
        /// What was measured.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A certificate could not be signed.
    #[error("{0}")]
    Signing(String),
    /// A keystore could not be written.
    #[error("{0}")]
    Keystore(String),
}
