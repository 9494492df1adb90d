//! The flags of a command line whose value is not the default, for the log.

use clap::{Args, Command, parser::ValueSource};

/// Of a command with these arguments: each flag once, in the order of `--help`, as `--flag=value`. The user and password of a URL are omitted.
pub(in crate::cli) fn differing<A: Args>(flags: &[String]) -> Vec<String> {
    let command = A::augment_args(Command::new("certlet").no_binary_name(true));
    let Ok(matches) = command.clone().try_get_matches_from(flags) else {
        return Vec::new(); // it was parsed before
    };
    let differs = |argument: &clap::Arg| {
        let id = argument.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            return None;
        }
        let joined = |values: Vec<String>| values.join(",");
        let given = matches
            .get_raw(id)?
            .map(|value| {
                let value = value.to_string_lossy();
                joined(value.split(',').map(without_password).collect())
            })
            .collect();
        let default = argument.get_default_values().iter();
        let default = joined(default.map(|value| value.to_string_lossy().into_owned()).collect());
        let given = joined(given);
        (given != default).then(|| format!("--{}={given}", argument.get_long().unwrap_or(id)))
    };
    command.get_arguments().filter_map(differs).collect()
}

/// A URL without its user information; any other text unchanged.
fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::RunArgs, differing};

    fn of(flags: &[&str]) -> Vec<String> {
        differing::<RunArgs>(&flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_flag_with_its_default_is_not_named() {
        assert_eq!(of(&[]), Vec::<String>::new());
        assert_eq!(
            of(&["--v=2", "--namespace=", "--leader-elect=true"]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn flags_are_named_once_with_the_value_that_counts_and_lists_whole() {
        let flags = [
            "--namespace=a",
            "--namespace=b",
            "--leader-elect=false",
            "-v4",
            "--feature-gates=ACMEUseARI=false",
            "--controllers=*,-ingress-shim",
        ];
        let found = of(&flags);
        for flag in [
            "--namespace=b",
            "--leader-elect=false",
            "--v=4",
            "--feature-gates=ACMEUseARI=false",
            "--controllers=*,-ingress-shim",
        ] {
            assert!(found.iter().any(|found| found == flag), "no {flag} in {found:?}");
        }
        assert_eq!(found.len(), 5, "{found:?}");
    }

    #[test]
    fn the_password_in_a_url_is_not_logged() {
        assert_eq!(
            of(&["--dns01-recursive-nameservers=https://u:p@a.example/dns-query,https://u:p@b.example"]),
            ["--dns01-recursive-nameservers=https://a.example/dns-query,https://b.example"]
        );
        assert_eq!(
            of(&["--master=https://admin:secret@api.example:6443/a@b"]),
            ["--master=https://api.example:6443/a@b"]
        );
    }
}
