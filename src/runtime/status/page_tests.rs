use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use proptest::prelude::*;

use super::*;
use crate::plan::overview::{Counts, Day, IssuerName};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Python's parser, which names what is wrong with a page (tests/oracle/page.py).
struct Parser {
    python: Child,
    answers: BufReader<ChildStdout>,
}

impl Parser {
    fn start() -> Self {
        let mut python = Command::new("python3")
            .args(["-c", include_str!("../../../tests/oracle/page.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed for this test");
        let answers = BufReader::new(python.stdout.take().unwrap());
        Self { python, answers }
    }

    fn faults(&mut self, page: &str, texts: &[String]) -> Vec<String> {
        let given = serde_json::json!({ "page": page, "texts": texts });
        writeln!(self.python.stdin.as_mut().unwrap(), "{given}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).expect("the parser answers")
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // it ends where its input does
        drop(self.python.stdin.take());
        drop(self.python.wait());
    }
}

fn entry(words: &str, issuer: &IssuerName) -> Entry {
    Entry {
        urgency: Urgency::Failing,
        kind: "Certificate",
        namespace: Arc::from(words),
        name: Arc::from(words),
        reason: words.to_owned(),
        sentence: words.to_owned(),
        issuer: Some(issuer.clone()),
        since: Some(NOW),
        not_after: Some(NOW),
        renewal_time: Some(NOW),
        next_attempt_time: Some(NOW),
        failed_issuance_attempts: Some(1),
    }
}

/// An overview that has these words wherever words of others are.
fn everywhere(words: &str) -> Overview {
    let text = || words.to_owned();
    let shared = || Arc::<str>::from(words);
    let issuer = IssuerName {
        kind: text(),
        group: text(),
        name: text(),
    };
    Overview {
        time: NOW,
        namespace: Some(text()),
        well: false,
        counts: Counts {
            certificates: 1,
            ..Counts::default()
        },
        problems: vec![entry(words, &issuer)],
        renewals: vec![Renewal {
            namespace: shared(),
            name: shared(),
            renewal_time: NOW,
            not_after: Some(NOW),
            issuer: issuer.clone(),
        }],
        schedule: vec![Day {
            date: jiff::civil::date(1970, 1, 1),
            renewals: 1,
        }],
        issuers: vec![IssuerEntry {
            kind: "Issuer",
            namespace: shared(),
            name: shared(),
            type_: Some("acme"),
            ready: false,
            reason: text(),
            sentence: text(),
            warnings: vec![text()],
            server: Some(text()),
            account: Some(text()),
            limited_until: Some(NOW),
            limit: Some(text()),
            since: Some(NOW),
            certificates: 1,
            certificates_not_well: 1,
            orders: 1,
        }],
        orders: vec![OrderEntry {
            namespace: shared(),
            name: shared(),
            certificate: Some(text()),
            names: vec![text()],
            state: Some(text()),
            sentence: text(),
            issuer: issuer.clone(),
            since: NOW,
            next_attempt_time: Some(NOW),
        }],
        challenges: vec![ChallengeEntry {
            namespace: shared(),
            name: shared(),
            order: Some(text()),
            dns_name: text(),
            type_: text(),
            state: Some(text()),
            presented: true,
            sentence: text(),
            issuer,
            since: NOW,
        }],
        incomplete: vec![text()],
    }
}

fn page(overview: &Overview, role: Role) -> String {
    let controller = ControllerState {
        pod: overview.namespace.clone(),
        role,
    };
    Page {
        overview,
        controller: Some(&controller),
    }
    .html()
}

/// The words as a reader sees them: in sentences on one line, in names as they are, both without hidden characters.
fn visible(words: &str) -> Vec<String> {
    vec![short(words), text::lines(words).into_owned()]
}

const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "<!-- ",
    "]]><?php",
    "&lt;b&gt; &amp;lt; &#x3c;script&#x3e;",
    "<a href=javascript:alert(1)>",
    "good\u{1b}[8m\u{202e}gpj\u{200b}\u{0}",
    "{{ 7 * 7 }} ${7*7} (text)",
    "<base href=//evil.example><meta http-equiv=refresh content=0>",
];

#[test]
fn hostile_words_are_text_to_a_foreign_parser_wherever_they_stand() {
    let mut parser = Parser::start();
    for words in HOSTILE {
        for role in [
            Role::Standby(words.to_owned()),
            Role::Leader {
                slots_used: 1,
                slots_waiting: 2,
                slots: 60,
            },
        ] {
            let page = page(&everywhere(words), role);
            assert_eq!(parser.faults(&page, &visible(words)), [""; 0], "{words}");
            assert!(!page.contains(|character| text::is_hidden(character) && character != '\n'));
        }
    }
}

/// One for all cases of the property.
static PARSER: LazyLock<Mutex<Parser>> = LazyLock::new(|| Mutex::new(Parser::start()));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_words_become_markup(words in "[<>&\"'/=!a-z\\-\\[\\]`;# \\PC]{0,40}") {
        let page = page(&everywhere(&words), Role::Standby(words.clone()));
        let mut parser = PARSER.lock().unwrap_or_else(PoisonError::into_inner);
        prop_assert_eq!(parser.faults(&page, &visible(&words)), [""; 0]);
    }
}

#[test]
fn a_page_is_bounded() {
    let mut overview = everywhere("a");
    let (problem, issuer) = (overview.problems.remove(0), overview.issuers.remove(0));
    let long = Entry {
        sentence: "x".repeat(100_000),
        ..problem
    };
    overview.problems = std::iter::repeat_n(long, 20_000).collect();
    overview.issuers = std::iter::repeat_n(issuer, 20_000).collect();
    let page = page(&overview, Role::Standby(String::new()));
    assert!(page.len() < 2_000_000, "{}", page.len());
    assert!(page.contains("and 19500 more"));
}

#[test]
fn the_policy_allows_the_style_sheet_and_nothing_else() {
    let header = policy(true);
    assert!(header.starts_with("default-src 'none'; style-src 'sha256-"), "{header}");
    assert!(header.ends_with("frame-ancestors 'none'"), "{header}");
    assert!(!header.contains("unsafe") && !header.contains("http"), "{header}");
}
