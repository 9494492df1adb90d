//! The name and zone of the TXT record of an identifier, CNAMEs followed (DNS-01, RFC 8555 section 8.4).

use std::fmt;

use crate::{
    api::dns01::CnameStrategy,
    dns::{Recursive, parse_name, shown},
};

/// The longest chain of CNAMEs that is followed.
const LONGEST_CHAIN: usize = 8;

/// Where a TXT record is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its name.
    pub name: String,
    /// The zone that it is in.
    pub zone: String,
}

/// As the Challenge names it: the name, a blank, the zone.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.zone)
    }
}

impl Target {
    /// Parses the text that a Challenge has. `None` if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, zone) = text.split_once(' ')?;
        let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
        (is_name(name) && is_name(zone)).then(|| Self {
            name: name.to_owned(),
            zone: zone.to_owned(),
        })
    }
}

/// The name that a CA asks for the TXT record of an identifier.
pub(crate) fn challenge_name(identifier: &str) -> String {
    format!(
        "_acme-challenge.{}",
        identifier.trim_end_matches('.').to_ascii_lowercase()
    )
}

/// The name of the record that proves `identifier`: that which the CA asks for, or what its CNAME leads to.
///
/// # Errors
/// Why there is none, as a sentence.
pub(crate) async fn name(dns: &Recursive, identifier: &str, strategy: CnameStrategy) -> Result<String, String> {
    let asked = challenge_name(identifier);
    let chain = chain(dns, &asked).await?;
    let Some((first, last)) = chain.first().zip(chain.last()) else {
        return Ok(asked);
    };
    // a wildcard answers for every name that does not exist (RFC 4592); a record at the name itself takes its place
    let sibling = format!("certlet-{:016x}.{}", fastrand::u64(..), parent(&asked));
    if cname(dns, &sibling).await?.as_ref() == Some(first) {
        return Ok(asked);
    }
    match strategy {
        CnameStrategy::Follow => Ok(last.clone()),
        CnameStrategy::None => Err(format!(
            "there is a CNAME from {asked} to {first}, and a TXT record beside a CNAME is never found: set cnameStrategy: Follow in \
             the solver, or remove the CNAME"
        )),
    }
}

/// The name that a CA finds the record at now that it asks for: CNAMEs are followed, whatever the strategy is (DNS-11).
///
/// # Errors
/// Why that is not known, as a sentence.
pub(crate) async fn found_at(dns: &Recursive, asked: &str) -> Result<String, String> {
    let chain = chain(dns, asked).await?;
    Ok(chain.last().cloned().unwrap_or_else(|| asked.to_owned()))
}

/// The names that the CNAME of a name leads to, in their order; none without a CNAME.
async fn chain(dns: &Recursive, name: &str) -> Result<Vec<String>, String> {
    let mut chain: Vec<String> = Vec::new();
    loop {
        let current = chain.last().map_or(name, String::as_str);
        let Some(next) = cname(dns, current).await? else {
            return Ok(chain);
        };
        let is_loop = next == name || chain.contains(&next);
        chain.push(next);
        if is_loop || chain.len() > LONGEST_CHAIN {
            let what = if is_loop { "is a loop" } else { "is too long" };
            return Err(format!(
                "the chain of CNAMEs from {name} {what}: {}",
                chain.join(" -> ")
            ));
        }
    }
}

/// The zone that a name is in.
///
/// # Errors
/// Why none is found, as a sentence.
pub(crate) async fn zone(dns: &Recursive, name: &str) -> Result<String, String> {
    let parsed = parse_name(name).map_err(|error| error.to_string())?;
    match dns.zone_of(&parsed).await {
        Ok(zone) => Ok(shown(&zone.name)),
        Err(error) => Err(format!(
            "no zone is found for {name}: {error}; check the name, and --dns01-recursive-nameservers if it is in a private zone"
        )),
    }
}

async fn cname(dns: &Recursive, name: &str) -> Result<Option<String>, String> {
    let parsed = parse_name(name).map_err(|error| error.to_string())?;
    let found = dns.cname(&parsed).await;
    let found = found.map_err(|error| format!("the CNAME of {name} cannot be looked up: {error}"))?;
    Ok(found.map(|target| shown(&target)))
}

/// A name and the names above it, without the root.
pub(super) fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent))
}

fn parent(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, parent)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_from_the_text_that_it_writes() {
        let target = Target {
            name: "_acme-challenge.a.example".to_owned(),
            zone: "example".to_owned(),
        };
        assert_eq!(target.to_string(), "_acme-challenge.a.example example");
        assert_eq!(Target::parse(&target.to_string()), Some(target));
        for wrong in ["", " ", "a", "a ", " a", "a b c", "a\tb"] {
            assert_eq!(Target::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_name_that_a_ca_asks_for_has_small_letters_and_no_final_dot() {
        assert_eq!(challenge_name("WWW.Example.com."), "_acme-challenge.www.example.com");
    }
}
