//! Every message has a text in every language.

use super::message::{Argument, FIELD};
use super::texts::source;
use super::{Language, Message, Reason, Texts};
use fluent_bundle::FluentResource;
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, VariantKey};
use std::collections::{BTreeMap, BTreeSet};

/// What is the same in every language, since others said it.
const THE_SAME: [&str; 1] = ["erp_said"];

/// Numbers that each take another form of a word in Arabic: zero, one, two, few, many, other.
const NUMBERS: [i64; 6] = [0, 1, 2, 3, 11, 100];

/// The name and the kind of each argument of each message, by its id.
fn listed() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let messages = Message::LIST.iter().map(|(id, arguments)| (*id, arguments.iter().copied().collect()));
    let reasons = Reason::LIST
        .iter()
        .map(|(id, arguments)| (*id, arguments.iter().copied().chain([(FIELD, "Text")]).collect::<BTreeMap<_, _>>()));
    let count = Message::LIST.len() + Reason::LIST.len();
    let listed: BTreeMap<_, _> = messages.chain(reasons).collect();
    assert_eq!(listed.len(), count, "an id stands for one message");
    listed
}

/// A message with something filled in.
fn sample(id: &'static str, arguments: &BTreeMap<&'static str, &str>, number: i64) -> Message {
    let filled = arguments.iter().map(|(name, kind)| match *kind {
        "Number" => (*name, Argument::Number(number)),
        _ => (*name, Argument::Text("x.y".to_owned())),
    });
    Message::of(id, filled.collect())
}

/// What a file says: of each message the arguments that it fills in, and the forms of words that it tells apart.
fn written(language: Language) -> BTreeMap<String, (BTreeSet<String>, Vec<BTreeSet<String>>)> {
    let resource = FluentResource::try_new(source(language).to_owned()).unwrap();
    let mut found = BTreeMap::new();
    for entry in resource.entries() {
        match entry {
            Entry::Message(message) => {
                assert!(message.attributes.is_empty());
                let (mut arguments, mut forms) = (BTreeSet::new(), Vec::new());
                look_at(message.value.as_ref().unwrap(), &mut arguments, &mut forms);
                let again = found.insert(message.id.name.to_owned(), (arguments, forms));
                assert!(again.is_none(), "{} stands in {}.ftl twice", message.id.name, language.code());
            }
            Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
            Entry::Term(_) | Entry::Junk { .. } => panic!("{}.ftl: {entry:?}", language.code()),
        }
    }
    found
}

fn look_at(pattern: &Pattern<&str>, arguments: &mut BTreeSet<String>, forms: &mut Vec<BTreeSet<String>>) {
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { .. } => {}
            PatternElement::Placeable { expression: Expression::Inline(inline) } => look_at_inline(inline, arguments),
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                look_at_inline(selector, arguments);
                forms.push(
                    variants
                        .iter()
                        .map(|variant| match variant.key {
                            VariantKey::Identifier { name } => name.to_owned(),
                            VariantKey::NumberLiteral { value } => value.to_owned(),
                        })
                        .collect(),
                );
                for variant in variants {
                    look_at(&variant.value, arguments, forms);
                }
            }
        }
    }
}

fn look_at_inline(inline: &InlineExpression<&str>, arguments: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => drop(arguments.insert(id.name.to_owned())),
        InlineExpression::StringLiteral { .. } => {}
        InlineExpression::FunctionReference { id, arguments: given } if id.name == "FORM" => {
            given.positional.iter().for_each(|inline| look_at_inline(inline, arguments));
        }
        other => panic!("no message needs this: {other:?}"),
    }
}

#[test]
fn every_language_has_every_message_with_its_arguments_and_no_other() {
    let listed = listed();
    for language in Language::ALL {
        let written = written(language);
        let ids = |ids: &mut dyn Iterator<Item = &str>| ids.map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            ids(&mut written.keys().map(String::as_str)),
            ids(&mut listed.keys().copied()),
            "{}.ftl and list.rs",
            language.code()
        );
        for (id, (arguments, _)) in &written {
            let expected: BTreeSet<String> = listed[id.as_str()].keys().map(|name| (*name).to_owned()).collect();
            assert_eq!(arguments, &expected, "{id} in {}.ftl", language.code());
        }
    }
}

