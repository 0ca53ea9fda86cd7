//! Barcodes: what a scanner read or a person typed.
//!
//! Numbers of trade items (EAN-8, UPC-A, EAN-13, GTIN-14) are told by their length and their check digit. GS1 element
//! strings, as they stand in GS1-128 and in GS1 `DataMatrix`, are taken apart. Everything else is a code of somebody's
//! own, which is taken as it is.

mod elements;
mod gtin;
mod identifiers;
#[cfg(test)]
mod tests;

pub use elements::{Element, Elements};
pub use gtin::{Gtin, GtinForm};

/// The longest barcode that is read, in bytes.
pub const BARCODE_BYTES_MAX: usize = 256;

/// What separates the elements of a string, as scanners send the FNC1 of the symbol.
const SEPARATOR: char = '\u{1d}';

/// The marks that scanners put before a GS1 element string: GS1-128, GS1 `DataBar`, `DataMatrix`, QR code and `DotCode`.
const OF_ELEMENTS: [&str; 5] = ["]C1", "]e0", "]d2", "]Q3", "]J1"];

/// The marks that scanners put before the number of a trade item: EAN-13 with UPC-A, and EAN-8.
const OF_NUMBERS: [&str; 2] = ["]E0", "]E4"];

/// The shortest element string that is told without a mark: a trade item's number with its identifier, in bytes.
const UNMARKED_BYTES_MIN: usize = 16;

/// A barcode that holds what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barcode {
    /// The number of a trade item.
    Gtin(Gtin),
    /// A GS1 element string.
    Elements(Elements),
    /// Somebody's own code, as it is.
    Own(String),
}

/// What is wrong with a barcode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BarcodeError {
    /// It is empty, too long, or has characters in it that no barcode has.
    #[error("a barcode has 1 to {BARCODE_BYTES_MAX} printable characters")]
    Form,
    /// A number does not end in the digit that the others call for.
    #[error("{digits} should end in {expected}")]
    CheckDigit {
        /// The identifier of its element; `None` where the number is the whole barcode.
        identifier: Option<String>,
        /// The number.
        digits: String,
        /// The digit that it should end in.
        expected: u8,
    },
    /// An element begins with no known application identifier.
    #[error("{start} begins with no known application identifier")]
    UnknownIdentifier {
        /// The beginning of the element, at most eight characters of it.
        start: String,
    },
    /// The value of an element is not of its form.
    #[error("({identifier}) is followed by {form}")]
    Value {
        /// The element's identifier.
        identifier: String,
        /// The form in the notation of the standard: `n6`, `an..20`.
        form: String,
    },
    /// The value of an element is not a day.
    #[error("({identifier}) is followed by a day, YYMMDD")]
    Date {
        /// The element's identifier.
        identifier: String,
    },
    /// The same identifier is there twice with two values.
    #[error("({identifier}) is there twice")]
    Repeated {
        /// The identifier.
        identifier: String,
    },
}

/// Reads a barcode. `this_year` settles the century of dates, which have two digits for their year. White space around
/// it is left out.
pub fn read(text: &str, this_year: i16) -> Result<Barcode, BarcodeError> {
    let text = text.trim();
    let is_fitting = |c: char| c == SEPARATOR || !c.is_control();
    if text.is_empty() || text.len() > BARCODE_BYTES_MAX || !text.chars().all(is_fitting) {
        return Err(BarcodeError::Form);
    }
    if let Some(string) = OF_ELEMENTS.iter().find_map(|mark| text.strip_prefix(mark)) {
        return Elements::parse(string, this_year).map(Barcode::Elements);
    }
    if let Some(number) = OF_NUMBERS.iter().find_map(|mark| text.strip_prefix(mark)) {
        return Gtin::parse(number).map(Barcode::Gtin);
    }
    if text.contains(SEPARATOR) {
        return Elements::parse(text, this_year).map(Barcode::Elements);
    }
    if elements::is_written_for_people(text) {
        return Elements::parse_written(text, this_year).map(Barcode::Elements);
    }
    if GtinForm::of(text).is_some() {
        return Gtin::parse(text).map(Barcode::Gtin);
    }
    // Without a mark it can be somebody's own code as well, so that it is one unless all of it makes sense.
    let is_long_enough = text.len() >= UNMARKED_BYTES_MIN && ["00", "01", "02"].iter().any(|key| text.starts_with(key));
    match is_long_enough.then(|| Elements::parse(text, this_year)) {
        Some(Ok(elements)) => Ok(Barcode::Elements(elements)),
        _ => Ok(Barcode::Own(text.to_owned())),
    }
}
