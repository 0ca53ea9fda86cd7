//! How one value changes between two versions, in both directions.

use super::html;
use super::pack::Direction;
use serde::Deserialize;
use serde_json::{Value, json};

/// A change of a value's form, as the files of the packs write it. The way up is the one to the newer version.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Conversion {
    /// The value stays as it is, which the files say by not naming a change.
    #[serde(skip)]
    Same,
    /// Plain text becomes HTML.
    Html,
    /// A reference to one record becomes a list of references.
    Many,
    /// A list of references becomes a reference to one record.
    One,
    /// A reference to an analytic account becomes a distribution over accounts.
    Analytic,
    /// True becomes false.
    Not,
    /// A day becomes the time at which it begins, in UTC.
    Datetime,
    /// A number with a fraction becomes a whole one.
    Whole,
    /// A whole number becomes one that may have a fraction.
    Fraction,
    /// A number written as text becomes a number.
    Number,
    /// Some values become others; those not named stay.
    Map {
        /// On the way up.
        #[serde(default)]
        up: Vec<(Value, Value)>,
        /// On the way down. What is missing here is `up` read backwards.
        #[serde(default)]
        down: Vec<(Value, Value)>,
    },
}

/// A value after its change, and whether the way back would not give the one before.
pub(super) type Converted = (Value, bool);

impl Conversion {
    /// Whether some value does not survive this direction and the way back.
    pub(super) fn is_lossy(&self, direction: Direction) -> bool {
        match (self, direction) {
            (Self::Same | Self::Not | Self::Number, _)
            | (Self::Html | Self::Many | Self::Analytic | Self::Datetime | Self::Fraction, Direction::Up)
            | (Self::One | Self::Whole, Direction::Down) => false,
            (Self::Html | Self::Many | Self::Analytic | Self::Datetime | Self::Fraction, Direction::Down)
            | (Self::One | Self::Whole, Direction::Up) => true,
            (Self::Map { up, down }, _) => {
                let (own, other) = if direction == Direction::Up { (up, down) } else { (down, up) };
                let named = own.iter().map(|(from, _)| from).chain(other.iter().map(|(_, to)| to));
                named.filter(|value| !value.is_null()).any(|value| self.apply(direction, value.clone()).1)
            }
        }
    }

    /// Whether no value changes.
    pub(super) fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }

    /// The value on the other side.
    pub(super) fn apply(&self, direction: Direction, value: Value) -> Converted {
        match (self, direction) {
            (Self::Same, _) => (value, false),
            (Self::Map { .. }, _) => {
                let after = self.mapped(direction, &value);
                let is_lost = self.mapped(direction.back(), &after) != value;
                (after, is_lost)
            }
            (Self::Many, Direction::Up) | (Self::One, Direction::Down) => (to_list(value), false),
            (Self::Many, Direction::Down) | (Self::One, Direction::Up) => to_one(value),
            (_, _) if value.is_null() => (value, false),
            (Self::Html, Direction::Up) => on_text(value, |text| (html::from_text(text), false)),
            (Self::Html, Direction::Down) => on_text(value, html::to_text),
            (Self::Analytic, Direction::Up) => (to_distribution(value), false),
            (Self::Analytic, Direction::Down) => from_distribution(value),
            (Self::Not, _) => (value.as_bool().map_or(value, |flag| json!(!flag)), false),
            (Self::Datetime, Direction::Up) => on_text(value, |day| (begin_of(day), false)),
            (Self::Datetime, Direction::Down) => on_text(value, day_of),
            (Self::Whole, Direction::Up) | (Self::Fraction, Direction::Down) => to_whole(value),
            (Self::Whole, Direction::Down) | (Self::Fraction, Direction::Up) => (value, false),
            (Self::Number, Direction::Up) => (from_number_text(value), false),
            (Self::Number, Direction::Down) => (to_number_text(value), false),
        }
    }

    fn mapped(&self, direction: Direction, value: &Value) -> Value {
        let Self::Map { up, down } = self else { return value.clone() };
        let found = match direction {
            Direction::Up => up.iter().find(|(from, _)| from == value).map(|(_, to)| to),
            Direction::Down => {
                let own = down.iter().find(|(from, _)| from == value).map(|(_, to)| to);
                // Nothing comes back from an empty value, which stands for all that had no successor.
                let reverse = || up.iter().find(|(_, to)| to == value && !to.is_null()).map(|(from, _)| from);
                own.or_else(reverse)
            }
        };
        found.unwrap_or(value).clone()
    }
}

