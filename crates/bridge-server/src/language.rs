//! The languages in which people are told what happened: English, Arabic and French.
//!
//! A [`Message`] is an id with named arguments and no text. It becomes text where an answer is written, in the
//! language of whoever reads it; logs are always English. The texts stand in a Fluent file for each language.

mod accept;
mod list;
mod message;
#[cfg(test)]
mod tests;
mod texts;

pub use accept::asked_for;
pub use message::{Message, Reason};
pub use texts::Texts;

/// A language that every message has a text in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// `en`, which is also what is spoken with whoever asks for a language that is not here.
    #[default]
    English,
    /// `ar`
    Arabic,
    /// `fr`
    French,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Arabic, Self::French];

    /// The code, as in `Content-Language`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Arabic => "ar",
            Self::French => "fr",
        }
    }

    /// The language of a tag such as `ar`, `ar-SA` or `ar_001`; `None` if it is not one of ours.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let code = tag.split(['-', '_', '@']).next()?;
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }
}
