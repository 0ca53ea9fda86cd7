//! The parts of dates that a domain can ask for: `date_order.month_number`.

use jiff::civil::DateTime;

/// A number that is part of a date or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatePart {
    /// The year.
    Year,
    /// The quarter, 1 to 4.
    Quarter,
    /// The month, 1 to 12.
    Month,
    /// The week of ISO 8601, 1 to 53.
    IsoWeek,
    /// The day of the year, from 1.
    DayOfYear,
    /// The day of the month, from 1.
    DayOfMonth,
    /// The day of the week, 0 for Sunday.
    DayOfWeek,
    /// The hour.
    Hour,
    /// The minute.
    Minute,
    /// The second.
    Second,
}

impl DatePart {
    /// The part that a name in a field path stands for.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "year_number" => Self::Year,
            "quarter_number" => Self::Quarter,
            "month_number" => Self::Month,
            "iso_week_number" => Self::IsoWeek,
            "day_of_year" => Self::DayOfYear,
            "day_of_month" => Self::DayOfMonth,
            "day_of_week" => Self::DayOfWeek,
            "hour_number" => Self::Hour,
            "minute_number" => Self::Minute,
            "second_number" => Self::Second,
            _ => return None,
        })
    }

    /// This part of a date or of a date and time in Odoo's own form; `None` if the text is neither.
    pub fn of(self, text: &str) -> Option<i64> {
        let moment: DateTime = text.parse().ok()?;
        Some(match self {
            Self::Year => moment.year().into(),
            Self::Quarter => i64::from((moment.month() - 1) / 3 + 1),
            Self::Month => moment.month().into(),
            Self::IsoWeek => moment.date().iso_week_date().week().into(),
            Self::DayOfYear => moment.day_of_year().into(),
            Self::DayOfMonth => moment.day().into(),
            Self::DayOfWeek => moment.weekday().to_sunday_zero_offset().into(),
            Self::Hour => moment.hour().into(),
            Self::Minute => moment.minute().into(),
            Self::Second => moment.second().into(),
        })
    }
}
