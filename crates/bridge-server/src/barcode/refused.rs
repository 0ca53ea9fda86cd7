//! Why a barcode is none.

use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::barcode::{BARCODE_BYTES_MAX, BarcodeError};

/// The field of the request that the barcode stands in.
const FIELD: &str = "barcode";

/// The problem that a barcode is which does not hold what it should.
pub(super) fn refused(error: BarcodeError) -> Problem {
    let reason = match &error {
        BarcodeError::Form => Reason::printable(BARCODE_BYTES_MAX),
        BarcodeError::CheckDigit { digits, expected, .. } => Reason::barcode_check_digit(digits, u32::from(*expected)),
        BarcodeError::UnknownIdentifier { start } => Reason::barcode_identifier(start),
        BarcodeError::Value { identifier, form } => Reason::barcode_value(identifier, form),
        BarcodeError::Date { identifier } => Reason::barcode_day(identifier),
        BarcodeError::Repeated { identifier } => Reason::barcode_repeated(identifier),
    };
    let mut problem = Problem::field(FIELD, reason);
    match error {
        BarcodeError::CheckDigit { identifier, digits, expected } => {
            problem = problem.with("digits", digits).with("expected_check_digit", expected);
            if let Some(identifier) = identifier {
                problem = problem.with("identifier", identifier);
            }
        }
        BarcodeError::Value { identifier, .. }
        | BarcodeError::Date { identifier }
        | BarcodeError::Repeated { identifier } => problem = problem.with("identifier", identifier),
        BarcodeError::Form | BarcodeError::UnknownIdentifier { .. } => {}
    }
    problem
}
