//! The drawing of the renewals ahead: one bar for each day.

use maud::{Markup, html};

use crate::plan::overview::Day;

/// Width of a day, of which the bar takes [`BAR`].
const DAY: usize = 10;
const BAR: usize = 7;
/// Height of the drawing.
const HEIGHT: usize = 100;
/// Least height of a bar, so that one renewal beside a thousand is visible.
const LEAST: usize = 3;

/// The bars, with the number and the date of each as its title.
pub(super) fn drawing(days: &[Day]) -> Markup {
    let most = days.iter().map(|day| day.renewals).max().unwrap_or_default();
    let total: usize = days.iter().map(|day| day.renewals).sum();
    let width = days.len() * DAY;
    let label = format!("{total} renewals within {} days, at most {most} on one day", days.len());
    let bars = days.iter().enumerate().filter(|(_, day)| day.renewals > 0);
    html! {
        figure {
            svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
                line x1="0" y1=(HEIGHT) x2=(width) y2=(HEIGHT) stroke-width="1" vector-effect="non-scaling-stroke" {}
                @for (place, day) in bars {
                    @let height = (day.renewals * HEIGHT / most.max(1)).max(LEAST);
                    rect class=[(place == 0).then_some("today")] x=(place * DAY) y=(HEIGHT - height) width=(BAR) height=(height) {
                        title { (day.date) ": " (day.renewals) }
                    }
                }
            }
            div class="axis" aria-hidden="true" {
                @for day in days.iter().step_by(30) {
                    span { (day.date.strftime("%-d %b")) }
                }
                @if let Some(last) = days.last() {
                    span { (last.date.strftime("%-d %b")) }
                }
            }
            figcaption {
                (total) " renewal" (plural(total)) " within " (days.len()) " days"
                @if most > 0 { ", at most " (most) " on one day" }
                "; days begin at 00:00 UTC."
            }
        }
    }
}

/// `s` unless there is one.
pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
