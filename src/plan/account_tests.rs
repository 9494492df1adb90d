use proptest::prelude::*;

use super::*;
use crate::acme::Action;
use crate::acme::Problem;
use crate::net::RetryAfter;

const URI: &str = "https://ca.example/acct/7";
const HASH: &str = "ikHXWZKyQpNcp1ed5sfaC/7zfgJzscBXQXSsmOY/VuA=";

fn now() -> Timestamp {
    "2026-11-21T06:03:15Z".parse().unwrap()
}

fn spec() -> AcmeIssuer {
    AcmeIssuer {
        server: "https://ca.example/dir".into(),
        email: Some("ops@example.com".into()),
        ..AcmeIssuer::default()
    }
}

fn registered() -> AcmeIssuerStatus {
    AcmeIssuerStatus {
        uri: Some(URI.into()),
        last_registered_email: Some("ops@example.com".into()),
        last_private_key_hash: Some(HASH.into()),
    }
}

fn seen<'a>(spec: &'a AcmeIssuer, status: &'a AcmeIssuerStatus) -> AccountSeen<'a> {
    AccountSeen {
        spec,
        status,
        ready: true,
        key: KeySeen::Usable(HASH),
        solvers: &[],
        external: ExternalSeen::NotAsked,
        unknown: false,
        confirmed: false,
        attempt: None,
    }
}

fn registration() -> Registration {
    Registration {
        uri: URI.into(),
        created: true,
        contacts: Vec::new(),
    }
}

