//! Text from elsewhere, made fit for a condition, an Event, a log line or a terminal.
//!
//! What a CA, a tenant or a network writes can move the cursor, forge a line of a log, or turn the order of letters around.
//! Everything that is shown goes through here: there is no second list of such characters.

/// How many characters of a text from elsewhere are shown.
pub const MOST_CHARACTERS: usize = 300;

/// One line of at most [`MOST_CHARACTERS`] characters.
pub fn printable(text: &str) -> String {
    printable_within(text, MOST_CHARACTERS)
}

/// One line of at most `most` characters, and `…` where there was more.
///
/// A line break or tab becomes a space, every other character that [`is_printable`] refuses becomes U+FFFD: that something
/// was there stays visible.
pub fn printable_within(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let mut line: String = characters.by_ref().take(most).map(shown).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// Whether a character shows itself and nothing else: no control character (C0, C1), no line or paragraph separator, no mark
/// that changes the direction of text, none that is invisible.
pub fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn shown(character: char) -> char {
    match character {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        character if is_printable(character) => character,
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_moves_hides_or_turns_text_is_replaced_and_the_rest_stays() {
        assert_eq!(
            printable("for a.example\nlevel=error\r\n"),
            "for a.example level=error  "
        );
        assert_eq!(printable("\u{1b}[8mb\u{9b}0m\u{7}"), "\u{fffd}[8mb\u{fffd}0m\u{fffd}");
        assert_eq!(
            printable("user\u{202e}txt.exe\u{2066}x\u{200b}"),
            "user\u{fffd}txt.exe\u{fffd}x\u{fffd}"
        );
        let kept = "Größe 10 €, 証明書, שלום, 👍";
        assert_eq!(printable(kept), kept);
    }

    #[test]
    fn a_long_text_ends_with_an_ellipsis() {
        let long = "ä".repeat(MOST_CHARACTERS + 1);
        assert_eq!(printable(&long), format!("{}…", "ä".repeat(MOST_CHARACTERS)));
        assert_eq!(printable(&"ä".repeat(MOST_CHARACTERS)).chars().count(), MOST_CHARACTERS);
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_bounded_line_of_visible_characters(text in any::<String>(), most in 0_usize..50) {
            let line = printable_within(&text, most);
            prop_assert!(line.chars().count() <= most + 1 && line.chars().all(is_printable));
            prop_assert_eq!(printable_within(&line, most + 1), line);
        }
    }
}
