//! Making sure of an account: look up, then register, then correct the contact, in the order that never makes an
//! account too many. What to do and what it means for an issuer is decided in `plan::account`.

use super::Error;
use super::client::{Client, contact_urls};
use super::jws::ExternalAccount;
use super::problem::Kind;
use super::registration::{Registration, Step};

/// Makes sure that the key has an account with this contact, and gives its URL.
///
/// `known_contact` is the e-mail address that was registered last, if that is known: servers that hide contacts are
/// then updated once and not again. Two issuers with the same server and key come out with the same account, if they do this one
/// after the other.
///
/// # Errors
/// The step that failed and why.
pub async fn ensure(
    client: &Client,
    contact: &str,
    known_contact: Option<&str>,
    external: Option<&ExternalAccount>,
) -> Result<Registration, (Step, Error)> {
    // The look-up goes first: a CA may accept an external account's key only once, and a registration that went
    // through without its answer being seen must not be paid for twice.
    let registration = match client.lookup().await {
        Ok(found) => found,
        Err(error) if may_mean_unknown(&error) => client
            .new_account(contact, external)
            .await
            .map_err(|error| (Step::Register, error))?,
        Err(error) => return Err((Step::LookUp, error)),
    };
    if !registration.created && contact_differs(&registration, contact, known_contact) {
        let account = client
            .account(&registration.uri)
            .map_err(|error| (Step::Update, error))?;
        account
            .update_contact(contact)
            .await
            .map_err(|error| (Step::Update, error))?;
    }
    Ok(registration)
}

/// Whether a look-up was refused in a way that may mean that there is no such account. Some CAs judge the request as if it were
/// for a new account, and miss the binding in it, before they look for the key; some have no word of their own for it. A
/// registration is safe then: where the account exists after all, it is what comes back (RFC 8555 section 7.3.1).
fn may_mean_unknown(error: &Error) -> bool {
    error.problem().is_some_and(|problem| {
        matches!(
            problem.kind,
            Kind::AccountDoesNotExist | Kind::ExternalAccountRequired | Kind::Malformed
        )
    })
}

fn contact_differs(registration: &Registration, wanted: &str, known: Option<&str>) -> bool {
    if registration.contacts == contact_urls(wanted) {
        return false;
    }
    // A server that shows no contact may hide it: then what was registered last decides.
    !registration.contacts.is_empty() || known.is_none_or(|known| contact_urls(known) != contact_urls(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_updated_only_when_they_differ() {
        let shown = |contacts: &[&str]| Registration {
            uri: "https://ca/acct/1".into(),
            created: false,
            contacts: contacts.iter().map(ToString::to_string).collect(),
        };
        assert!(!contact_differs(
            &shown(&["mailto:a@example.com"]),
            "A@example.com",
            None
        ));
        assert!(contact_differs(
            &shown(&["mailto:a@example.com"]),
            "b@example.com",
            Some("b@example.com")
        ));
        assert!(contact_differs(&shown(&["mailto:a@example.com"]), "", None));
        assert!(!contact_differs(&shown(&[]), "", None));
        assert!(contact_differs(&shown(&[]), "a@example.com", None));
        assert!(
            !contact_differs(&shown(&[]), "a@example.com", Some("a@example.com")),
            "hidden, and registered before"
        );
    }
}
