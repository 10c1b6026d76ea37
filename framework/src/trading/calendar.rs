//! The days of a year on which a market keeps no ordinary hours: read from a plain text, one day a line.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, NaiveTime};
use thiserror::Error;

/// What a market does on a day that is not ordinary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecialDay {
    /// No session at all.
    Closed {
        /// Why: the holiday's name.
        name: String,
    },
    /// One regular session and no other, also on a weekend.
    Regular {
        /// Its first instant, local time.
        start: NaiveTime,
        /// The first instant after it, local time.
        end: NaiveTime,
        /// The occasion.
        name: String,
    },
}

/// The days of one or more years on which a market keeps no ordinary hours.
///
/// A year without a calendar has weekends but no holidays: [`Self::covers`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar {
    days: BTreeMap<NaiveDate, SpecialDay>,
}

/// A line that is no day of a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{file}, line {line}: {problem}; expected `2019-03-21 closed Holi` or `2019-10-27 regular 18:15-19:15 Muhurat`"
)]
pub struct CalendarError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: CalendarProblem,
}

/// What is wrong with a line of a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CalendarProblem {
    /// The first word is no date.
    #[error("`{0}` is no date")]
    Date(String),
    /// The second word is neither `closed` nor `regular`.
    #[error("`{0}` is neither `closed` nor `regular`")]
    Kind(String),
    /// The hours of a session can't be read, or end before they begin.
    #[error("`{0}` are no hours of a session within the day")]
    Hours(String),
    /// The day's name is missing.
    #[error("the name of the day is missing")]
    Name,
    /// The day stands there twice, or not in order.
    #[error("{0} is not after the day of the line before")]
    Order(NaiveDate),
}

impl Calendar {
    /// Reads a calendar: one day a line, in order; blank lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// The first line that is no day, with `file` as its name.
    pub fn parse(file: &str, text: &str) -> Result<Self, CalendarError> {
        let mut calendar = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line_text = line.trim();
            if line_text.is_empty() || line_text.starts_with('#') {
                continue;
            }
            calendar.add(line_text).map_err(|problem| CalendarError {
                file: file.to_owned(),
                line: index + 1,
                problem,
            })?;
        }
        Ok(calendar)
    }

    /// This calendar with the days of `other`, which win where both have a day.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.days.extend(other.days);
        self
    }

    /// What the market does on `date` if that is no ordinary day.
    #[must_use]
    pub fn special_day(&self, date: NaiveDate) -> Option<&SpecialDay> {
        self.days.get(&date)
    }

    /// Whether the calendar has any day of `year`: without, its holidays are not known.
    #[must_use]
    pub fn covers(&self, year: i32) -> bool {
        self.days.keys().any(|date| date.year() == year)
    }

    fn add(&mut self, line: &str) -> Result<(), CalendarProblem> {
        let (date, rest) = first_word(line);
        let (kind, rest) = first_word(rest);
        let date = date.parse().map_err(|_| CalendarProblem::Date(date.to_owned()))?;
        let day = match kind {
            "closed" => SpecialDay::Closed { name: name(rest)? },
            "regular" => {
                let (hours, rest) = first_word(rest);
                let (start, end) =
                    parse_hours(hours).ok_or_else(|| CalendarProblem::Hours(hours.to_owned()))?;
                SpecialDay::Regular { start, end, name: name(rest)? }
            }
            other => return Err(CalendarProblem::Kind(other.to_owned())),
        };
        if self.days.last_key_value().is_some_and(|(last, _)| *last >= date) {
            return Err(CalendarProblem::Order(date));
        }
        self.days.insert(date, day);
        Ok(())
    }
}

fn first_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn name(rest: &str) -> Result<String, CalendarProblem> {
    if rest.is_empty() { Err(CalendarProblem::Name) } else { Ok(rest.to_owned()) }
}

fn parse_hours(hours: &str) -> Option<(NaiveTime, NaiveTime)> {
    let (start, end) = hours.split_once('-')?;
    let start = NaiveTime::parse_from_str(start, "%H:%M").ok()?;
    let end = NaiveTime::parse_from_str(end, "%H:%M").ok()?;
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_knows_its_special_days_and_years() {
        let calendar = Calendar::parse("x", "# a\n\n2019-03-21 closed Holi\n").unwrap();
        let holi = NaiveDate::from_ymd_opt(2019, 3, 21).unwrap();
        assert_eq!(calendar.special_day(holi), Some(&SpecialDay::Closed { name: "Holi".into() }));
        assert!(calendar.special_day(holi.succ_opt().unwrap()).is_none());
        assert!(calendar.covers(2019) && !calendar.covers(2020));
    }

    #[test]
    fn a_bad_line_is_named_with_what_is_wrong() {
        let cases = [
            ("soon closed Holi", "`soon` is no date"),
            ("2019-02-30 closed Holi", "`2019-02-30` is no date"),
            ("2019-03-21", "`` is neither `closed` nor `regular`"),
            ("2019-03-21 shut Holi", "`shut` is neither"),
            ("2019-03-21 closed", "the name of the day is missing"),
            ("2019-03-21 regular 9-10 Holi", "`9-10` are no hours"),
            ("2019-03-21 regular 10:00-09:00 Holi", "`10:00-09:00` are no hours"),
            ("2019-03-21 regular 10:00-11:00", "the name of the day is missing"),
            ("2019-03-20 closed Holi", "2019-03-20 is not after"),
        ];
        for (line, problem) in cases {
            let text = format!("2019-03-20 closed Eve\n{line}\n");
            let error = Calendar::parse("nse-2019.txt", &text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("nse-2019.txt, line 2: {problem}")), "{error}");
        }
    }
}
