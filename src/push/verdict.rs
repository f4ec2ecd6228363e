//! What an answer, or the lack of one, means for a delivery: contract §3, *transport retry*.

use std::time::Duration;

use crate::clock::Wall;

/// How one attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered with this status.
    Status {
        /// 100–599.
        code: u16,
        /// Its `Retry-After`, see [`retry_after`].
        retry_after: Option<Duration>,
    },
    /// No connection: refused, no route, no such name, a certificate that is not trusted.
    NotConnected,
    /// No answer in time.
    TimedOut,
    /// The connection broke before there was an answer.
    Broken,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// Another attempt may succeed.
    RetryLater {
        /// Not before this time has passed.
        retry_after: Option<Duration>,
    },
    /// Another attempt would not.
    Dead,
    /// 410: nothing is to be sent there any more.
    DisableDestination,
}

/// The meaning of an answer. A 2xx counts by its status, whatever its body.
pub fn classify(answer: Answer) -> Verdict {
    match answer {
        Answer::NotConnected | Answer::TimedOut | Answer::Broken => {
            Verdict::RetryLater { retry_after: None }
        }
        Answer::Status { code, retry_after } => match code {
            200..=299 => Verdict::Delivered,
            410 => Verdict::DisableDestination,
            408 | 425 | 429 | 500..=599 => Verdict::RetryLater { retry_after },
            _ => Verdict::Dead,
        },
    }
}

impl Answer {
    /// In words, for a log and a dead letter.
    pub fn reason(self) -> String {
        match self {
            Answer::Status { code, .. } => format!("HTTP {code}"),
            Answer::NotConnected => "no connection".to_owned(),
            Answer::TimedOut => "timed out".to_owned(),
            Answer::Broken => "connection broken".to_owned(),
        }
    }

    /// The `status` of `parlor_push_attempts_total`.
    pub fn label(self) -> String {
        match self {
            Answer::Status { code, .. } => code.to_string(),
            Answer::NotConnected => "not-connected".to_owned(),
            Answer::TimedOut => "timeout".to_owned(),
            Answer::Broken => "broken".to_owned(),
        }
    }
}

/// The wait that a `Retry-After` asks for: seconds, or a date of RFC 9110 §5.6.7 in its preferred form. Bounded by a day,
/// so that a receiver cannot hold up a chat's deliveries for ever; anything else is as if it were absent.
pub fn retry_after(value: &str, now: Wall) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        Duration::from_millis((http_date(value)? * 1000).saturating_sub(now.0))
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<u64> {
    let (_, date) = text.split_once(", ")?;
    let parts: Vec<&str> = date.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().position(|name| name == month)?;
    let clock: Vec<u64> = time
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let &[hour, minute, second] = clock.as_slice() else {
        return None;
    };
    let (day, year) = (day.parse().ok()?, year.parse().ok()?);
    let valid = (1..=31).contains(&day)
        && (1970..=9999).contains(&year)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01 to this one of the Gregorian calendar; `month` from 0.
fn days(year: u64, month: usize, day: u64) -> u64 {
    // Leap days before this year, and the one of this year once February is over.
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969)
        + DAYS_BEFORE[month]
        + u64::from(is_leap && month > 1)
        + (day - 1)
}

const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_2xx_is_delivered() {
        for code in [200, 202, 204, 299] {
            assert_eq!(classify(status(code)), Verdict::Delivered, "{code}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let later = Verdict::RetryLater { retry_after: None };
        for code in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(classify(status(code)), later, "{code}");
        }
        for answer in [Answer::NotConnected, Answer::TimedOut, Answer::Broken] {
            assert_eq!(classify(answer), later, "{answer:?}");
        }
    }

    #[test]
    fn other_3xx_and_4xx_are_dead() {
        for code in [301, 302, 307, 308, 304, 400, 401, 403, 404, 409, 413, 422] {
            assert_eq!(classify(status(code)), Verdict::Dead, "{code}");
        }
    }

    #[test]
    fn gone_disables_the_destination() {
        assert_eq!(classify(status(410)), Verdict::DisableDestination);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_up_to_a_day() {
        let now = Wall(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT
        let asked = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked(" 7 "), Some(7));
        assert_eq!(asked("99999999999999999999"), Some(86_400));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(asked("Sun, 06 Nov 1994 08:40:00 GMT"), Some(0));
        assert_eq!(asked("Tue, 29 Feb 2028 00:00:00 GMT"), Some(86_400));
        for other in ["", "soon", "-1", "Sun, 99 Nov 1994 08:50:37 GMT", "1.5"] {
            assert_eq!(asked(other), None, "{other}");
        }
    }

    #[test]
    fn dates_count_their_leap_days() {
        let seconds = |text| http_date(text).map(|seconds| seconds / 86_400);
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Tue, 29 Feb 2000 00:00:00 GMT"), Some(11_016));
        assert_eq!(seconds("Wed, 01 Mar 2000 00:00:00 GMT"), Some(11_017));
        assert_eq!(seconds("Mon, 01 Mar 2100 00:00:00 GMT"), Some(47_541));
    }

    fn status(code: u16) -> Answer {
        Answer::Status {
            code,
            retry_after: None,
        }
    }
}
