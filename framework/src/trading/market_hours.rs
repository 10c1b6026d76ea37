//! When a market trades: what it does at an instant, when it opens next, when it closes next.
//!
//! All intervals are half-open: a session's start belongs to it, its end does not.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone, Utc};

use super::{
    calendar::{Calendar, SpecialDay},
    market::{Market, SessionHours},
    session::Session,
};

/// A market's plan of the day with its calendar.
#[derive(Debug, Clone)]
pub struct MarketHours {
    market: Market,
    calendar: Calendar,
}

static NSE: LazyLock<MarketHours> =
    LazyLock::new(|| embedded(Market::Nse, "nse-2019.txt", include_str!("calendars/nse-2019.txt")));
static US: LazyLock<MarketHours> =
    LazyLock::new(|| embedded(Market::Us, "us-2013.txt", include_str!("calendars/us-2013.txt")));

impl MarketHours {
    /// How far ahead an opening is looked for, in days; no market stays shut for so long.
    const HORIZON_DAYS: usize = 400;

    /// The hours of `market` with `calendar` for its holidays and special sessions.
    #[must_use]
    pub const fn new(market: Market, calendar: Calendar) -> Self {
        Self { market, calendar }
    }

    /// The hours of `market` with the calendars that this crate holds: NSE 2019, US 2013. Other years have
    /// weekends only.
    #[must_use]
    pub fn of(market: Market) -> &'static Self {
        match market {
            Market::Nse => &NSE,
            Market::Us => &US,
        }
    }

    /// The market.
    #[must_use]
    pub const fn market(&self) -> Market {
        self.market
    }

    /// The calendar.
    #[must_use]
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The date on the market's clock: the day that daily limits count by.
    #[must_use]
    pub fn market_day(&self, instant: DateTime<Utc>) -> NaiveDate {
        instant.with_timezone(&self.market.time_zone()).date_naive()
    }

    /// What the market does at `instant`.
    #[must_use]
    pub fn status(&self, instant: DateTime<Utc>) -> Session {
        let local = instant.with_timezone(&self.market.time_zone()).naive_local();
        let time = local.time();
        self.sessions(local.date())
            .find(|hours| hours.start <= time && time < hours.end)
            .map_or(Session::Closed, |hours| hours.session)
    }

    /// Whether `instant` is in the regular session.
    #[must_use]
    pub fn is_regular(&self, instant: DateTime<Utc>) -> bool {
        self.status(instant) == Session::Regular
    }

    /// The first start of a regular session after `instant`; none if there is none within 400 days.
    #[must_use]
    pub fn next_open(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_edge(instant, |hours| hours.start)
    }

    /// The first end of a regular session after `instant`; none if there is none within 400 days.
    #[must_use]
    pub fn next_close(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_edge(instant, |hours| hours.end)
    }

    fn next_edge(
        &self,
        instant: DateTime<Utc>,
        edge: impl Fn(&SessionHours) -> NaiveTime,
    ) -> Option<DateTime<Utc>> {
        self.market_day(instant)
            .iter_days()
            .take(Self::HORIZON_DAYS)
            .flat_map(|date| self.sessions(date).map(move |hours| (date, hours)))
            .filter(|(_, hours)| hours.session == Session::Regular)
            .filter_map(|(date, hours)| self.instant(date, edge(&hours)))
            .find(|at| *at > instant)
    }

    /// The sessions of `date`, in order.
    fn sessions(&self, date: NaiveDate) -> impl Iterator<Item = SessionHours> {
        let (ordinary, special) = match self.calendar.special_day(date) {
            Some(SpecialDay::Closed { .. }) => (&[][..], None),
            Some(SpecialDay::Regular { start, end, .. }) => {
                (&[][..], Some(SessionHours { session: Session::Regular, start: *start, end: *end }))
            }
            None if self.market.is_weekend(date.weekday()) => (&[][..], None),
            None => (self.market.ordinary_day(), None),
        };
        ordinary.iter().copied().chain(special)
    }

    /// The instant of a local time; where the clock shows it twice, the first.
    fn instant(&self, date: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
        let local = self.market.time_zone().from_local_datetime(&date.and_time(time));
        local.earliest().map(|instant| instant.to_utc())
    }
}

fn embedded(market: Market, file: &str, text: &str) -> MarketHours {
    let calendar = Calendar::parse(file, text).expect("the calendars of this crate are read by its tests");
    MarketHours::new(market, calendar)
}

#[cfg(test)]
mod tests;
