//! Caddy with smallstep's ACME server: no `meta` in the directory, no renewal information, no `Retry-After`, and a challenge that failed
//! stays pending until the client asks for another validation.

use crate::{
    everyday::{leaves_nothing, proves_a_name_and_its_wildcard, refuses, says_what_it_does_not_find},
    support::{
        Bed,
        acme_servers::Caddy,
        dns::{KNOT, Knot},
    },
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn caddy_proves_a_name_and_its_wildcard_over_dns_01() {
    let bed = Bed::attach().await;
    if let Some(caddy) = Caddy::start(&bed, "Caddy over DNS-01").await {
        proves_a_name_and_its_wildcard(&caddy.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn caddy_refuses_a_name_that_its_policy_denies_in_its_own_words() {
    let bed = Bed::attach().await;
    if let Some(caddy) = Caddy::start(&bed, "a name that Caddy refuses").await {
        refuses(&caddy.acme, "400 urn:ietf:params:acme:error:rejectedIdentifier: ").await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_is_deleted_in_flight_at_caddy_leaves_nothing() {
    let bed = Bed::attach().await;
    if let Some(caddy) = Caddy::start(&bed, "a deletion in flight at Caddy").await {
        leaves_nothing(&caddy.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_caddy_does_not_find_is_told_and_it_is_asked_to_look_again() {
    let bed = Bed::attach().await;
    let _knot = Knot::start().await;
    if let Some(caddy) = Caddy::start_with_resolver(&bed, "a record that Caddy does not find", KNOT).await {
        says_what_it_does_not_find(&caddy.acme).await;
    }
}