#[test]
fn every_message_becomes_text_without_a_flaw() {
    let texts = Texts::new().unwrap();
    for (id, arguments) in listed() {
        for language in Language::ALL {
            for number in NUMBERS {
                let mut flaws = Vec::new();
                let message = sample(id, &arguments, number);
                let text = texts.format(language, &message, &mut flaws).unwrap();
                assert!(flaws.is_empty(), "{id} in {}: {flaws:?}", language.code());
                assert_eq!(text, texts.say(language, &message));
                assert_eq!(text.trim(), text, "{id} in {}", language.code());
                let is_one_line = !text.is_empty() && !text.contains(['\n', '\u{2068}', '\u{2069}']);
                assert!(is_one_line && !text.contains("{ "), "{id} in {}: {text}", language.code());
            }
        }
    }
}

#[test]
fn nothing_was_left_in_english() {
    let texts = Texts::new().unwrap();
    for (id, arguments) in listed() {
        let message = sample(id, &arguments, 3);
        let english = texts.english(&message);
        for language in [Language::Arabic, Language::French] {
            let is_same = texts.say(language, &message) == english;
            assert_eq!(is_same, THE_SAME.contains(&id), "{id} in {}: {english}", language.code());
        }
    }
}

#[test]
fn arabic_begins_in_arabic_so_that_it_is_shown_from_right_to_left() {
    let texts = Texts::new().unwrap();
    for (id, arguments) in listed() {
        for number in NUMBERS {
            let text = texts.say(Language::Arabic, &sample(id, &arguments, number));
            let first = text.chars().find(|c| c.is_alphabetic()).unwrap();
            assert_eq!(('\u{621}'..='\u{64a}').contains(&first), !THE_SAME.contains(&id), "{id}: {text}");
            // The comma and the semicolon of the script, and none of another.
            assert!(!text.contains(", ") && !text.contains("; "), "{id}: {text}");
        }
    }
}

#[test]
fn french_has_its_own_marks() {
    let texts = Texts::new().unwrap();
    for (id, arguments) in listed() {
        let text = texts.say(Language::French, &sample(id, &arguments, 3));
        let characters: Vec<char> = text.chars().collect();
        for pair in characters.windows(2) {
            let (before, mark) = (pair[0], pair[1]);
            let stays_together = match (before, mark) {
                (' ', ';' | ':' | '?' | '!' | '»') | ('«', ' ') => false,
                (_, ';' | '!') => before == '\u{202f}',
                ('«', after) => after == '\u{a0}',
                _ => true,
            };
            assert!(stays_together, "{id}: {before:?}{mark:?} in {text}");
        }
        assert!(!text.contains('\''), "an apostrophe is ’: {id}: {text}");
    }
}

#[test]
fn words_take_the_forms_that_their_language_has() {
    for (language, forms) in [
        (Language::English, vec!["one", "other"]),
        (Language::French, vec!["one", "other"]),
        (Language::Arabic, vec!["few", "many", "one", "other", "two", "zero"]),
    ] {
        let mut counted = 0;
        for (id, (_, selects)) in written(language) {
            for select in selects {
                counted += 1;
                assert_eq!(select.iter().map(String::as_str).collect::<Vec<_>>(), forms, "{id} in {}", language.code());
            }
        }
        assert!(counted > 0, "{}", language.code());
    }
}