fn refusal(name: &str, status: u16) -> Error {
    let body = format!(r#"{{"type":"urn:ietf:params:acme:error:{name}","detail":"why"}}"#);
    let problem = Problem::from_answer("application/problem+json", body.as_bytes()).unwrap();
    Problem {
        status: Some(status),
        ..problem
    }
    .into()
}

fn busy(retry_after: Option<RetryAfter>) -> Error {
    Error::Status {
        host: "ca.example".into(),
        action: Action::NewAccount,
        status: 503,
        retry_after,
        redirect: None,
    }
}

fn message(plan: AccountPlan) -> (&'static str, String) {
    let AccountPlan::Refuse(verdict) = plan else {
        panic!("{plan:?}")
    };
    (verdict.reason, verdict.message)
}

#[test]
fn acc_09_a_solver_without_its_secret_makes_an_issuer_with_a_valid_account_unready() {
    let (spec, status) = (spec(), registered());
    let missing = [
        "failed to get secret \"a\"",
        "the secret \"b\" does not have key \"token\"",
    ]
    .map(str::to_owned);
    let plan = plan(
        now(),
        &AccountSeen {
            solvers: &missing,
            ..seen(&spec, &status)
        },
    );
    let expected = "failed to get secret \"a\"; the secret \"b\" does not have key \"token\"";
    assert_eq!(message(plan), ("InvalidSolver", expected.to_owned()));
}

#[test]
fn acc_04_an_account_that_cert_manager_registered_is_used_without_a_request() {
    assert_eq!(plan(now(), &seen(&spec(), &registered())), AccountPlan::Keep);
}

#[test]
fn an_account_at_another_origin_that_the_directory_names_is_in_order_once_the_server_has_said_so() {
    let (spec, mut status) = (spec(), registered());
    status.uri = Some("https://inner.example:9000/acct/1".into());
    let again = AccountPlan::Ensure { known_contact: None };
    assert_eq!(plan(now(), &seen(&spec, &status)), again);
    let confirmed = AccountSeen {
        confirmed: true,
        ..seen(&spec, &status)
    };
    assert_eq!(plan(now(), &confirmed), AccountPlan::Keep);
}

#[test]
fn acc_05_to_07_what_differs_from_the_registration_makes_sure_again() {
    let (spec, status) = (spec(), registered());
    let known = |known: Option<&str>| AccountPlan::Ensure {
        known_contact: known.map(str::to_owned),
    };
    let fresh = AcmeIssuerStatus::default();
    assert_eq!(plan(now(), &seen(&spec, &fresh)), known(None));
    assert_eq!(
        plan(
            now(),
            &AccountSeen {
                ready: false,
                ..seen(&spec, &status)
            }
        ),
        known(Some("ops@example.com"))
    );
    assert_eq!(
        plan(
            now(),
            &AccountSeen {
                unknown: true,
                ..seen(&spec, &status)
            }
        ),
        known(None)
    );
    assert_eq!(
        plan(
            now(),
            &AccountSeen {
                key: KeySeen::Usable("other"),
                ..seen(&spec, &status)
            }
        ),
        known(None)
    );
    let email = AcmeIssuer {
        email: None,
        ..spec.clone()
    };
    assert_eq!(plan(now(), &seen(&email, &status)), known(Some("ops@example.com")));
    let server = AcmeIssuer {
        server: "https://ca.example:444/dir".into(),
        ..spec.clone()
    };
    assert_eq!(plan(now(), &seen(&server, &status)), known(None));
    let path = AcmeIssuer {
        server: "https://ca.example/other".into(),
        ..spec
    };
    assert_eq!(
        plan(now(), &seen(&path, &status)),
        AccountPlan::Keep,
        "the host decides"
    );
}

#[test]
fn acc_01_a_missing_key_is_made_unless_that_is_disabled() {
    let (mut spec, status) = (spec(), AcmeIssuerStatus::default());
    spec.private_key_secret_ref.name = "account".into();
    let missing = |spec: &AcmeIssuer| {
        let key = KeySeen::Missing;
        plan(
            now(),
            &AccountSeen {
                key,
                ..seen(spec, &status)
            },
        )
    };
    assert_eq!(missing(&spec), AccountPlan::GenerateKey);
    spec.disable_account_key_generation = Some(true);
    let (reason, text) = message(missing(&spec));
    assert_eq!(reason, "ErrVerifyACMEAccount");
    let expected = "Failed to verify ACME account: the ACME issuer config has 'disableAccountKeyGeneration' set to true, but the secret was not found: ";
    assert!(text.starts_with(expected) && text.contains("account"), "{text}");
}

#[test]
fn secrets_that_hold_something_else_are_reported_and_never_overwritten() {
    let (spec, status) = (spec(), registered());
    let key = KeySeen::Unusable("ACME private key in \"a\" is not of type RSA".into());
    let (reason, text) = message(plan(
        now(),
        &AccountSeen {
            key,
            ..seen(&spec, &status)
        },
    ));
    assert_eq!(
        (reason, text.as_str()),
        (
            "ErrVerifyACMEAccount",
            "Failed to verify ACME account: ACME private key in \"a\" is not of type RSA"
        )
    );
    let external = ExternalSeen::Unusable("secret \"eab\" not found".into());
    let (reason, _) = message(plan(
        now(),
        &AccountSeen {
            external,
            ready: false,
            ..seen(&spec, &status)
        },
    ));
    assert_eq!(reason, "ErrRegisterACMEAccount");
}

#[test]
fn acc_09_servers_that_cannot_be_one_are_refused_before_anything_is_asked() {
    let server = |server: &str| {
        check_settings(&AcmeIssuer {
            server: server.into(),
            ..spec()
        })
        .unwrap_err()
    };
    let old = server("https://acme-v01.api.letsencrypt.org/directory");
    assert_eq!(old.reason, "InvalidConfig");
    assert_eq!(
        old.message,
        "Your ACME server URL is set to a v1 endpoint (https://acme-v01.api.letsencrypt.org/directory). \
         You should update the spec.acme.server field to \"https://acme-v02.api.letsencrypt.org/directory\""
    );
    assert_eq!(server("ca.example").reason, "InvalidURL");
    assert_eq!(check_settings(&spec()), Ok(()));
}

#[test]
fn acc_03_success_is_recorded_as_cert_manager_records_it_and_then_kept() {
    let spec = spec();
    let fresh = AcmeIssuerStatus::default();
    let concluded = conclude(
        now(),
        &AccountSeen {
            ready: false,
            ..seen(&spec, &fresh)
        },
        Ok(&registration()),
    );
    assert_eq!(concluded.status, registered());
    let verdict = concluded.verdict.unwrap();
    assert_eq!(
        (verdict.reason, verdict.message.as_str()),
        (
            "ACMEAccountRegistered",
            "The ACME account was registered with the ACME server"
        )
    );
    assert_eq!(plan(now(), &seen(&spec, &concluded.status)), AccountPlan::Keep);
}

#[test]
fn acc_10_a_refusal_is_not_tried_again_until_something_changes() {
    let (spec, fresh) = (spec(), AcmeIssuerStatus::default());
    let seen = AccountSeen {
        ready: false,
        ..seen(&spec, &fresh)
    };
    for (name, status) in [
        ("externalAccountRequired", 403),
        ("invalidContact", 400),
        ("unauthorized", 401),
        ("malformed", 400),
    ] {
        let failed = conclude(now(), &seen, Err(&(Step::Register, refusal(name, status))));
        let verdict = failed.verdict.unwrap();
        let words =
            format!("Failed to register ACME account: {status} urn:ietf:params:acme:error:{name}: why; the CA ");
        assert!(verdict.message.starts_with(&words), "{}", verdict.message);
        let later = now() + SignedDuration::from_hours(1000);
        let again = plan(
            later,
            &AccountSeen {
                attempt: failed.attempt.as_ref(),
                ..seen.clone()
            },
        );
        assert_eq!(
            again,
            AccountPlan::Wait {
                verdict: Some(verdict),
                next: Next::OnChange
            },
            "{name}"
        );

        let edited = AcmeIssuer {
            email: Some("other@example.com".into()),
            ..spec.clone()
        };
        let edited = AccountSeen {
            spec: &edited,
            attempt: failed.attempt.as_ref(),
            ..seen.clone()
        };
        assert!(matches!(plan(now(), &edited), AccountPlan::Ensure { .. }));
        let bound = AccountSeen {
            external: ExternalSeen::Usable([1; 32]),
            attempt: failed.attempt.as_ref(),
            ..seen.clone()
        };
        assert!(matches!(plan(now(), &bound), AccountPlan::Ensure { .. }));
    }
}

#[test]
fn what_may_pass_is_tried_again_after_a_growing_wait_and_not_before_the_server_wants() {
    let (spec, fresh) = (spec(), AcmeIssuerStatus::default());
    let first = AccountSeen {
        ready: false,
        ..seen(&spec, &fresh)
    };
    let mut attempt = None;
    let unreachable = Error::Unreachable {
        host: "ca.example".into(),
        action: Action::Directory,
        reason: "connection refused".into(),
    };
    let mut waits = Vec::new();
    for _ in 0..11 {
        let failed = conclude(
            now(),
            &AccountSeen {
                attempt: attempt.as_ref(),
                ..first.clone()
            },
            Err(&(Step::LookUp, unreachable.clone())),
        );
        let Next::At(until) = failed.next else {
            panic!("{failed:?}")
        };
        waits.push(until.duration_since(now()).as_secs());
        attempt = failed.attempt;
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]);

    let hour = RetryAfter::After(SignedDuration::from_hours(1));
    for error in [
        busy(Some(hour)),
        Problem {
            retry_after: Some(hour),
            ..refusal("rateLimited", 429).problem().unwrap().clone()
        }
        .into(),
    ] {
        let failed = conclude(now(), &first, Err(&(Step::Register, error)));
        assert_eq!(failed.next, Next::At(now() + SignedDuration::from_hours(1)));
        let waiting = AccountSeen {
            attempt: failed.attempt.as_ref(),
            ..first.clone()
        };
        assert!(matches!(
            plan(now(), &waiting),
            AccountPlan::Wait { next: Next::At(_), .. }
        ));
        assert!(matches!(
            plan(now() + SignedDuration::from_hours(1), &waiting),
            AccountPlan::Ensure { .. }
        ));
    }
}

