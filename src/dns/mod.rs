//! The DNS wire: queries to one server, queries to recursive servers, and signed updates (RFC 2136, RFC 8945).
//!
//! | module | what it is |
//! |---|---|
//! | [`name`] | names: how they are read and shown |
//! | [`nameserver`] | a DNS server by address or name |
//! | `exchange` | one request and its response, over UDP or TCP |
//! | [`query`] | one question to one server, and its answer |
//! | [`recursive`] | recursive servers: zones, name servers, CNAMEs, TXT records |
//! | [`tsig`] | keys that sign updates, and verify the responses |
//! | [`update`] | changes of TXT records in a zone |
//!
//! Nothing here has a cache, and nothing repeats a request after it has failed: that is for the caller.

mod exchange;
#[cfg(test)]
mod fake;
pub mod name;
pub mod nameserver;
pub mod query;
pub mod recursive;
pub mod tsig;
pub mod update;

pub use exchange::{AskProblem, Transport};
pub use name::{InvalidName, parse_name, shown};
pub use nameserver::{Nameserver, PORT};
pub use query::{Answer, Data, Question, Record, ask, code_name};
pub use recursive::{InvalidServer, Recursive, RecursiveProblem, RecursiveServer, Texts, Zone};
pub use tsig::{Algorithm, InvalidKey, Key};
pub use update::{Change, Primary, TxtRecord, UpdateFault, UpdateFaultKind};

pub use hickory_proto::op::ResponseCode;
pub use hickory_proto::rr::{Name, RecordType};

/// Reads bytes as the answer to a query, and as the signed response to an update.
#[cfg(test)]
pub(crate) fn fuzz_answer(input: &[u8]) {
    let key = Key::new("key.example", "", b"c2VjcmV0").unwrap();
    if let Some(verified) = key.verify(&[], input) {
        assert!(!verified.valid, "a signature was guessed");
    }
    update::fuzz_response(&key, input);
    let Ok(answer) = Answer::from_bytes(input) else { return };
    assert!(!code_name(answer.code).is_empty() && answer.texts().all(|text| text.len() <= input.len()));
    for record in answer.answers.iter().chain(&answer.authorities) {
        assert!(!shown(&record.name).contains(crate::text::is_hidden));
        if let Data::Cname(target) | Data::Ns(target) = &record.data {
            assert!(!shown(target).contains(crate::text::is_hidden));
        }
    }
}
