//! Parser for one line of comma-separated values with quotes, as Go's `encoding/csv` reads it (ANN-10).

/// The values of one line: `"10 Downing Street, Westminster",Manchester` has two.
///
/// # Errors
/// A sentence, if quotes are not paired, the text has more than one line, or is empty.
pub(super) fn split(line: &str) -> Result<Vec<String>, String> {
    let line = line
        .strip_suffix('\n')
        .map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err("it contains no value".to_owned());
    }
    let mut values = Vec::new();
    let mut rest = line;
    loop {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted)?,
            None => plain_value(rest)?,
        };
        values.push(value);
        match after {
            Some(after) => rest = after,
            None => return Ok(values),
        }
    }
}

/// An unquoted value, and the rest after its comma.
fn plain_value(text: &str) -> Result<(String, Option<&str>), String> {
    let (value, after) = match text.split_once(',') {
        Some((value, after)) => (value, Some(after)),
        None => (text, None),
    };
    if value.contains('"') {
        return Err(format!(
            "the value {value:?} contains a quote: quote the whole value and double the quotes inside"
        ));
    }
    if value.contains('\n') {
        return Err("it has more than one line".to_owned());
    }
    Ok((value.to_owned(), after))
}

/// A value after its opening quote, and the rest after its comma.
fn quoted_value(text: &str) -> Result<(String, Option<&str>), String> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err("a quote is not closed".to_owned());
        };
        value.push_str(part);
        if let Some(after) = after.strip_prefix('"') {
            value.push('"');
            rest = after;
        } else if let Some(after) = after.strip_prefix(',') {
            return Ok((value, Some(after)));
        } else if after.is_empty() {
            return Ok((value, None));
        } else {
            return Err(format!("the quoted value {value:?} is not followed by a comma"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn commas_inside_quotes_belong_to_the_value() {
        let values = split(r#""10 Downing Street, Westminster",Manchester"#).unwrap();
        assert_eq!(values, ["10 Downing Street, Westminster", "Manchester"]);
    }

    #[test]
    fn spaces_are_kept_and_doubled_quotes_are_one() {
        assert_eq!(split(r#"a, b,"c ""d""""#).unwrap(), ["a", " b", r#"c "d""#]);
    }

    #[test]
    fn empty_values_count() {
        assert_eq!(split("a,,b,").unwrap(), ["a", "", "b", ""]);
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in ["", "a\"b", "\"open", "\"a\"b,c", "a\nb"] {
            assert!(split(text).is_err(), "{text:?}");
        }
    }
}
