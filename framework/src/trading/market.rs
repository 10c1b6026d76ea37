//! The markets whose hours are known.

use std::fmt;

use chrono::{NaiveTime, Weekday};
use chrono_tz::Tz;

use super::session::Session;

/// A market: one clock, one calendar, one plan of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Market {
    /// National Stock Exchange of India, Asia/Kolkata.
    Nse,
    /// The stock exchanges of the United States, America/New_York.
    Us,
}

/// One session of a day, from its start to just before its end, in the market's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionHours {
    /// Which session.
    pub session: Session,
    /// The first instant that belongs to it.
    pub start: NaiveTime,
    /// The first instant that no longer does.
    pub end: NaiveTime,
}

const NSE_DAY: [SessionHours; 3] = [
    hours(Session::PreOpen, (9, 0), (9, 15)),
    hours(Session::Regular, (9, 15), (15, 30)),
    hours(Session::Closing, (15, 40), (16, 0)),
];
const US_DAY: [SessionHours; 1] = [hours(Session::Regular, (9, 30), (16, 0))];

impl Market {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Nse, Self::Us];

    /// The market's clock.
    #[must_use]
    pub const fn time_zone(self) -> Tz {
        match self {
            Self::Nse => Tz::Asia__Kolkata,
            Self::Us => Tz::America__New_York,
        }
    }

    /// The sessions of an ordinary day, in order.
    #[must_use]
    pub const fn ordinary_day(self) -> &'static [SessionHours] {
        match self {
            Self::Nse => &NSE_DAY,
            Self::Us => &US_DAY,
        }
    }

    /// Whether the market is shut on `weekday`, whatever the calendar's holidays.
    #[must_use]
    pub const fn is_weekend(self, weekday: Weekday) -> bool {
        matches!(weekday, Weekday::Sat | Weekday::Sun)
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nse => "NSE",
            Self::Us => "US",
        })
    }
}

const fn hours(session: Session, start: (u32, u32), end: (u32, u32)) -> SessionHours {
    SessionHours { session, start: clock(start), end: clock(end) }
}

const fn clock((hour, minute): (u32, u32)) -> NaiveTime {
    match NaiveTime::from_hms_opt(hour, minute, 0) {
        Some(time) => time,
        None => panic!("a time of the day"),
    }
}
