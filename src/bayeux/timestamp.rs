//! The *timestamp* extension: a field of the message itself, beside `ext`.
//!
//! Whoever puts a `timestamp` into a request, whatever is in it, gets one in the reply, as the CometD server writes it:
//! `Tue Nov 14 22:13:20 GMT 2023`. Events carry none: they are encoded once for all who read them, and those of a chat say
//! by themselves when they happened.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::clock::Wall;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// When a reply was written.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp(pub Wall);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.0 / 1000;
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        let weekday = DAYS[usize::try_from(days % 7).unwrap_or(0)];
        let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} GMT {year}"
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day, so many days after the first of January 1970. Counted in years that begin in March, so that the
/// leap day is the last; 400 of them have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march_based = (5 * day + 2) / 153;
    let day = day - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 {
        march_based + 3
    } else {
        march_based - 9
    };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_cometd_server_writes_them() {
        let written = |seconds: u64| Timestamp(Wall(seconds * 1000 + 999)).to_string();
        assert_eq!(written(0), "Thu Jan 01 00:00:00 GMT 1970");
        assert_eq!(written(951_782_399), "Mon Feb 28 23:59:59 GMT 2000");
        assert_eq!(written(951_782_400), "Tue Feb 29 00:00:00 GMT 2000");
        assert_eq!(written(951_868_800), "Wed Mar 01 00:00:00 GMT 2000");
        assert_eq!(written(1_700_000_000), "Tue Nov 14 22:13:20 GMT 2023");
        assert_eq!(written(4_107_542_399), "Sun Feb 28 23:59:59 GMT 2100");
        assert_eq!(written(4_107_542_400), "Mon Mar 01 00:00:00 GMT 2100");
    }
}
