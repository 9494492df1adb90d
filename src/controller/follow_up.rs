//! What wakes an object other than a change in a watch: the second table of "What wakes what" in `docs/architecture.md`.

use super::queues::Queues;
use crate::plan::{issuer::IssuerId, seen::ObjectKey};

/// A result of a controller or of a background task, and the object to reconcile because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FollowUp {
    /// The RSA key of a Certificate was generated.
    KeyMade(ObjectKey),
    /// An ACME server moved the renewal window of a certificate.
    WindowMoved(ObjectKey),
    /// The issuer of a Certificate has a new CA: its `ca.crt` or its certificate must change.
    AuthorityChanged(ObjectKey),
    /// The server that a Certificate's issuer needs has become available or unavailable.
    Available(ObjectKey),
    /// A request that was signed in one pass is released to its controller.
    Unclaimed(ObjectKey),
    /// The ACME server no longer knows the account of an issuer.
    AccountUnknown(IssuerId),
    /// The server of an issuer did not sign.
    NotSigned(IssuerId),
    /// A challenge of an Order got a slot.
    SlotFree(ObjectKey),
    /// A challenge was presented or withdrawn outside the cluster.
    Solved(ObjectKey),
    /// The self-check of a challenge has finished, or the CA has requested it.
    Probed(ObjectKey),
}

impl Queues {
    /// Wakes the object.
    pub(crate) fn follow_up(&self, follow_up: FollowUp) {
        match follow_up {
            FollowUp::KeyMade(key)
            | FollowUp::WindowMoved(key)
            | FollowUp::AuthorityChanged(key)
            | FollowUp::Available(key) => {
                self.certificates.add(key);
            }
            FollowUp::Unclaimed(key) => self.requests.add(key),
            FollowUp::AccountUnknown(id) | FollowUp::NotSigned(id) => self.issuers.add(id),
            FollowUp::SlotFree(key) | FollowUp::Solved(key) | FollowUp::Probed(key) => self.orders.add(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of the table: the result, the queue, and the object.
    const ROWS: [(&str, &str, &str); 10] = [
        (
            "an RSA key was made in the background",
            "Certificates",
            "the one it is for",
        ),
        (
            "renewal information moved a window",
            "Certificates",
            "the one that was polled",
        ),
        (
            "the CA of an issuer got another key pair",
            "Certificates",
            "those of the issuer, a hundred at a time",
        ),
        (
            "an outage of the server of an issuer began or ended",
            "Certificates",
            "those that have fallback issuers and wait for it",
        ),
        ("a request was signed in one pass", "CertificateRequests", "that one"),
        (
            "an ACME server does not know an account",
            "Issuers, ClusterIssuers",
            "the one whose account it is",
        ),
        (
            "the server of an issuer did not sign",
            "Issuers, ClusterIssuers",
            "the one that it is the server of",
        ),
        ("a challenge got its turn", "Orders", "the one that it belongs to"),
        (
            "a proof was presented or withdrawn outside the cluster",
            "Orders",
            "the one that it belongs to",
        ),
        (
            "a probe has ended, or the CA has asked for a proof",
            "Orders",
            "the one that it belongs to",
        ),
    ];

    #[test]
    fn every_follow_up_reaches_its_queue_and_the_map_of_the_house_has_the_table() {
        let (key, issuer) = (ObjectKey::new("shop", "web"), IssuerId(ObjectKey::cluster("ca")));
        let follow_ups = [
            FollowUp::KeyMade(key.clone()),
            FollowUp::WindowMoved(key.clone()),
            FollowUp::AuthorityChanged(key.clone()),
            FollowUp::Available(key.clone()),
            FollowUp::Unclaimed(key.clone()),
            FollowUp::AccountUnknown(issuer.clone()),
            FollowUp::NotSigned(issuer),
            FollowUp::SlotFree(key.clone()),
            FollowUp::Solved(key.clone()),
            FollowUp::Probed(key),
        ];
        let map = include_str!("../../docs/architecture.md");
        for (follow_up, (what, queue, which)) in follow_ups.into_iter().zip(ROWS) {
            let queues = Queues::default();
            queues.certificates.resume([]);
            queues.requests.resume([]);
            queues.issuers.resume([]);
            queues.orders.resume([]);
            queues.follow_up(follow_up);
            let waiting = [
                ("Certificates", queues.certificates.waiting()),
                ("CertificateRequests", queues.requests.waiting()),
                ("Issuers, ClusterIssuers", queues.issuers.waiting()),
                ("Orders", queues.orders.waiting()),
            ];
            for (name, waiting) in waiting {
                assert_eq!(waiting, usize::from(name == queue), "{what}: {name}");
            }
            let row = format!("| {what} | {queue} | {which} |\n");
            assert!(map.contains(&row), "docs/architecture.md should have:\n{row}");
        }
    }
}