#[test]
fn a_failed_update_leaves_a_good_account_ready_unless_it_is_refused() {
    let (spec, status) = (
        AcmeIssuer {
            email: Some("new@example.com".into()),
            ..spec()
        },
        registered(),
    );
    let seen = seen(&spec, &status);
    let delayed = conclude(now(), &seen, Err(&(Step::Update, busy(None))));
    assert_eq!((delayed.verdict, &delayed.status), (None, &status));
    let refused = conclude(now(), &seen, Err(&(Step::Update, refusal("invalidContact", 400))));
    let verdict = refused.verdict.unwrap();
    assert_eq!(verdict.reason, "ErrUpdateACMEAccount");
    assert!(verdict.message.starts_with("Failed to update ACME account: "));
}

#[test]
fn acc_07_a_url_of_another_server_does_not_survive_a_failure() {
    let (spec, status) = (
        AcmeIssuer {
            server: "https://other.example/dir".into(),
            ..spec()
        },
        registered(),
    );
    let failed = conclude(now(), &seen(&spec, &status), Err(&(Step::LookUp, busy(None))));
    assert_eq!(failed.status, AcmeIssuerStatus::default());
}

proptest! {
    /// Whatever the failure, planning at once never leads to another request.
    #[test]
    fn no_failure_is_followed_by_a_request_at_once(
        kind in prop::sample::select(vec!["rateLimited", "badNonce", "serverInternal", "accountDoesNotExist", "tomorrow", "userActionRequired"]),
        status in 400_u16..600,
        step in prop::sample::select(vec![Step::LookUp, Step::Register, Step::Update]),
        ready in any::<bool>(),
        rounds in 1_u32..40,
    ) {
        let (spec, fresh) = (spec(), AcmeIssuerStatus::default());
        let mut attempt = None;
        for _ in 0..rounds {
            let seen = AccountSeen { ready, attempt: attempt.as_ref(), ..seen(&spec, &fresh) };
            attempt = conclude(now(), &seen, Err(&(step, refusal(kind, status)))).attempt;
        }
        let seen = AccountSeen { ready, attempt: attempt.as_ref(), ..seen(&spec, &fresh) };
        let waits = matches!(plan(now(), &seen), AccountPlan::Wait { .. });
        prop_assert!(waits);
    }
}
