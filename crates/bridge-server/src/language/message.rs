//! What is said, apart from the language that it is said in.

use std::fmt;

/// A sentence for a person: which one, and what is to be filled in.
///
/// Every message has a constructor of its own, named like its id in the Fluent files, that takes what the sentence
/// needs; `list.rs` lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    id: &'static str,
    arguments: Vec<(&'static str, Argument)>,
}

/// What is wrong with a field of a request: a message that still lacks the field's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(Message);

/// What is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// A number, which may decide over the form of a word.
    Number(i64),
    /// A text that is the same in every language: a name, a word of the API, what another system said.
    Text(String),
}

/// A number in a sentence.
pub(crate) struct Number(i64);

/// A text in a sentence.
pub(crate) struct Text(String);

/// The name of the argument with the field that a [`Reason`] is about.
pub(super) const FIELD: &str = "field";

impl Message {
    pub(super) fn of(id: &'static str, arguments: Vec<(&'static str, Argument)>) -> Self {
        Self { id, arguments }
    }

    /// That this field of a request is wrong, and why.
    pub(crate) fn about(field: &str, Reason(mut message): Reason) -> Self {
        message.arguments.push((FIELD, Argument::Text(field.to_owned())));
        message
    }

    pub(super) fn id(&self) -> &'static str {
        self.id
    }

    pub(super) fn arguments(&self) -> impl Iterator<Item = (&'static str, &Argument)> {
        self.arguments.iter().map(|(name, argument)| (*name, argument))
    }
}

impl Reason {
    pub(super) fn of(id: &'static str, arguments: Vec<(&'static str, Argument)>) -> Self {
        Self(Message::of(id, arguments))
    }
}

/// The id and the arguments, for the chain of an error's causes; people get the text.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)?;
        for (name, argument) in self.arguments() {
            match argument {
                Argument::Number(number) => write!(f, " {name}={number}")?,
                Argument::Text(text) => write!(f, " {name}={text:?}")?,
            }
        }
        Ok(())
    }
}

impl From<Number> for Argument {
    fn from(number: Number) -> Self {
        Self::Number(number.0)
    }
}

impl From<Text> for Argument {
    fn from(text: Text) -> Self {
        Self::Text(text.0)
    }
}

impl<T: fmt::Display> From<T> for Text {
    fn from(value: T) -> Self {
        Self(value.to_string())
    }
}

impl From<i32> for Number {
    fn from(number: i32) -> Self {
        Self(number.into())
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
