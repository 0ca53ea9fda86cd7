//! The texts of all languages.

use super::Language;
use super::message::{Argument, Message};
use anyhow::{Context as _, anyhow};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::fmt;
use unic_langid::LanguageIdentifier;

/// The texts of every message in every language, made once when the service starts.
pub struct Texts {
    english: Bundle,
    arabic: Bundle,
    french: Bundle,
}

type Bundle = FluentBundle<FluentResource>;

impl Texts {
    /// Reads the texts, which are part of the program; the error is one of these files'.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            english: bundle(Language::English)?,
            arabic: bundle(Language::Arabic)?,
            french: bundle(Language::French)?,
        })
    }

    /// The message as text.
    pub fn say(&self, language: Language, message: &Message) -> String {
        // A test makes sure that every language has every message, so that the others only stand in for a mistake.
        self.text(language, message)
            .or_else(|| self.text(Language::English, message))
            .unwrap_or_else(|| message.to_string())
    }

    /// The message in English, for logs and whoever runs the service.
    pub fn english(&self, message: &Message) -> String {
        self.say(Language::English, message)
    }

    fn text(&self, language: Language, message: &Message) -> Option<String> {
        let mut flaws = Vec::new();
        let text = self.format(language, message, &mut flaws)?;
        flaws.is_empty().then_some(text)
    }

    pub(super) fn format(
        &self,
        language: Language,
        message: &Message,
        flaws: &mut Vec<fluent_bundle::FluentError>,
    ) -> Option<String> {
        let bundle = match language {
            Language::English => &self.english,
            Language::Arabic => &self.arabic,
            Language::French => &self.french,
        };
        let pattern = bundle.get_message(message.id())?.value()?;
        let arguments: FluentArgs<'_> = message.arguments().map(|(name, value)| (name, fluent(value))).collect();
        Some(bundle.format_pattern(pattern, Some(&arguments), flaws).into_owned())
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

/// The file of a language.
pub(super) fn source(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("en.ftl"),
        Language::Arabic => include_str!("ar.ftl"),
        Language::French => include_str!("fr.ftl"),
    }
}

fn bundle(language: Language) -> anyhow::Result<Bundle> {
    let code = language.code();
    let id: LanguageIdentifier = code.parse().with_context(|| format!("the language {code}"))?;
    let resource =
        FluentResource::try_new(source(language).to_owned()).map_err(|(_, flaws)| anyhow!("{code}.ftl: {flaws:?}"))?;
    let mut bundle = Bundle::new_concurrent(vec![id]);
    // Fluent can put invisible marks around what is filled in, so that right-to-left text keeps its order. Clients
    // compare and search messages, log them and put them into places that show such marks as boxes; the sentences are
    // worded to read well without.
    bundle.set_use_isolating(false);
    if language == Language::Arabic {
        bundle.add_function("FORM", |numbers, _| arabic_form(numbers)).map_err(|flaw| anyhow!("FORM: {flaw:?}"))?;
    }
    bundle.add_resource(resource).map_err(|flaws| anyhow!("{code}.ftl: {flaws:?}"))?;
    Ok(bundle)
}

/// Which form an Arabic word takes after a number, by the rule of Unicode's CLDR. Fluent's own choice compares the
/// number itself where the rule means its last two digits, and so is wrong from 103 on.
fn arabic_form(numbers: &[FluentValue<'_>]) -> FluentValue<'static> {
    let [FluentValue::Number(number)] = numbers else { return FluentValue::Error };
    let number = number.value;
    let last_two = number % 100.0;
    let form = match number {
        0.0 => "zero",
        1.0 => "one",
        2.0 => "two",
        _ if (3.0..=10.0).contains(&last_two) => "few",
        _ if (11.0..=99.0).contains(&last_two) => "many",
        _ => "other",
    };
    FluentValue::from(form)
}

fn fluent(argument: &Argument) -> FluentValue<'_> {
    match argument {
        Argument::Number(number) => FluentValue::from(*number),
        Argument::Text(text) => FluentValue::from(text.as_str()),
    }
}
