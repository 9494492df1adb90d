//! The input and the answer of a solver.

use jiff::Timestamp;

use crate::{
    acme::{Account, url::same_host},
    api,
    plan::{
        issuer::IssuerId,
        order::{
            ca::{AuthorizationAtCa, ChallengeAtCa},
            memory::NotYet,
            persist::{self, Demand},
            proof::Proof,
        },
        seen::Meta,
    },
    solver::{
        host::Host,
        select::Method,
        token::{KeyAuthorization, Token},
    },
    text::excerpt,
};

/// A solver's answer: done, or not yet.
pub(crate) type Answer = Result<(), NotYet>;

/// The answer of a solver to the question whether the CA would find a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It would.
    Visible,
    /// It would, and would not after this time.
    Until {
        /// The name of the record.
        name: String,
        /// Its end.
        until: Timestamp,
        /// What to do about it, if it is soon.
        remark: Option<String>,
    },
    /// Not yet.
    NotYet(NotYet),
    /// Not yet, and patience does not help: what routes the CA's request there is reported not to, or a person has to do something.
    Refused(NotYet),
    /// It would look for the proof elsewhere: the proof has to be located again.
    Moved,
}

/// A proof, with those parts of its authorization that a solver needs.
#[derive(Clone, Debug)]
pub(crate) struct Provable {
    /// Metadata of its Challenge, as soon as that exists.
    pub challenge: Option<Meta>,
    /// The name or address, without the `*.` of a wildcard.
    pub identifier: String,
    /// The key authorization, if the challenge has a token.
    pub key_authorization: Option<KeyAuthorization>,
    /// What the CA has to find.
    pub proof: Proof,
    /// Where it is written, as its Challenge names it, if it is outside the cluster and located.
    pub record: Option<String>,
    /// The solver.
    pub solver: api::Solver,
    /// The issuer whose solver it is.
    pub issuer: IssuerId,
}

