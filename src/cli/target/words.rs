//! The cluster of a command line that is not complete yet, for completions.

use super::Target;

impl Target {
    /// The flags of this kind among the words of a command line. Words that cannot be read are skipped.
    pub(in crate::cli) fn of_words(words: &[String]) -> Self {
        let mut target = Self::default();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (flag, joined) = match word.split_once('=') {
                Some((flag, value)) if flag.starts_with('-') => (flag, Some(value)),
                _ => match word.strip_prefix("-n").filter(|value| !value.is_empty()) {
                    Some(value) if !word.starts_with("--") => ("-n", Some(value)),
                    _ => (word, None),
                },
            };
            // bash splits --flag=value into three words
            let mut value = || match joined.or_else(|| words.next()) {
                Some("=") if joined.is_none() => words.next(),
                value => value,
            };
            let field = match flag {
                "-n" | "--namespace" => &mut target.namespace,
                "--kubeconfig" => &mut target.kubeconfig,
                "--context" => &mut target.context,
                "--cluster" => &mut target.cluster,
                "--user" => &mut target.user,
                "--as" => &mut target.impersonate,
                "--as-group" => {
                    let group = value().filter(|group| !group.is_empty());
                    target.as_group.extend(group.map(str::to_owned));
                    continue;
                }
                _ => continue,
            };
            if let Some(value) = value().filter(|value| !value.is_empty()) {
                *field = Some(value.to_owned());
            }
        }
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Target {
        Target::of_words(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_found_in_each_form_and_the_last_one_counts() {
        for line in [
            "renew -n shop --context there",
            "renew -nshop --context=there",
            "renew --namespace=old -n shop x --context there",
            "renew --namespace shop --context there w",
            "renew --namespace = shop --context = there w",
        ] {
            let target = read(line);
            assert_eq!(
                (target.namespace.as_deref(), target.context.as_deref()),
                (Some("shop"), Some("there")),
                "{line}"
            );
        }
        assert_eq!(read("renew web -n"), Target::default());
        assert_eq!(read("renew web --namespace ="), Target::default());
        let groups = read("renew --as-group=a --as-group b --as-group = c").as_group;
        assert_eq!(groups, ["a", "b", "c"]);
    }
}
