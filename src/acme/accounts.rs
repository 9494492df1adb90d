//! Registration of an account: look-up, registration, update of the contact, in an order that never creates a second
//! account. `plan::account` decides what follows for an issuer.

use super::Error;
use super::client::{Client, contact_urls};
use super::jws::ExternalAccount;
use super::problem::Kind;
use super::registration::{Registration, Step};

/// Ensures that the key has an account with this contact, and returns the account.
///
/// `known_contact` is the e-mail address that was registered last, if it is known. A server that hides contacts is then
/// updated only once. Two issuers with the same server and key get the same account, if their calls do not overlap.
///
/// # Errors
/// The step that failed, and why.
pub async fn ensure(
    client: &Client,
    contact: &str,
    known_contact: Option<&str>,
    external: Option<&ExternalAccount>,
) -> Result<Registration, (Step, Error)> {
    // The look-up is first, because a CA may accept an external account's key only once. A registration whose
    // answer was lost must not be repeated.
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

/// Whether a refused look-up may mean that there is no such account. Some CAs treat the look-up as a registration, and
/// reject it for the missing binding; some have no error type for an unknown account. A registration is then safe: it
/// returns an account that exists (RFC 8555 section 7.3.1).
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
    // A server that returns no contact may hide it. Then the last registered contact decides.
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