/// Whether a text has the form of a DNS-01 value, which no other TXT record that matters has: a SHA-256 digest in base64url (RFC 8555
/// section 8.4).
pub(super) fn is_digest(value: &str) -> bool {
    value.len() == 43
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The proof of an authorization by the challenge that the CA offers, by the method of its selected solver. `server` is the URL of the CA's
/// directory.
///
/// # Errors
/// Why the method cannot prove this identifier, as a sentence.
pub(crate) fn proof(
    method: Method,
    authorization: &AuthorizationAtCa,
    challenge: &ChallengeAtCa,
    account: &Account,
    server: &str,
) -> Result<Proof, String> {
    let identifier = &authorization.identifier;
    let key_authorization = || {
        let token = Token::parse(&challenge.token).map_err(|error| format!("{identifier}: {error}"))?;
        Ok::<_, String>(KeyAuthorization::new(token, account.key().thumbprint()))
    };
    match method {
        Method::DnsPersist(settings) => {
            let demand = demand(authorization, challenge, account.uri(), server)?;
            Ok(Proof::DnsPersist {
                record: demand.record(settings.wildcard, settings.until),
                demand: Box::new(demand),
            })
        }
        Method::Http01(routing) if Host::parse(identifier).is_some() => Ok(Proof::Http01 {
            key_authorization: key_authorization()?.as_str().to_owned(),
            routing,
        }),
        Method::Http01(_) => Err(format!(
            "{identifier:?} is no name or address that can be asked over HTTP"
        )),
        Method::Dns01 => Ok(Proof::Dns01 {
            value: key_authorization()?.digest(),
        }),
    }
}

/// What dns-persist-01 asks for. A record that a user is asked to write authorizes the account in it: only one at the host of the CA's own
/// directory is shown, or a server could have a record written for another user's account at another CA.
///
/// # Errors
/// Why the challenge cannot be used, as a sentence.
fn demand(
    authorization: &AuthorizationAtCa,
    challenge: &ChallengeAtCa,
    account: &str,
    server: &str,
) -> Result<Demand, String> {
    let identifier = &authorization.identifier;
    let refused = |why: String| Err(format!("the dns-persist-01 challenge of the CA for {identifier} {why}"));
    let offered = challenge.persist.clone().unwrap_or_default();
    if offered.issuers.is_empty() || !offered.issuers.iter().all(|name| persist::is_issuer(name)) {
        let why = "is malformed: it needs 1 to 10 issuer-domain-names in small letters and without a final dot";
        return refused(why.to_owned());
    }
    let wanted = offered.account.as_deref().unwrap_or(account);
    if !same_host(wanted, server) {
        let why = format!(
            "names the account {}, which is not at the host of {}",
            excerpt(wanted),
            excerpt(server)
        );
        return refused(why);
    }
    if !persist::is_value(wanted) || wanted.contains(['"', '\\']) {
        return refused(format!(
            "names an account that cannot be in a TXT record: {}",
            excerpt(wanted)
        ));
    }
    Ok(Demand {
        identifier: identifier.clone(),
        wildcard: authorization.wildcard,
        issuers: offered.issuers,
        account: wanted.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::order::ca::{AuthorizationState, Persist};

    #[test]
    fn only_a_digest_is_removed_for_a_challenge_whose_order_is_gone() {
        assert!(is_digest("LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo"));
        for other in [
            "",
            "v=spf1 include:_spf.example.com -all",
            "google-site-verification=LPsIwTo7o8BoG0-vjCyGQGBWSVI",
            "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZoo",
            "LPsIwTo7o8BoG0 vjCyGQGBWSVIPxI-i_X336eUOQZo",
        ] {
            assert!(!is_digest(other), "{other:?}");
        }
    }

    #[test]
    fn a_record_is_asked_for_only_for_an_account_at_the_cas_own_server() {
        let ours = "https://ca.example/acct/1";
        let of = |issuers: &[&str], account: Option<&str>| {
            let challenge = ChallengeAtCa {
                type_: persist::TYPE.to_owned(),
                url: "https://ca.example/chall/1".to_owned(),
                token: String::new(),
                processing: false,
                error: None,
                unanswered: false,
                persist: Some(Persist {
                    issuers: issuers.iter().map(|name| (*name).to_owned()).collect(),
                    account: account.map(str::to_owned),
                }),
            };
            let authorization = AuthorizationAtCa {
                state: AuthorizationState::Pending,
                left_pending: false,
                identifier: "a.example".to_owned(),
                wildcard: true,
                challenges: Vec::new(),
                answered: Timestamp::UNIX_EPOCH,
                retry_at: None,
            };
            let demand = demand(&authorization, &challenge, ours, "https://ca.example:14000/dir");
            demand.map(|demand| demand.record(false, None))
        };
        let record = |account| Ok(format!("ca.example; accounturi={account}; policy=wildcard"));
        assert_eq!(of(&["ca.example"], None), record(ours));
        let other = "https://ca.example/other/7";
        assert_eq!(of(&["ca.example", "x.example"], Some(other)), record(other));
        for account in [
            "https://acme-v02.api.letsencrypt.org/acme/acct/1",
            "ca.example",
            "https://ca.example.evil/acct/1",
        ] {
            let refused = of(&["letsencrypt.org"], Some(account)).unwrap_err();
            assert!(
                refused.contains("which is not at the host of https://ca.example"),
                "{refused}"
            );
        }
        for account in [
            "https://ca.example/a;b",
            "https://ca.example/a\"b",
            "https://ca.example/a b",
        ] {
            let refused = of(&["ca.example"], Some(account)).unwrap_err();
            assert!(refused.contains("cannot be in a TXT record"), "{refused}");
        }
        for issuers in [&[][..], &["CA.example"], &["ca.example."], &["ca.example", "a;b"]] {
            assert!(
                of(issuers, None)
                    .unwrap_err()
                    .contains("is malformed: it needs 1 to 10"),
                "{issuers:?}"
            );
        }
    }
}
