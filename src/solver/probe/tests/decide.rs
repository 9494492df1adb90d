use super::*;

fn place(redirects: usize) -> Place {
    Place {
        scheme: "http",
        host: Host::parse("demo.example").unwrap(),
        address: LOOPBACK,
        port: 80,
        redirects,
    }
}

fn unreachable() -> Finding {
    Finding::Connect {
        place: place(0),
        problem: ConnectProblem::TimedOut,
    }
}

fn not_served() -> Finding {
    Finding::Status {
        place: place(0),
        status: 404,
    }
}

fn evidence(responders: &[Finding], public: Finding, ingress: &[Finding]) -> Evidence {
    let socket = SocketAddr::new(LOOPBACK, 8089);
    Evidence {
        responders: responders.iter().map(|finding| (socket, finding.clone())).collect(),
        public,
        ingress: ingress.iter().map(|finding| (LOOPBACK, finding.clone())).collect(),
    }
}

#[test]
fn a_visible_challenge_is_told() {
    assert_eq!(
        decide(&evidence(&[Finding::Visible], Finding::Visible, &[])),
        Verdict::Accept
    );
    assert_eq!(decide(&evidence(&[], Finding::Visible, &[])), Verdict::Accept);
}

#[test]
fn one_replica_that_lags_holds_it_up() {
    let lagging = evidence(&[Finding::Visible, not_served()], Finding::Visible, &[Finding::Visible]);
    assert_eq!(decide(&lagging), Verdict::NotYet(not_served()));
}

#[test]
fn an_unreachable_public_address_leaves_it_to_the_ingress() {
    let hairpin = |ingress: &[Finding]| decide(&evidence(&[Finding::Visible], unreachable(), ingress));
    assert_eq!(hairpin(&[Finding::Visible, Finding::Visible]), Verdict::Accept);
    assert_eq!(
        hairpin(&[Finding::Visible, not_served()]),
        Verdict::NotYet(not_served())
    );
    assert_eq!(hairpin(&[]), Verdict::NotYet(unreachable()));
    assert_eq!(hairpin(&[unreachable()]), Verdict::NotYet(unreachable()));
}

#[test]
fn a_public_address_that_answers_wrongly_is_believed() {
    let answers = decide(&evidence(&[Finding::Visible], not_served(), &[Finding::Visible]));
    assert_eq!(answers, Verdict::NotYet(not_served()));
    let behind = Finding::Connect {
        place: place(1),
        problem: ConnectProblem::Refused,
    };
    let behind_a_redirect = decide(&evidence(&[], behind.clone(), &[Finding::Visible]));
    assert_eq!(behind_a_redirect, Verdict::NotYet(behind));
    let name = Finding::Name {
        host: Host::parse("demo.example").unwrap(),
        problem: NameProblem::DoesNotExist,
    };
    assert_eq!(
        decide(&evidence(&[], name.clone(), &[Finding::Visible])),
        Verdict::NotYet(name)
    );
}

#[test]
fn probes_are_dense_at_first_and_sparse_later() {
    let mut waited = Duration::ZERO;
    let mut probes = 0;
    while waited < Duration::from_secs(600) {
        let pause = retry_after(waited, &not_served());
        assert!(
            pause <= waited / 4 || pause == Duration::from_millis(50),
            "{waited:?}: {pause:?}"
        );
        waited += pause;
        probes += 1;
    }
    assert!(probes < 100, "{probes}");
    assert_eq!(retry_after(Duration::ZERO, &not_served()), Duration::from_millis(50));
    assert_eq!(retry_after(Duration::MAX, &not_served()), Duration::from_secs(10));
}

#[test]
fn a_name_that_does_not_resolve_is_not_asked_for_twenty_times_a_second() {
    let name = Finding::Name {
        host: Host::parse("demo.example").unwrap(),
        problem: NameProblem::DoesNotExist,
    };
    assert_eq!(retry_after(Duration::ZERO, &name), Duration::from_secs(1));
}