#[test]
fn an_arabic_word_follows_its_number() {
    let texts = Texts::new().unwrap();
    for (number, said) in [
        (0, "لا تُقبل أحداث في الطلب الواحد (الحد 0)"),
        (1, "الحد الأقصى حدث واحد في الطلب الواحد"),
        (2, "الحد الأقصى حدثان في الطلب الواحد"),
        (3, "الحد الأقصى 3 أحداث في الطلب الواحد"),
        (10, "الحد الأقصى 10 أحداث في الطلب الواحد"),
        (11, "الحد الأقصى 11 حدثًا في الطلب الواحد"),
        (99, "الحد الأقصى 99 حدثًا في الطلب الواحد"),
        (100, "الحد الأقصى 100 حدث في الطلب الواحد"),
        (102, "الحد الأقصى 102 حدث في الطلب الواحد"),
        (103, "الحد الأقصى 103 أحداث في الطلب الواحد"),
        (111, "الحد الأقصى 111 حدثًا في الطلب الواحد"),
        (1_000, "الحد الأقصى 1000 حدث في الطلب الواحد"),
    ] {
        assert_eq!(texts.say(Language::Arabic, &Message::too_many_events(number)), said);
    }
    for (number, english, french) in [
        (0, "At most 0 events in one request", "Au plus 0 événement par requête"),
        (1, "At most 1 event in one request", "Au plus 1 événement par requête"),
        (2, "At most 2 events in one request", "Au plus 2 événements par requête"),
    ] {
        assert_eq!(texts.english(&Message::too_many_events(number)), english);
        assert_eq!(texts.say(Language::French, &Message::too_many_events(number)), french);
    }
}

#[test]
fn what_is_filled_in_stays_as_it_is() {
    let texts = Texts::new().unwrap();
    let message = Message::about("inner[0].{ $size }", Reason::whole_number_to(u32::MAX));
    let english = "inner[0].{ $size } must be a whole number from 0 to 4294967295";
    assert_eq!(texts.english(&message), english);
    let french = "Le champ «\u{a0}inner[0].{ $size }\u{a0}» doit être un nombre entier compris entre 0 et 4294967295";
    assert_eq!(texts.say(Language::French, &message), french);
    let said = "لا يمكن حذف هذا السجل \u{2066}\"";
    for language in Language::ALL {
        assert_eq!(texts.say(language, &Message::erp_said(said)), said);
    }
}

#[test]
fn the_reason_of_a_close_fits_into_its_frame() {
    let texts = Texts::new().unwrap();
    for (code, message) in [
        ("", Message::service_stops()),
        ("", Message::connection_gone()),
        ("", Message::client_does_not_read()),
        ("", Message::closed_by_client()),
        ("", Message::only_text()),
        ("", Message::message_unreadable()),
        ("", Message::no_token_in_time()),
        ("", Message::first_message_must_be_auth()),
        ("", Message::token_expired()),
        ("", Message::user_was_changed()),
        ("", Message::no_answer_to_heartbeats()),
        ("AUTHENTICATION_FAILED: ", Message::session_ended()),
        ("AUTHENTICATION_FAILED: ", Message::access_token_run_out()),
        ("AUTHENTICATION_FAILED: ", Message::token_run_out()),
        ("AUTHENTICATION_FAILED: ", Message::token_not_valid()),
        ("AUTHENTICATION_FAILED: ", Message::access_token_expected()),
        ("INVALID_SYNC_TOKEN: ", Message::position_not_in_log()),
        ("SERVICE_UNAVAILABLE: ", Message::database_away()),
        ("CONNECTION_REFUSED: ", Message::rights_unknown()),
        ("INTERNAL_ERROR: ", Message::internal()),
    ] {
        for language in Language::ALL {
            let reason = format!("{code}{}", texts.say(language, &message));
            assert!(reason.len() <= 123, "{} bytes in {}: {reason}", reason.len(), language.code());
        }
    }
}

#[test]
fn a_tag_names_its_language_whatever_its_region() {
    for (tag, language) in [
        ("ar", Some(Language::Arabic)),
        ("ar_001", Some(Language::Arabic)),
        ("AR-eg", Some(Language::Arabic)),
        ("fr_BE@euro", Some(Language::French)),
        ("en_US", Some(Language::English)),
        ("de", None),
        ("english", None),
        ("", None),
        ("-ar", None),
    ] {
        assert_eq!(Language::of_tag(tag), language, "{tag}");
    }
}
