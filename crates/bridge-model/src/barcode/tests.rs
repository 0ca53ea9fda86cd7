use super::gtin::check_digit;
use super::identifiers::{Form, IDENTIFIERS};
use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;

const YEAR: i16 = 2026;

fn elements(text: &str) -> Vec<(String, String)> {
    match read(text, YEAR) {
        Ok(Barcode::Elements(elements)) => {
            elements.iter().map(|one| (one.identifier.clone(), one.value.clone())).collect()
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(identifier, value)| ((*identifier).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn numbers_are_told_by_length_and_check_digit() {
    for (text, form, full) in [
        ("96385074", GtinForm::Ean8, "00000096385074"),
        ("036000291452", GtinForm::UpcA, "00036000291452"),
        ("4006381333931", GtinForm::Ean13, "04006381333931"),
        ("10012345678902", GtinForm::Gtin14, "10012345678902"),
        (" ]E04006381333931\r\n", GtinForm::Ean13, "04006381333931"),
    ] {
        let Ok(Barcode::Gtin(gtin)) = read(text, YEAR) else { panic!("{text}") };
        assert_eq!((gtin.form(), gtin.at_full_length()), (form, full), "{text}");
    }
    let wrong = read("6281000000123", YEAR).unwrap_err();
    let expected = BarcodeError::CheckDigit { identifier: None, digits: "6281000000123".to_owned(), expected: 0 };
    assert_eq!(wrong, expected);
}

#[test]
fn one_item_is_the_same_in_all_its_forms() {
    let ways = |text| match read(text, YEAR) {
        Ok(Barcode::Gtin(gtin)) => gtin.ways_to_write().join(" "),
        other => panic!("{other:?}"),
    };
    assert_eq!(ways("036000291452"), "036000291452 0036000291452 00036000291452");
    assert_eq!(ways("0036000291452"), "0036000291452 036000291452 00036000291452");
    assert_eq!(ways("4006381333931"), "4006381333931 04006381333931");
    assert_eq!(ways("96385074"), "96385074 000096385074 0000096385074 00000096385074");
    assert_eq!(ways("10012345678902"), "10012345678902");
}

#[test]
fn element_strings_are_taken_apart() {
    let expected =
        pairs(&[("01", "06110000000017"), ("17", "2027-02-28"), ("10", "A-7"), ("3103", "1.250"), ("37", "12")]);
    for text in [
        "]C1010611000000001717270228\u{1d}10A-7\u{1d}3103001250\u{1d}3712",
        "\u{1d}01061100000000171727022810A-7\u{1d}31030012503712",
        "01061100000000171727022810A-7\u{1d}31030012503712\u{1d}",
        "(01)06110000000017(17)270228(10)A-7(3103)001250(37)12",
        "(01) 06110000000017 (17) 270228 (10) A-7 (3103) 001250 (37) 12",
    ] {
        assert_eq!(elements(text), expected, "{text:?}");
    }
    assert_eq!(elements("(10)A(7)(21)B"), pairs(&[("10", "A(7)"), ("21", "B")]));
    assert_eq!(elements("0106110000000017"), pairs(&[("01", "06110000000017")]), "without any mark");
    assert_eq!(elements("(3922)1999(3910)978005"), pairs(&[("3922", "19.99"), ("3910", "978 5")]));
    assert_eq!(elements("(01)06110000000017(01)06110000000017"), pairs(&[("01", "06110000000017")]));
    let Ok(Barcode::Elements(both)) = read("(02)06110000000017(37)6(21)S1", YEAR) else { panic!() };
    assert_eq!(both.gtin().unwrap().at_full_length(), "06110000000017");
    assert_eq!(both.lot(), Some("S1"));
}

#[test]
fn what_is_wrong_is_said() {
    let value =
        |identifier: &str, form: &str| BarcodeError::Value { identifier: identifier.to_owned(), form: form.to_owned() };
    let unknown = |start: &str| BarcodeError::UnknownIdentifier { start: start.to_owned() };
    let day = |identifier: &str| BarcodeError::Date { identifier: identifier.to_owned() };
    let long = "7".repeat(BARCODE_BYTES_MAX + 1);
    for (text, expected) in [
        ("", BarcodeError::Form),
        ("  ", BarcodeError::Form),
        ("a\u{0}b", BarcodeError::Form),
        (&long, BarcodeError::Form),
        ("]E0123", BarcodeError::Form),
        ("]C1", unknown("")),
        ("]C105123", unknown("05123")),
        ("(05)123456789", unknown("(05)1234")),
        ("]C101061100000000", value("01", "n14")),
        ("(10)", value("10", "an..20")),
        ("(10)123456789012345678901", value("10", "an..20")),
        ("(10)A B", value("10", "an..20")),
        ("(10)é", value("10", "an..20")),
        ("(30)12A", value("30", "n..8")),
        ("(3105)12345", value("3105", "n6")),
        ("(3929)1", value("3929", "n..15")),
        ("(17)261301", day("17")),
        ("(17)270229", day("17")),
        ("(10)A(10)B", BarcodeError::Repeated { identifier: "10".to_owned() }),
        (
            "(01)06110000000018",
            BarcodeError::CheckDigit {
                identifier: Some("01".to_owned()),
                digits: "06110000000018".to_owned(),
                expected: 7,
            },
        ),
    ] {
        assert_eq!(read(text, YEAR).unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn codes_of_ones_own_stay_as_they_are() {
    for text in ["DESK-01", "123", "123456789", "(A)7", "0105", "0106110000000018", "كرسي", "LOT 2026/7"] {
        assert_eq!(read(text, YEAR).unwrap(), Barcode::Own(text.to_owned()), "{text}");
    }
}

#[test]
fn days_have_the_nearest_year_and_may_mean_the_end_of_a_month() {
    for (year, digits, expected) in [
        (2026, "260131", "2026-01-31"),
        (2026, "260200", "2026-02-28"),
        (2026, "280200", "2028-02-29"),
        (2026, "760101", "2076-01-01"),
        (2026, "770101", "1977-01-01"),
        (1999, "000101", "2000-01-01"),
        (1999, "490101", "2049-01-01"),
        (1999, "500101", "1950-01-01"),
    ] {
        let Ok(Barcode::Elements(read)) = read(&format!("(15){digits}"), year) else { panic!("{digits}") };
        assert_eq!(read.value("15"), Some(expected), "{digits} in {year}");
    }
}

#[test]
fn no_identifier_begins_another() {
    for one in IDENTIFIERS {
        let same = IDENTIFIERS.iter().filter(|other| other.code.starts_with(one.code)).count();
        assert_eq!(same, 1, "{}", one.code);
        let (least, most) = one.form.length();
        assert!(!one.has_set_length() || least == most, "{}", one.code);
    }
}

/// A value that fits an element, with what it means.
fn value_of(form: Form) -> BoxedStrategy<String> {
    let checked = |count: usize| {
        proptest::string::string_regex(&format!("[0-9]{{{}}}", count - 1))
            .unwrap()
            .prop_map(|digits| format!("{digits}{}", check_digit(&digits)))
    };
    let (least, most) = form.length();
    match form {
        Form::Checked(count) => checked(count).boxed(),
        Form::Day => (0..100, 1..=12, 0..=28).prop_map(|(y, m, d)| format!("{y:02}{m:02}{d:02}")).boxed(),
        // Without parentheses, which the form for people could take for the beginning of the next element.
        Form::TextTo(most) => proptest::string::string_regex(&format!("[A-Za-z0-9/_.-]{{1,{most}}}")).unwrap().boxed(),
        _ => proptest::string::string_regex(&format!("[0-9]{{{least},{most}}}")).unwrap().boxed(),
    }
}

/// An element of a string as it stands there: identifier and value.
fn element() -> impl Strategy<Value = (String, String, bool)> {
    proptest::sample::select(IDENTIFIERS).prop_flat_map(|identifier| {
        // No decimals, which every value has enough digits for.
        let code = format!("{}{}", identifier.code, if identifier.form.has_decimals() { "0" } else { "" });
        value_of(identifier.form).prop_map(move |value| (code.clone(), value, identifier.has_set_length()))
    })
}

proptest! {
    #[test]
    fn every_digit_counts(digits in "[0-9]{7}|[0-9]{11}|[0-9]{12}|[0-9]{13}", at in any::<prop::sample::Index>(), by in 1..10_u8) {
        let good = format!("{digits}{}", check_digit(&digits));
        let Ok(Barcode::Gtin(gtin)) = read(&good, YEAR) else { panic!("{good}") };
        for way in gtin.ways_to_write() {
            let same = Gtin::parse(way).unwrap();
            prop_assert_eq!(same.at_full_length(), gtin.at_full_length());
        }
        let mut bad = good.into_bytes();
        let place = at.index(bad.len());
        bad[place] = b'0' + (bad[place] - b'0' + by) % 10;
        let bad = String::from_utf8(bad).unwrap();
        let is_refused = matches!(read(&bad, YEAR), Err(BarcodeError::CheckDigit { .. }));
        prop_assert!(is_refused, "{}", bad);
    }

    #[test]
    fn a_string_says_the_same_to_scanners_and_to_people(mut all in prop::collection::vec(element(), 1..5)) {
        let mut codes = std::collections::BTreeSet::new();
        all.retain(|(code, ..)| codes.insert(code.clone()));
        let (mut scanned, mut written) = ("]C1".to_owned(), String::new());
        for (code, value, has_set_length) in &all {
            scanned.push_str(code);
            scanned.push_str(value);
            if !has_set_length {
                scanned.push(SEPARATOR);
            }
            write!(written, "({code}){value}").unwrap();
        }
        prop_assume!(scanned.len() <= BARCODE_BYTES_MAX && written.len() <= BARCODE_BYTES_MAX);
        let read_back = elements(&scanned);
        prop_assert_eq!(&read_back, &elements(&written));
        let found: Vec<_> = read_back.iter().map(|(code, _)| code.clone()).collect();
        let expected: Vec<_> = all.iter().map(|(code, ..)| code.clone()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn nothing_that_comes_in_does_harm(text in r"\PC*|[\]()C0-9\x1d]{0,40}|\(0?[0-9]{1,4}\)\PC*", year in 0..9999_i16) {
        let _ = read(&text, year);
    }
}
