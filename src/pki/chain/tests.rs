//! Chains.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::pki::fixture::{intermediate, leaf, p256, root};

/// Leaf, two intermediates, root.
static CHAIN: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = root("root", p256());
    let first = intermediate("first", &root, p256());
    let second = intermediate("second", &first, p256());
    let mut chain = vec![leaf(&second, &["a.example"], &p256())];
    chain.extend(second.chain);
    chain
});

fn limits() -> SizeLimits {
    SizeLimits::default()
}

#[test]
fn the_root_goes_to_the_ca_and_not_into_the_chain() {
    let mut shuffled = CHAIN.clone();
    shuffled.reverse();
    let chain = arrange(&to_pem(&shuffled), &limits()).unwrap();
    assert_eq!(chain.chain_pem, to_pem(&CHAIN[..3]));
    assert_eq!(chain.ca_pem, Some(to_pem(&CHAIN[3..])));
}

#[test]
fn without_a_root_the_topmost_certificate_is_in_both() {
    let chain = arrange(&to_pem(&CHAIN[..3]), &limits()).unwrap();
    assert_eq!(chain.chain_pem, to_pem(&CHAIN[..3]));
    assert_eq!(chain.ca_pem, Some(to_pem(&CHAIN[2..3])));
}

#[test]
fn of_several_cas_only_those_count_as_signers_that_signed() {
    let (chain, ca) = (CHAIN[..3].to_vec(), CHAIN[3].clone());
    let stranger = root("root", p256()).chain[0].clone();
    let found = signers(&chain, vec![stranger.clone(), ca.clone(), CHAIN[1].clone()]);
    assert_eq!(
        found,
        [ca],
        "one of the same name has another key; one in the middle is not the last"
    );
    assert_eq!(
        signers(&CHAIN[..1], vec![stranger, CHAIN[1].clone()]),
        [CHAIN[1].clone()]
    );
    assert_eq!(signers(&[], vec![CHAIN[3].clone()]), Vec::<Vec<u8>>::new());
}

#[test]
fn a_lone_leaf_has_no_ca_and_a_lone_root_is_its_own() {
    let lone = arrange(&to_pem(&CHAIN[..1]), &limits()).unwrap();
    assert_eq!((lone.chain_pem, lone.ca_pem), (to_pem(&CHAIN[..1]), None));
    let lone = arrange(&to_pem(&CHAIN[3..]), &limits()).unwrap();
    assert_eq!(
        (lone.chain_pem, lone.ca_pem),
        (to_pem(&CHAIN[3..]), Some(to_pem(&CHAIN[3..])))
    );
}

#[test]
fn broken_chains_are_explained_with_names() {
    let gap = [CHAIN[0].clone(), CHAIN[2].clone(), CHAIN[3].clone()];
    let error = arrange(&to_pem(&gap), &limits()).unwrap_err().to_string();
    assert!(error.contains("one chain") && error.contains("CN=leaf"), "{error}");
    let twins = [CHAIN[0].clone(), leaf(&root("other", p256()), &["b.example"], &p256())];
    assert!(arrange(&to_pem(&twins), &limits()).is_err());
}

#[test]
fn a_ca_of_the_same_name_with_another_key_is_not_taken_for_the_issuer() {
    let impostor = root("second", p256());
    let bundle = [CHAIN[0].clone(), impostor.chain[0].clone()];
    assert!(arrange(&to_pem(&bundle), &limits()).is_err());
}

#[test]
fn sizes_and_contents_are_checked() {
    let small = SizeLimits { chain: 100, ..limits() };
    let error = arrange(&to_pem(&CHAIN), &small).unwrap_err().to_string();
    assert!(error.contains("more than the limit of 100"), "{error}");
    assert!(
        arrange(b"nothing", &limits())
            .unwrap_err()
            .to_string()
            .contains("holds no certificate")
    );
}

/// POL-04: Go's `pem.Decode` passes over blocks that it cannot read. The first certificate is what the text is about.
#[test]
fn damaged_blocks_behind_the_first_certificate_are_passed_over() {
    let damaged = b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n";
    let good = to_pem(&CHAIN[..1]);
    let read = |parts: &[&[u8]]| parse_chain(&parts.concat(), 100_000);
    assert_eq!(read(&[&good, damaged]).unwrap(), &CHAIN[..1]);
    let error = read(&[damaged, &good]).unwrap_err().to_string();
    assert!(error.contains("line 1 cannot be read"), "{error}");
    assert_eq!(
        parse_certificates(&[damaged.as_slice(), good.as_slice()].concat(), 100_000).unwrap(),
        &CHAIN[..1]
    );
    assert!(read(&[damaged]).is_err());
}

#[test]
fn the_issuer_of_the_last_certificate_tells_the_chain() {
    let name = |chain: &[Vec<u8>]| issuer_common_name_of_last(&to_pem(chain), &limits()).unwrap();
    assert_eq!(name(&CHAIN[..1]).as_deref(), Some("second"));
    assert_eq!(name(&CHAIN[..3]).as_deref(), Some("root"));
}

/// A hundred CA certificates of one name (`hostile/make-chain.sh`, made with openssl): 99 with one key and signed by somebody else, and
/// one signed with that key. All with all are 9,900 pairs, of P-521.
const BOMB: &[u8] = include_bytes!("../../../tests/data/hostile/chain.pem");

#[test]
fn a_hundred_certificates_of_one_name_cost_a_bounded_number_of_signature_checks() {
    let bundle = parse_certificates(BOMB, limits().chain).unwrap();
    assert_eq!(bundle.len(), 100);
    let checks = order::Checks::default();
    let error = order::order_with(bundle.clone(), &checks).unwrap_err().to_string();
    assert!(error.contains("more than 200 signature checks"), "{error}");
    assert!(checks.made() <= order::MAX_CHECKS, "{}", checks.made());

    let checks = order::Checks::default();
    assert_eq!(order::signers_with(&bundle[..1], bundle.clone(), &checks).len(), 1);
    assert!(checks.made() <= order::MAX_CHECKS, "{}", checks.made());
    // the last is signed with the key that all others have
    assert_eq!(signer_of(&bundle[99], &bundle), Some(0));
    assert_eq!(signer_of(&bundle[0], &bundle), None);
}

#[test]
fn a_pair_is_checked_once_and_only_if_the_names_fit() {
    let checks = order::Checks::default();
    let mut shuffled = CHAIN.clone();
    shuffled.reverse();
    assert_eq!(order::order_with(shuffled, &checks).unwrap(), *CHAIN);
    assert_eq!(checks.made(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn ordering_is_a_permutation_and_idempotent(shuffled in Just(CHAIN.clone()).prop_shuffle(), twice in 0_usize..4) {
        let mut bundle = shuffled;
        let again = bundle[twice].clone();
        bundle.push(again);
        let ordered = order(bundle).unwrap();
        prop_assert_eq!(&ordered, &*CHAIN);
        prop_assert_eq!(&order(ordered.clone()).unwrap(), &ordered);
    }
}