fn on_text(value: Value, change: impl FnOnce(&str) -> (String, bool)) -> Converted {
    match value.as_str() {
        Some(text) => {
            let (text, is_lost) = change(text);
            (Value::String(text), is_lost)
        }
        None => (value, false),
    }
}

/// The id in a reference, which may come as a pair of id and name.
fn id_of(value: &Value) -> &Value {
    value.as_array().and_then(|pair| pair.first()).unwrap_or(value)
}

fn to_list(value: Value) -> Value {
    match value {
        // Odoo's own word for an empty reference is `false`.
        Value::Null | Value::Bool(false) => json!([]),
        value => json!([id_of(&value)]),
    }
}

fn to_one(value: Value) -> Converted {
    match value {
        Value::Array(mut list) => {
            let is_lost = list.len() > 1;
            (if list.is_empty() { Value::Null } else { list.swap_remove(0) }, is_lost)
        }
        value => (value, false),
    }
}

fn to_distribution(value: Value) -> Value {
    match id_of(&value) {
        Value::Number(id) => json!({ id.to_string(): 100 }),
        _ => value,
    }
}

/// The account with the largest share; a share that is not the whole is lost.
fn from_distribution(value: Value) -> Converted {
    let Value::Object(shares) = &value else { return (value, false) };
    let share_of = |share: &Value| share.as_f64().unwrap_or_default();
    let largest = shares.iter().reduce(|best, next| if share_of(next.1) > share_of(best.1) { next } else { best });
    let Some((accounts, share)) = largest else { return (Value::Null, false) };
    // One key may name an account of each plan, `4,7`.
    let account = accounts.split(',').next().and_then(|id| id.trim().parse::<i64>().ok());
    let is_whole = (share_of(share) - 100.0).abs() < f64::EPSILON && !accounts.contains(',');
    (account.map_or(Value::Null, Value::from), shares.len() > 1 || !is_whole || account.is_none())
}

fn begin_of(day: &str) -> String {
    if day.len() == "2024-01-31".len() { format!("{day}T00:00:00Z") } else { day.to_owned() }
}

fn day_of(time: &str) -> (String, bool) {
    let Some((day, rest)) = time.split_once(['T', ' ']) else { return (time.to_owned(), false) };
    (day.to_owned(), !rest.trim_end_matches('Z').starts_with("00:00:00"))
}

fn to_whole(value: Value) -> Converted {
    match value.as_f64() {
        Some(number) if value.as_i64().is_none() && number.abs() < 9e15 => {
            let rounded = number.round();
            #[expect(clippy::cast_possible_truncation, reason = "it is a whole number far within the range of i64")]
            let whole = rounded as i64;
            (json!(whole), (number - rounded).abs() > 0.0)
        }
        _ => (value, false),
    }
}

fn from_number_text(value: Value) -> Value {
    let number = value.as_str().and_then(|text| text.parse::<f64>().ok());
    number.and_then(serde_json::Number::from_f64).map_or(value, Value::Number)
}

