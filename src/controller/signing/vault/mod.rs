//! Sessions with Vault: what an issuer needs of its server, and whether it is Ready.

mod aws;
mod place;

use std::sync::Arc;

use jiff::Timestamp;

use self::place::Place;
use super::{Readiness, Signing, secrets::NoSession, sessions};
use crate::{
    api::{names::annotation, vault::VaultIssuer},
    controller::ControllerError,
    plan::{
        issuer::{self, FoundIssuer},
        seen::{Meta, ObjectKey},
    },
    signer::{
        Refusal, Signer,
        vault::{self, Session, tokens::Tokens},
    },
};

/// Sessions by issuer, and their logins.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    known: sessions::Sessions<Session>,
    tokens: Arc<Tokens>,
}

impl Sessions {
    /// Drops the sessions that read this Secret.
    pub(super) fn forget(&self, secret: &ObjectKey) {
        self.known.forget(secret);
    }

    /// Drops all sessions. Their tokens are revoked by [`Sessions::end`], or in the background.
    pub(super) fn clear(&self) {
        self.known.clear();
    }

    /// Drops idle sessions, and revokes tokens that nothing uses any more.
    pub(super) async fn drop_idle(&self, now: Timestamp) {
        self.known.drop_idle(now);
        self.tokens.revoke_unused().await;
    }

    /// Drops all sessions and revokes their tokens.
    pub(crate) async fn end(&self) {
        self.clear();
        self.tokens.revoke_unused().await;
    }
}

impl Signing {
    pub(super) async fn by_vault(&self, issuer: &FoundIssuer, spec: &VaultIssuer) -> Result<Signer, Refusal> {
        let session = self.vault_session(&issuer.meta, spec).await;
        let session =
            session.map_err(|why| why.refusal(vault::INIT, "Failed to initialise vault client for signing"))?;
        Ok(Signer::Vault {
            session,
            with_root: issuer.meta.annotations.get(annotation::VAULT_ROOT) == Some("true"),
        })
    }

    /// The readiness of a Vault issuer. The server is called only if `ask` is set, and in its lane if a worker waits for it.
    pub(super) async fn vault_readiness(
        &self,
        issuer: &Meta,
        spec: &VaultIssuer,
        ask: super::Ask,
    ) -> Result<Readiness, ControllerError> {
        if let Some(verdict) = issuer::vault_settings(spec) {
            return Ok(Readiness::only(Some(verdict)));
        }
        let session = match self.vault_session(issuer, spec).await {
            Ok(session) => session,
            Err(NoSession::Unread(sentence)) => return Err(ControllerError::Failed(sentence)),
            Err(why) => {
                let sentence = format!("Failed to initialize Vault client: {}", why.sentence());
                return Ok(Readiness::only(Some(issuer::vault_not_usable(sentence))));
            }
        };
        let (checked, until) = match self.checked(issuer, &*session, ask).await {
            Ok(checked) => checked,
            Err(next) => return Ok(Readiness::later(next)),
        };
        let verdict = match &checked {
            Ok(()) => issuer::vault_verified(),
            Err(fault) => issuer::vault_not_usable(fault.sentence.as_str()),
        };
        Ok(Readiness::checked(verdict, &checked, until))
    }

    async fn vault_session(&self, issuer: &Meta, spec: &VaultIssuer) -> Result<Arc<Session>, NoSession> {
        let now = self.ports.now();
        if let Some(session) = self.vault.known.recall(issuer, now) {
            return Ok(session);
        }
        let begun = self.vault.known.watch();
        let mut place = Place::new(&self.ports, issuer);
        let session = place.session(spec, &self.vault.tokens).await?;
        let session = self
            .vault
            .known
            .keep(issuer, session, place.into_secrets(), &begun, now);
        // it may have replaced another login
        let tokens = Arc::clone(&self.vault.tokens);
        tokio::spawn(async move { tokens.revoke_unused().await });
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        net::{ClientSettings, Trust},
        pki::{chain::SizeLimits, hidden::Hidden},
        signer::vault::{
            server::{Address, Server},
            tokens::Login,
        },
    };

    fn session(sessions: &Sessions, server: &str) -> Session {
        let address = Address {
            server: server.to_owned(),
            namespace: None,
            server_name: None,
            trust: Trust::default(),
            certificate: None,
        };
        let server = Server::new(&address, &ClientSettings::default(), || Timestamp::UNIX_EPOCH).unwrap();
        let login = Login::Token(Hidden::new("token".to_owned()));
        let slot = sessions.tokens.slot([0; 32], &server, login);
        Session::new(server, slot, "pki/sign/web", SizeLimits::default())
    }

    #[test]
    fn one_server_has_one_lane_however_its_url_is_spelt() {
        let sessions = Sessions::default();
        for url in [
            "https://vault.example",
            "HTTPS://Vault.Example:443/",
            "https://vault.example/prefix/",
        ] {
            assert_eq!(session(&sessions, url).lane(), "https://vault.example");
        }
        assert_eq!(
            session(&sessions, "http://vault.example:8200").lane(),
            "http://vault.example:8200"
        );
    }
}
