//! OpenBao: plain HTTP, no renewal information, no `Retry-After`, and validations in the background.

use crate::{
    everyday::{proves_a_name_and_its_wildcard, refuses, renews, serves_an_ingress},
    support::{Bed, acme_servers::OpenBao},
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_serves_an_annotated_ingress_over_http_01() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "OpenBao over HTTP-01").await {
        serves_an_ingress(&bao.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_proves_a_name_and_its_wildcard_over_dns_01() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "OpenBao over DNS-01").await {
        proves_a_name_and_its_wildcard(&bao.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_issues_again_what_is_to_be_renewed() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "a renewal at OpenBao").await {
        renews(&bao.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_refuses_a_name_that_its_role_does_not_allow_in_its_own_words() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "a name that OpenBao refuses").await {
        refuses(&bao.acme, "400 urn:ietf:params:acme:error:rejectedIdentifier: ").await;
    }
}