fn to_number_text(value: Value) -> Value {
    match value.as_f64() {
        Some(number) => Value::String(number.to_string()),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Down, Up};

    #[test]
    fn references_become_lists_and_lists_references() {
        assert_eq!(Conversion::Many.apply(Up, json!([7, "Ann"])), (json!([7]), false));
        assert_eq!(Conversion::Many.apply(Up, json!(null)), (json!([]), false));
        assert_eq!(Conversion::Many.apply(Down, json!([7, 8])), (json!(7), true));
        assert_eq!(Conversion::One.apply(Down, json!(7)), (json!([7]), false));
    }

    #[test]
    fn a_distribution_over_several_accounts_does_not_fit_into_one_reference() {
        assert_eq!(Conversion::Analytic.apply(Up, json!(4)), (json!({"4": 100}), false));
        assert_eq!(Conversion::Analytic.apply(Down, json!({"4": 100.0})), (json!(4), false));
        assert_eq!(Conversion::Analytic.apply(Down, json!({"4": 30, "5": 70})), (json!(5), true));
        assert_eq!(Conversion::Analytic.apply(Down, json!({"4,9": 100})), (json!(4), true));
    }

    #[test]
    fn numbers_and_times_say_when_a_part_of_them_is_lost() {
        assert_eq!(Conversion::Whole.apply(Up, json!(3.0)), (json!(3), false));
        assert_eq!(Conversion::Whole.apply(Up, json!(3.5)), (json!(4), true));
        assert_eq!(Conversion::Number.apply(Up, json!("7.5")), (json!(7.5), false));
        assert_eq!(Conversion::Number.apply(Down, json!(7.0)), (json!("7"), false));
        assert_eq!(Conversion::Datetime.apply(Up, json!("2024-01-31")), (json!("2024-01-31T00:00:00Z"), false));
        assert_eq!(Conversion::Datetime.apply(Down, json!("2024-01-31 08:15:00")), (json!("2024-01-31"), true));
        assert_eq!(Conversion::Datetime.apply(Down, json!("2024-01-31T00:00:00Z")), (json!("2024-01-31"), false));
    }

    #[test]
    fn what_is_called_lossy_is_what_some_value_does_not_survive() {
        use Conversion::{Analytic, Datetime, Fraction, Html, Many, Not, Number, One, Same, Whole};
        let values = [
            json!("a < b\nc"),
            json!("<b>x</b>"),
            json!("2024-01-31"),
            json!("2024-01-31T08:15:00Z"),
            json!("7.5"),
            json!(7),
            json!(3.5),
            json!(true),
            json!([]),
            json!([7, 8]),
            json!({"4": 100}),
            json!({"4": 30, "5": 70}),
        ];
        for by in [Same, Html, Many, One, Analytic, Not, Datetime, Whole, Fraction, Number] {
            for direction in [Up, Down] {
                let lost: Vec<&Value> = values.iter().filter(|value| by.apply(direction, (*value).clone()).1).collect();
                assert_eq!(by.is_lossy(direction), !lost.is_empty(), "{by:?} {direction:?}: {lost:?}");
            }
        }
    }

    #[test]
    fn a_map_knows_which_values_do_not_come_back() {
        let merged = Conversion::Map {
            up: vec![(json!("1"), json!("0")), (json!("2"), json!("1")), (json!("3"), json!("1"))],
            down: vec![(json!("0"), json!("1")), (json!("1"), json!("2"))],
        };
        assert_eq!(merged.apply(Up, json!("1")), (json!("0"), false));
        assert_eq!(merged.apply(Up, json!("3")), (json!("1"), true));
        assert_eq!(merged.apply(Up, json!("0")), (json!("0"), true), "comes back as 1");
        assert!(merged.is_lossy(Up) && !merged.is_lossy(Down));
        let last = Conversion::Map {
            up: vec![(json!("2"), json!("1")), (json!("3"), json!("1"))],
            down: vec![(json!("1"), json!("3"))],
        };
        assert_eq!(last.apply(Down, json!("1")), (json!("3"), false), "what is said of the way down counts there");
        let renamed = Conversion::Map { up: vec![(json!("MO"), json!("MON"))], down: vec![] };
        assert!(!renamed.is_lossy(Up) && !renamed.is_lossy(Down));
        let dropped = Conversion::Map { up: vec![(json!("private"), json!(null))], down: vec![] };
        assert_eq!(dropped.apply(Up, json!("private")), (json!(null), true));
        assert_eq!(dropped.apply(Down, json!(null)), (json!(null), false));
    }
}
