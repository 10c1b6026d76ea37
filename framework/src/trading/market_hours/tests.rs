//! Hours of real days, and laws that hold at every instant.

use chrono::Duration;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn the_day_of_the_nse_has_three_sessions_with_half_open_ends() {
    let nse = MarketHours::of(Market::Nse);
    for (time, session) in [
        ("08:59:59.999", Session::Closed),
        ("09:00:00", Session::PreOpen),
        ("09:14:59.999", Session::PreOpen),
        ("09:15:00", Session::Regular),
        ("15:29:59.999", Session::Regular),
        ("15:30:00", Session::Closed),
        ("15:39:59.999", Session::Closed),
        ("15:40:00", Session::Closing),
        ("15:59:59.999", Session::Closing),
        ("16:00:00", Session::Closed),
    ] {
        assert_eq!(nse.status(at(&format!("2019-07-09T{time}+05:30"))), session, "{time}");
    }
}

#[test]
fn the_day_of_the_us_follows_its_clock_in_summer_and_winter() {
    let us = MarketHours::of(Market::Us);
    for (time, session) in [
        ("2013-10-07T13:29:59.999Z", Session::Closed),
        ("2013-10-07T13:30:00Z", Session::Regular),
        ("2013-10-07T19:59:59.999Z", Session::Regular),
        ("2013-10-07T20:00:00Z", Session::Closed),
        ("2013-12-02T14:29:59Z", Session::Closed),
        ("2013-12-02T14:30:00Z", Session::Regular),
        ("2013-12-02T20:59:59Z", Session::Regular),
        ("2013-12-02T21:00:00Z", Session::Closed),
    ] {
        assert_eq!(us.status(at(time)), session, "{time}");
    }
}

#[test]
fn weekends_and_holidays_are_shut_and_special_sessions_open() {
    let nse = MarketHours::of(Market::Nse);
    assert_eq!(nse.status(at("2019-07-13T12:00:00+05:30")), Session::Closed);
    assert_eq!(nse.status(at("2019-03-21T12:00:00+05:30")), Session::Closed);
    assert_eq!(nse.status(at("2019-10-27T12:00:00+05:30")), Session::Closed);
    assert_eq!(nse.status(at("2019-10-27T18:15:00+05:30")), Session::Regular);
    let us = MarketHours::of(Market::Us);
    assert_eq!(us.status(at("2013-11-29T12:59:59-05:00")), Session::Regular);
    assert_eq!(us.status(at("2013-11-29T13:00:00-05:00")), Session::Closed);
}

#[test]
fn the_next_open_and_close_pass_over_weekends_holidays_and_clock_changes() {
    let us = MarketHours::of(Market::Us);
    let during = at("2013-10-07T13:30:00Z");
    assert_eq!(us.next_open(during), Some(at("2013-10-08T13:30:00Z")));
    assert_eq!(us.next_close(during), Some(at("2013-10-07T20:00:00Z")));
    assert_eq!(us.next_open(at("2013-11-01T21:00:00Z")), Some(at("2013-11-04T14:30:00Z")));
    assert_eq!(us.next_close(at("2013-11-27T21:00:00Z")), Some(at("2013-11-29T18:00:00Z")));
    let nse = MarketHours::of(Market::Nse);
    assert_eq!(nse.next_open(at("2019-10-25T20:00:00+05:30")), Some(at("2019-10-27T18:15:00+05:30")));
    assert_eq!(nse.next_open(at("2019-10-27T20:00:00+05:30")), Some(at("2019-10-29T09:15:00+05:30")));
}

#[test]
fn the_market_day_is_the_date_on_the_markets_clock() {
    let late = at("2013-10-08T01:00:00Z");
    assert_eq!(MarketHours::of(Market::Us).market_day(late).to_string(), "2013-10-07");
    assert_eq!(MarketHours::of(Market::Nse).market_day(late).to_string(), "2013-10-08");
}

#[test]
fn the_embedded_calendars_cover_their_years() {
    assert!(MarketHours::of(Market::Nse).calendar().covers(2019));
    assert!(MarketHours::of(Market::Us).calendar().covers(2013));
}

proptest! {
    /// 2012 to 2020, in milliseconds.
    #[test]
    fn open_and_close_are_the_edges_of_the_regular_session(
        millis in 1_325_376_000_000_i64..1_577_836_800_000,
        us in any::<bool>(),
    ) {
        let hours = MarketHours::of(if us { Market::Us } else { Market::Nse });
        let instant = DateTime::from_timestamp_millis(millis).unwrap();
        let (open, close) = (hours.next_open(instant).unwrap(), hours.next_close(instant).unwrap());
        let tick = Duration::milliseconds(1);
        prop_assert!(open > instant && close > instant);
        prop_assert!(hours.is_regular(open) && !hours.is_regular(open - tick));
        prop_assert!(!hours.is_regular(close) && hours.is_regular(close - tick));
        // In a session the close comes first; outside the open does.
        prop_assert_eq!(hours.is_regular(instant), close < open);
    }

    #[test]
    fn nothing_trades_on_a_weekend_without_a_special_session(
        millis in 1_325_376_000_000_i64..1_577_836_800_000,
        us in any::<bool>(),
    ) {
        let hours = MarketHours::of(if us { Market::Us } else { Market::Nse });
        let instant = DateTime::from_timestamp_millis(millis).unwrap();
        let day = hours.market_day(instant);
        if hours.market().is_weekend(day.weekday()) && hours.calendar().special_day(day).is_none() {
            prop_assert_eq!(hours.status(instant), Session::Closed);
        }
    }
}
