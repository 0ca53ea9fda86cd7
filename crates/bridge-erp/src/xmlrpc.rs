//! XML-RPC as Odoo writes and reads it: values and the four documents that hold them.
//!
//! Both sides use it, the adapter and the demo ERP; recordings of real servers hold it to what others understand.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};
use serde_json::{Map, Number, Value};
use std::fmt::Write as _;

/// How deep elements may lie in each other. A list in a list takes three levels.
const DEPTH_MAX: u32 = 256;

/// What an XML-RPC document says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Document {
    /// A call of a method with its arguments.
    Call(String, Vec<Value>),
    /// The answer to a call.
    Answer(Value),
    /// The refusal of a call: a code, which is a number or a text, and words.
    Fault(Value, String),
}

/// Why a document can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Flaw {
    /// It is not XML.
    #[error("it is not XML")]
    Xml(#[from] quick_xml::Error),
    /// It ends before it is whole.
    #[error("it ends too early")]
    Cut,
    /// It is XML, but not XML-RPC.
    #[error("{0}")]
    Form(String),
    /// A text with a character that XML has no way to write.
    #[error("XML-RPC can't carry the character U+{:04X}", u32::from(*.0))]
    Character(char),
}

/// Reads a document.
pub(crate) fn read(bytes: &[u8]) -> Result<Document, Flaw> {
    let mut reader = Reader::from_reader(bytes);
    reader.config_mut().expand_empty_elements = true;
    let mut parser = Parser { reader, depth: 0 };
    match parser.start()?.as_str() {
        "methodCall" => parser.call(),
        "methodResponse" => parser.response(),
        other => Err(Flaw::Form(format!("it begins with <{other}>"))),
    }
}

/// Writes a call.
pub(crate) fn write_call<'a>(method: &str, params: impl IntoIterator<Item = &'a Value>) -> Result<String, Flaw> {
    let mut out = "<?xml version=\"1.0\"?>\n<methodCall><methodName>".to_owned();
    write_text(&mut out, method)?;
    out.push_str("</methodName><params>");
    for param in params {
        out.push_str("<param>");
        write_value(&mut out, param)?;
        out.push_str("</param>");
    }
    out.push_str("</params></methodCall>\n");
    Ok(out)
}

/// Writes an answer.
pub(crate) fn write_answer(value: &Value) -> Result<String, Flaw> {
    let mut out = "<?xml version=\"1.0\"?>\n<methodResponse>\n<params>\n<param>\n".to_owned();
    write_value(&mut out, value)?;
    out.push_str("\n</param>\n</params>\n\n</methodResponse>\n");
    Ok(out)
}

/// Writes a refusal. Characters that XML can't carry are left out of its words.
pub(crate) fn write_fault(code: &Value, text: &str) -> Result<String, Flaw> {
    let text: String = text.chars().filter(|one| is_writable(*one)).collect();
    let mut fault = Map::new();
    fault.insert("faultCode".into(), code.clone());
    fault.insert("faultString".into(), text.into());
    let mut out = "<?xml version=\"1.0\"?>\n<methodResponse>\n<fault>\n".to_owned();
    write_value(&mut out, &Value::Object(fault))?;
    out.push_str("\n</fault>\n\n</methodResponse>\n");
    Ok(out)
}

