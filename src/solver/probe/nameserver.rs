//! The DNS servers that an administrator names for the probe (FLG-12).

use super::ProbeError;
use crate::dns::Nameserver;

/// Parses the values of `--acme-http01-solver-nameservers`: `host:port`, as cert-manager takes them, or a host alone for port 53.
///
/// # Errors
/// If a value is neither; the sentence names it.
pub fn parse_nameservers<T: AsRef<str>>(values: &[T]) -> Result<Vec<Nameserver>, ProbeError> {
    let values = values
        .iter()
        .map(|value| value.as_ref().trim())
        .filter(|value| !value.is_empty());
    values
        .map(|value| Nameserver::parse(value).ok_or_else(|| ProbeError::Nameserver(value.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flg_12_servers_are_read_and_empty_values_are_not() {
        let named = |name: &str| Nameserver::Name(name.to_owned(), 53);
        assert_eq!(
            parse_nameservers(&["10.0.0.1:53", " ", "kube-dns.kube-system.svc."]).unwrap(),
            [
                Nameserver::Address("10.0.0.1:53".parse().unwrap()),
                named("kube-dns.kube-system.svc.")
            ]
        );
        let wrong = parse_nameservers(&["https://dns.example.com"]).unwrap_err();
        assert!(
            wrong.to_string().starts_with("--acme-http01-solver-nameservers: "),
            "{wrong}"
        );
    }
}
