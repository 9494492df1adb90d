use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> GoDuration {
    text.parse().expect(text)
}

fn refused(text: &str) -> String {
    text.parse::<GoDuration>().expect_err(text).to_string()
}

#[test]
fn durations_are_written_as_go_writes_them() {
    let written = [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (7_776_000_000_000_000, "2160h0m0s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ];
    for (nanoseconds, text) in written {
        assert_eq!(GoDuration::from_nanoseconds(nanoseconds).to_string(), text);
        assert_eq!(parsed(text).as_nanoseconds(), nanoseconds);
    }
}

#[test]
fn durations_are_read_as_go_reads_them() {
    let read = [
        ("0", 0),
        ("+5s", 5_000_000_000),
        ("-5s", -5_000_000_000),
        ("5.0s", 5_000_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("3h1h", 14_400_000_000_000),
        ("12µs", 12_000),
        ("12μs", 12_000),
        ("12us", 12_000),
        ("0.9223372036854775807h", 3_320_413_933_267),
        ("1.00002s", 1_000_020_000),
        ("0.100000000000000000000h", 360_000_000_000),
        ("-9223372036854775808ns", i64::MIN),
    ];
    for (text, nanoseconds) in read {
        assert_eq!(parsed(text).as_nanoseconds(), nanoseconds, "{text}");
    }
}

#[test]
fn days_are_refused_with_the_hours_to_write() {
    assert_eq!(
        refused("90d"),
        r#""90d" is not a duration: there is no unit "d"; write 2160h"#
    );
    assert!(refused("1mo").contains("write hours, minutes and seconds"));
}

#[test]
fn what_go_refuses_is_refused() {
    for text in [
        "",
        "3",
        "-",
        "s",
        ".",
        "-.",
        ".s",
        "+.s",
        "1d",
        "\u{85}\u{85}",
        "h1",
        "1h 2m",
        "--1s",
        "1..5s",
    ] {
        refused(text);
    }
    for text in [
        "9223372036854775808ns",
        "9223372036854775.808us",
        "-9223372036854775809ns",
        "3000000h",
    ] {
        assert!(refused(text).contains("too long"), "{text}");
    }
}

proptest! {
    #[test]
    fn every_duration_survives_writing_and_reading(nanoseconds: i64) {
        let duration = GoDuration::from_nanoseconds(nanoseconds);
        prop_assert_eq!(parsed(&duration.to_string()), duration);
    }

    #[test]
    fn a_text_is_refused_or_survives_being_written_and_read(text in "[-+]?[0-9.hmsnuµd ]{0,24}") {
        if let Ok(duration) = text.parse::<GoDuration>() {
            prop_assert_eq!(parsed(&duration.to_string()), duration);
        }
    }
}