fn write_value(out: &mut String, value: &Value) -> Result<(), Flaw> {
    out.push_str("<value>");
    match value {
        Value::Null => out.push_str("<nil/>"),
        Value::Bool(is) => out.push_str(if *is { "<boolean>1</boolean>" } else { "<boolean>0</boolean>" }),
        Value::Number(number) => {
            // Four bytes are what the standard knows; Odoo reads the longer ones by the name that others gave them.
            let tag = match number.as_i64() {
                Some(whole) if i32::try_from(whole).is_ok() => "int",
                Some(_) => "i8",
                None => "double",
            };
            let _ = write!(out, "<{tag}>{number}</{tag}>");
        }
        Value::String(text) => {
            out.push_str("<string>");
            write_text(out, text)?;
            out.push_str("</string>");
        }
        Value::Array(items) => {
            out.push_str("<array><data>");
            for item in items {
                write_value(out, item)?;
            }
            out.push_str("</data></array>");
        }
        Value::Object(members) => {
            out.push_str("<struct>");
            for (name, value) in members {
                out.push_str("<member><name>");
                write_text(out, name)?;
                out.push_str("</name>");
                write_value(out, value)?;
                out.push_str("</member>");
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>");
    Ok(())
}

fn write_text(out: &mut String, text: &str) -> Result<(), Flaw> {
    for one in text.chars() {
        match one {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A reader would make a line feed of it.
            '\r' => out.push_str("&#13;"),
            one if is_writable(one) => out.push(one),
            other => return Err(Flaw::Character(other)),
        }
    }
    Ok(())
}

fn is_writable(one: char) -> bool {
    matches!(one, '\t' | '\n' | '\r') || (one >= ' ' && !matches!(one, '\u{fffe}' | '\u{ffff}'))
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
    depth: u32,
}

enum Token {
    Start(String),
    End,
    Text(String),
}

impl Parser<'_> {
    fn next(&mut self) -> Result<Token, Flaw> {
        loop {
            match self.reader.read_event()? {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        return Err(Flaw::Form("it is nested too deep".into()));
                    }
                    return Ok(Token::Start(String::from_utf8_lossy(start.local_name().as_ref()).into_owned()));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Token::End);
                }
                Event::Text(text) => return Ok(Token::Text(text.decode().map_err(quick_xml::Error::from)?.into())),
                Event::CData(text) => return Ok(Token::Text(text.decode().map_err(quick_xml::Error::from)?.into())),
                Event::GeneralRef(name) => return Ok(Token::Text(referred(&name)?.into())),
                Event::DocType(_) => return Err(Flaw::Form("it has a document type of its own".into())),
                Event::Eof => return Err(Flaw::Cut),
                // Each element has its end: empty ones are expanded.
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
            }
        }
    }

    /// The next element's name; only white space may come before it.
    fn start(&mut self) -> Result<String, Flaw> {
        match self.start_or_end()? {
            Some(name) => Ok(name),
            None => Err(Flaw::Form("an element is missing".into())),
        }
    }

    fn start_or_end(&mut self) -> Result<Option<String>, Flaw> {
        loop {
            match self.next()? {
                Token::Start(name) => return Ok(Some(name)),
                Token::End => return Ok(None),
                Token::Text(text) if text.trim().is_empty() => {}
                Token::Text(_) => return Err(Flaw::Form("there is text between the elements".into())),
            }
        }
    }

    fn expect(&mut self, name: &str) -> Result<(), Flaw> {
        let found = self.start()?;
        if found == name { Ok(()) } else { Err(Flaw::Form(format!("<{found}> stands where <{name}> should"))) }
    }

    fn end(&mut self) -> Result<(), Flaw> {
        match self.start_or_end()? {
            None => Ok(()),
            Some(name) => Err(Flaw::Form(format!("<{name}> stands where nothing should"))),
        }
    }

    /// The text up to the end of the element that has just begun.
    fn text(&mut self) -> Result<String, Flaw> {
        let mut all = String::new();
        loop {
            match self.next()? {
                Token::Text(text) => all.push_str(&text),
                Token::End => return Ok(all),
                Token::Start(name) => return Err(Flaw::Form(format!("<{name}> stands where text should"))),
            }
        }
    }

    fn call(&mut self) -> Result<Document, Flaw> {
        self.expect("methodName")?;
        let method = self.text()?;
        let mut params = Vec::new();
        if let Some(name) = self.start_or_end()? {
            if name != "params" {
                return Err(Flaw::Form(format!("<{name}> stands where <params> should")));
            }
            while self.start_or_end()?.is_some() {
                params.push(self.value()?);
                self.end()?;
            }
            self.end()?;
        }
        Ok(Document::Call(method, params))
    }

    fn response(&mut self) -> Result<Document, Flaw> {
        let document = match self.start()?.as_str() {
            "params" => {
                self.expect("param")?;
                let value = self.value()?;
                self.end()?;
                Document::Answer(value)
            }
            "fault" => {
                let mut fault = self.value()?;
                let text = fault["faultString"].as_str().unwrap_or_default().to_owned();
                Document::Fault(fault.get_mut("faultCode").map(Value::take).unwrap_or_default(), text)
            }
            other => return Err(Flaw::Form(format!("<{other}> stands where <params> or <fault> should"))),
        };
        self.end()?;
        self.end()?;
        Ok(document)
    }

    /// A whole `<value>`.
    fn value(&mut self) -> Result<Value, Flaw> {
        self.expect("value")?;
        self.value_begun()
    }

    /// The rest of a `<value>`: a typed element, or a text without one.
    fn value_begun(&mut self) -> Result<Value, Flaw> {
        let mut bare = String::new();
        loop {
            match self.next()? {
                Token::Text(text) => bare.push_str(&text),
                Token::End => return Ok(Value::String(bare)),
                Token::Start(tag) => {
                    let value = self.typed(&tag)?;
                    self.end()?;
                    return Ok(value);
                }
            }
        }
    }

    fn typed(&mut self, tag: &str) -> Result<Value, Flaw> {
        match tag {
            "array" => {
                self.expect("data")?;
                let mut items = Vec::new();
                while self.start_or_end()?.is_some() {
                    items.push(self.value_begun()?);
                }
                self.end()?;
                return Ok(Value::Array(items));
            }
            "struct" => {
                let mut members = Map::new();
                while self.start_or_end()?.is_some() {
                    self.expect("name")?;
                    let name = self.text()?;
                    members.insert(name, self.value()?);
                    self.end()?;
                }
                return Ok(Value::Object(members));
            }
            _ => {}
        }
        let text = self.text()?;
        let bad = || Flaw::Form(format!("{text:?} is no {tag}"));
        Ok(match tag {
            "string" | "dateTime.iso8601" => Value::String(text),
            "base64" => Value::String(text.split_whitespace().collect()),
            "int" | "i4" | "i8" | "i2" | "i1" | "biginteger" => {
                Value::from(text.trim().parse::<i64>().map_err(|_| bad())?)
            }
            "boolean" => match text.trim() {
                "1" => Value::Bool(true),
                "0" => Value::Bool(false),
                _ => return Err(bad()),
            },
            "double" | "float" => {
                let number = text.trim().parse().ok().and_then(Number::from_f64);
                Value::Number(number.ok_or_else(bad)?)
            }
            "nil" => Value::Null,
            other => return Err(Flaw::Form(format!("<{other}> is no type of value"))),
        })
    }
}

/// The character of a reference. XML has five names of its own; a document can't bring further ones.
fn referred(name: &BytesRef<'_>) -> Result<char, Flaw> {
    if let Some(one) = name.resolve_char_ref()? {
        return Ok(one);
    }
    match &**name {
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"amp" => Ok('&'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        other => Err(Flaw::Form(format!("&{}; is not known", String::from_utf8_lossy(other)))),
    }
}

#[cfg(test)]
mod tests;
