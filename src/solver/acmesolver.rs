//! `certlet acmesolver`: the HTTP server inside a solver pod, with the arguments of cert-manager's acmesolver (HTT-09).

use std::net::Ipv6Addr;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::host::Host;
use super::responder::{Answer, Responder};
use super::token::{KeyAuthorization, Token, TokenError};

/// Serve one HTTP-01 challenge. Used by solver pods
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AcmeSolverArgs {
    /// Port to listen on
    #[arg(long, default_value_t = 8089)]
    pub listen_port: u16,
    /// DNS name or IP address that is validated
    #[arg(long)]
    pub domain: String,
    /// Token of the challenge
    #[arg(long)]
    pub token: String,
    /// Key authorization to serve
    #[arg(long)]
    pub key: String,
}

/// Why the solver cannot start.
#[derive(Debug, Error)]
pub(crate) enum AcmeSolverError {
    /// `--domain` is neither a name nor an address.
    #[error("--domain: {0:?} is neither a DNS name nor an IP address")]
    Domain(String),
    /// `--token` is not valid.
    #[error("--token: {0}")]
    Token(#[from] TokenError),
    /// `--key` does not belong to the token.
    #[error("--key: a key authorization begins with the token and a dot")]
    Key,
    /// The port is in use or not permitted.
    #[error("failed to listen on port {port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// Serves the challenge until `shutdown` is cancelled.
///
/// # Errors
/// [`AcmeSolverError`] if an argument is invalid or the port cannot be used.
pub(crate) async fn run(args: &AcmeSolverArgs, shutdown: CancellationToken) -> Result<(), AcmeSolverError> {
    let responder = Arc::new(responder(args)?);
    let port = args.listen_port;
    let listen = |source| AcmeSolverError::Listen { port, source };
    let listener = match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => listener,
        // the node has no IPv6
        Err(_) => TcpListener::bind(("0.0.0.0", port)).await.map_err(listen)?,
    };
    responder.serve(listener, shutdown).await;
    Ok(())
}

fn responder(args: &AcmeSolverArgs) -> Result<Responder, AcmeSolverError> {
    let host = Host::parse(&args.domain).ok_or_else(|| AcmeSolverError::Domain(args.domain.clone()))?;
    let token = Token::parse(&args.token)?;
    let thumbprint = args
        .key
        .strip_prefix(token.as_str())
        .and_then(|rest| rest.strip_prefix('.'));
    let thumbprint = thumbprint.ok_or(AcmeSolverError::Key)?;
    let answer = Answer {
        host,
        key_authorization: KeyAuthorization::new(token, thumbprint),
    };
    let responder = Responder::new();
    // a single entry always fits
    responder.insert("acmesolver", answer).unwrap_or_default();
    Ok(responder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(domain: &str, token: &str, key: &str) -> AcmeSolverArgs {
        let owned = str::to_owned;
        AcmeSolverArgs {
            listen_port: 0,
            domain: owned(domain),
            token: owned(token),
            key: owned(key),
        }
    }

    #[test]
    fn the_one_challenge_is_answered_for_its_host_only() {
        let responder = responder(&args("Demo.example", "tok", "tok.thumb")).unwrap();
        let asked = |host| responder.lookup(&Host::parse(host).unwrap(), "tok");
        assert_eq!(asked("demo.example").as_deref(), Some(b"tok.thumb".as_slice()));
        assert_eq!(asked("other.example"), None);
    }

    #[test]
    fn arguments_that_make_no_sense_are_named() {
        for (wrong, named) in [
            (args("a b", "tok", "tok.thumb"), "--domain"),
            (args("a.example", "../x", "../x.thumb"), "--token"),
            (args("a.example", "tok", "other.thumb"), "--key"),
        ] {
            let error = responder(&wrong).unwrap_err().to_string();
            assert!(error.starts_with(named), "{error}");
        }
    }

    #[tokio::test]
    async fn it_listens_and_stops() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        run(&args("a.example", "tok", "tok.thumb"), shutdown).await.unwrap();
    }
}
