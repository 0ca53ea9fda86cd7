//! Numbers of trade items.

use super::BarcodeError;

/// The number of a trade item. The shorter forms are the longest one without its leading zeros, so that two numbers are
/// the same item if they are the same at full length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gtin {
    /// At full length, with its zeros.
    digits: String,
    form: GtinForm,
}

/// The forms that the number of a trade item comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GtinForm {
    /// Eight digits.
    Ean8,
    /// Twelve digits.
    UpcA,
    /// Thirteen digits.
    Ean13,
    /// Fourteen digits.
    Gtin14,
}

/// How many digits the longest form has.
const DIGITS: usize = 14;

impl GtinForm {
    const ALL: [Self; 4] = [Self::Ean8, Self::UpcA, Self::Ean13, Self::Gtin14];

    /// The form that a text has by its digits and their number; `None` if it has none.
    pub fn of(text: &str) -> Option<Self> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        Self::ALL.into_iter().find(|form| is_number && form.digits() == text.len())
    }

    /// How many digits it has.
    pub fn digits(self) -> usize {
        match self {
            Self::Ean8 => 8,
            Self::UpcA => 12,
            Self::Ean13 => 13,
            Self::Gtin14 => DIGITS,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ean8 => "ean8",
            Self::UpcA => "upc_a",
            Self::Ean13 => "ean13",
            Self::Gtin14 => "gtin14",
        }
    }
}

impl Gtin {
    /// Reads a number in any of its forms.
    pub fn parse(text: &str) -> Result<Self, BarcodeError> {
        let form = GtinForm::of(text).ok_or(BarcodeError::Form)?;
        check(text, None)?;
        Ok(Self { digits: format!("{text:0>DIGITS$}"), form })
    }

    /// The form that it was given in.
    pub fn form(&self) -> GtinForm {
        self.form
    }

    /// All of its digits, with leading zeros.
    pub fn at_full_length(&self) -> &str {
        &self.digits
    }

    /// Every way to write it: as it was given, and then from the shortest to the longest. A system may have kept any of
    /// them.
    pub fn ways_to_write(&self) -> Vec<&str> {
        let of = |form: GtinForm| self.digits.split_at_checked(DIGITS - form.digits());
        let without_zeros = |form: GtinForm| of(form).filter(|(zeros, _)| zeros.bytes().all(|byte| byte == b'0'));
        let others = GtinForm::ALL.into_iter().filter(|form| *form != self.form);
        std::iter::once(self.form).chain(others).filter_map(without_zeros).map(|(_, number)| number).collect()
    }
}

/// Whether digits end in the one that the others call for: counted from the end, every second one weighs three times as
/// much, and the sum ends in zero.
pub(super) fn check(digits: &str, identifier: Option<&str>) -> Result<(), BarcodeError> {
    let Some((others, last)) = digits.len().checked_sub(1).and_then(|end| digits.split_at_checked(end)) else {
        return Err(BarcodeError::Form);
    };
    let expected = check_digit(others);
    if last.bytes().eq([b'0' + expected]) {
        return Ok(());
    }
    let identifier = identifier.map(str::to_owned);
    Err(BarcodeError::CheckDigit { identifier, digits: digits.to_owned(), expected })
}

/// The digit that follows these.
pub(super) fn check_digit(digits: &str) -> u8 {
    let weights = [3, 1].into_iter().cycle();
    let weighed = digits.bytes().rev().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight);
    // Below ten, so that it fits.
    u8::try_from((10 - weighed.sum::<u32>() % 10) % 10).unwrap_or(0)
}
