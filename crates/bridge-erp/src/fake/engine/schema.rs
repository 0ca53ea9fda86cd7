//! The models of the demo ERP, read from `data/models.txt`.

use crate::fake::Addon;
use std::collections::HashMap;

/// Every model. Models and fields are named by their place in these lists, so that a lookup by name happens once.
#[derive(Debug)]
pub(in crate::fake) struct Schema {
    pub(in crate::fake) models: Vec<Model>,
    by_name: HashMap<String, usize>,
}

/// One model.
#[derive(Debug)]
pub(in crate::fake) struct Model {
    pub(in crate::fake) name: String,
    pub(in crate::fake) label: String,
    pub(in crate::fake) order: String,
    pub(in crate::fake) pattern: Vec<LabelPart>,
    pub(in crate::fake) fields: Vec<FieldDef>,
    by_field: HashMap<String, usize>,
    /// The field by which records are archived.
    pub(in crate::fake) active: Option<usize>,
    /// The field that leads one level up in the model's own hierarchy.
    pub(in crate::fake) parent: Option<usize>,
    /// The fields, as model and field, that point to this model by one id.
    pub(in crate::fake) referrers: Vec<(usize, usize)>,
    /// The own fields whose pointing records are looked up from the other side.
    pub(in crate::fake) indexed: Vec<usize>,
}

/// A piece of how a record is called.
#[derive(Debug)]
pub(in crate::fake) enum LabelPart {
    Text(String),
    Field(usize),
}

/// One field.
#[derive(Debug)]
pub(in crate::fake) struct FieldDef {
    pub(in crate::fake) name: String,
    pub(in crate::fake) label: String,
    pub(in crate::fake) kind: Kind,
    pub(in crate::fake) required: bool,
    pub(in crate::fake) readonly: bool,
    /// Deleting the record that this field points to deletes this one too, instead of being refused.
    pub(in crate::fake) cascade: bool,
    pub(in crate::fake) default: Option<String>,
    /// The message for a second record with the same value.
    pub(in crate::fake) unique: Option<String>,
}

/// The type of a field.
#[derive(Debug, Clone)]
pub(in crate::fake) enum Kind {
    Id,
    DisplayName,
    Char,
    Text,
    Html,
    Int,
    Float,
    Money,
    Bool,
    Date,
    Datetime,
    Json,
    /// Bytes, on the wire and here in Base64.
    Binary,
    Selection(Vec<(String, String)>),
    One(usize),
    Many(usize),
    /// The records of a model whose field points here.
    Inverse(usize, usize),
    /// How much is in stock by the records of a model whose field points here.
    OnHand(usize, usize),
    /// A field of this record (`via` is `None`) or of the record that `via` points to.
    Related {
        via: Option<usize>,
        target: usize,
    },
}

/// The places of the fields that every model has, after its id and its display name.
pub(in crate::fake) const CREATE_UID: usize = 2;
pub(in crate::fake) const CREATE_DATE: usize = 3;
pub(in crate::fake) const WRITE_UID: usize = 4;
pub(in crate::fake) const WRITE_DATE: usize = 5;
/// The fields that every model has, before its own.
pub(in crate::fake) const MAGIC: usize = 6;

const MODELS: &str = include_str!("../data/models.txt");

impl Schema {
    /// The models of an ERP with this add-on; an error names the line of the data file that is wrong.
    pub(in crate::fake) fn load(addon: Addon) -> Result<Self, String> {
        let drafts = drafts(MODELS, addon)?;
        let by_name: HashMap<String, usize> =
            drafts.iter().enumerate().map(|(index, draft)| (draft.name.clone(), index)).collect();
        let places: Vec<HashMap<String, usize>> = drafts.iter().map(Draft::places).collect();
        let resolve = Resolve { by_name: &by_name, places: &places, drafts: &drafts };
        let mut models: Vec<Model> =
            drafts.iter().enumerate().map(|(index, draft)| resolve.model(index, draft)).collect::<Result<_, _>>()?;
        for (index, model) in models.iter().enumerate().map(|(i, m)| (i, m.references())).collect::<Vec<_>>() {
            for (field, target) in model {
                models[target].referrers.push((index, field));
            }
        }
        let inverses: Vec<(usize, usize)> = models.iter().flat_map(Model::inverses).collect();
        for (model, field) in inverses {
            if !models[model].indexed.contains(&field) {
                models[model].indexed.push(field);
            }
        }
        Ok(Self { models, by_name })
    }

    /// The place of a model.
    pub(in crate::fake) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The type of a field, with related fields followed to what they show.
    pub(in crate::fake) fn kind(&self, model: usize, field: usize) -> &Kind {
        let (model, field) = self.origin(model, field);
        &self.models[model].fields[field].kind
    }

    /// The model and field that a field shows in the end.
    pub(in crate::fake) fn origin(&self, model: usize, field: usize) -> (usize, usize) {
        match &self.models[model].fields[field].kind {
            Kind::Related { via: None, target } => self.origin(model, *target),
            Kind::Related { via: Some(via), target } => match self.models[model].fields[*via].kind {
                Kind::One(next) => self.origin(next, *target),
                _ => (model, field),
            },
            _ => (model, field),
        }
    }
}

impl Model {
    /// The place of a field.
    pub(in crate::fake) fn find(&self, name: &str) -> Option<usize> {
        self.by_field.get(name).copied()
    }

    fn references(&self) -> Vec<(usize, usize)> {
        let own = self.fields.iter().enumerate().skip(MAGIC);
        own.filter_map(|(place, field)| if let Kind::One(target) = field.kind { Some((place, target)) } else { None })
            .collect()
    }

    fn inverses(&self) -> Vec<(usize, usize)> {
        self.fields
            .iter()
            .filter_map(|field| match field.kind {
                Kind::Inverse(model, field) | Kind::OnHand(model, field) => Some((model, field)),
                _ => None,
            })
            .collect()
    }
}

/// A model as the file has it, with names not yet looked up.
struct Draft<'t> {
    name: String,
    label: &'t str,
    order: &'t str,
    pattern: &'t str,
    fields: Vec<FieldDraft<'t>>,
}

struct FieldDraft<'t> {
    name: &'t str,
    kind: &'t str,
    flags: &'t str,
    label: &'t str,
}

impl Draft<'_> {
    fn places(&self) -> HashMap<String, usize> {
        self.fields.iter().enumerate().map(|(place, field)| (field.name.to_owned(), place)).collect()
    }
}

fn drafts(text: &str, addon: Addon) -> Result<Vec<Draft<'_>>, String> {
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    let mut skipping = false;
    for line in text.lines().map(str::trim_end) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix("model ") {
            let mut parts = head.split(" | ");
            let (Some(name), Some(label), Some(order), Some(pattern)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(format!("model line: {line}"));
            };
            let (name, of) = name.split_once(" @").unwrap_or((name, ""));
            skipping = match of {
                "addon" => addon == Addon::None,
                "own" => addon != Addon::Bridgecore,
                _ => false,
            };
            if !skipping {
                drafts.push(Draft { name: name.to_owned(), label, order, pattern, fields: magic() });
            }
            continue;
        }
        if skipping {
            continue;
        }
        let (spec, label) = line.trim().split_once(" | ").ok_or_else(|| format!("field line: {line}"))?;
        let (name, rest) = spec.split_once(' ').ok_or_else(|| format!("field line: {line}"))?;
        // A selection's labels have blanks in them, so the type ends at its closing bracket.
        let end = rest.find(')').map_or_else(|| rest.find(' ').unwrap_or(rest.len()), |close| close + 1);
        let (kind, flags) = rest.split_at(end);
        if flags.contains("@own") && addon != Addon::Bridgecore {
            continue;
        }
        let draft = drafts.last_mut().ok_or_else(|| format!("field before model: {line}"))?;
        draft.fields.push(FieldDraft { name, kind, flags, label });
    }
    Ok(drafts)
}

fn magic() -> Vec<FieldDraft<'static>> {
    [
        ("id", "id", "ID"),
        ("display_name", "display", "Display Name"),
        ("create_uid", "m2o(res.users)", "Created by"),
        ("create_date", "datetime", "Created on"),
        ("write_uid", "m2o(res.users)", "Last Updated by"),
        ("write_date", "datetime", "Last Updated on"),
    ]
    .map(|(name, kind, label)| FieldDraft { name, kind, flags: "~", label })
    .into()
}

struct Resolve<'d> {
    by_name: &'d HashMap<String, usize>,
    places: &'d [HashMap<String, usize>],
    drafts: &'d [Draft<'d>],
}

impl Resolve<'_> {
    fn model(&self, index: usize, draft: &Draft<'_>) -> Result<Model, String> {
        let fields = draft.fields.iter().map(|field| self.field(index, field)).collect::<Result<Vec<_>, _>>()?;
        let place = |name: &str| self.places[index].get(name).copied();
        Ok(Model {
            name: draft.name.clone(),
            label: draft.label.to_owned(),
            order: draft.order.to_owned(),
            pattern: label_parts(draft.pattern, &place)?,
            active: place("active"),
            parent: place("parent_id").or_else(|| draft.fields.iter().position(|field| field.flags.contains("parent"))),
            by_field: self.places[index].clone(),
            referrers: Vec::new(),
            indexed: Vec::new(),
            fields,
        })
    }

    fn field(&self, model: usize, draft: &FieldDraft<'_>) -> Result<FieldDef, String> {
        let (base, inside) =
            draft.kind.split_once('(').map_or((draft.kind, ""), |(base, rest)| (base, rest.trim_end_matches(')')));
        let wrong = || format!("{}.{}: {}", self.drafts[model].name, draft.name, draft.kind);
        let target = |name: &str| self.by_name.get(name).copied().ok_or_else(wrong);
        let place = |model: usize, field: &str| self.places[model].get(field).copied().ok_or_else(wrong);
        let kind = match base {
            "id" => Kind::Id,
            "display" => Kind::DisplayName,
            "char" => Kind::Char,
            "text" => Kind::Text,
            "html" => Kind::Html,
            "int" => Kind::Int,
            "float" => Kind::Float,
            "money" => Kind::Money,
            "bool" => Kind::Bool,
            "date" => Kind::Date,
            "datetime" => Kind::Datetime,
            "json" => Kind::Json,
            "binary" => Kind::Binary,
            "sel" => Kind::Selection(
                inside
                    .split(',')
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(key, label)| (key.to_owned(), label.to_owned()))
                    .collect(),
            ),
            "m2o" => Kind::One(target(inside)?),
            "m2m" => Kind::Many(target(inside)?),
            "o2m" | "onhand" => {
                let (other, field) = inside.split_once(',').ok_or_else(wrong)?;
                let other = target(other)?;
                let field = place(other, field)?;
                if base == "o2m" { Kind::Inverse(other, field) } else { Kind::OnHand(other, field) }
            }
            "related" => match inside.split_once('.') {
                None => Kind::Related { via: None, target: place(model, inside)? },
                Some((via, field)) => {
                    let via = place(model, via)?;
                    let through = self.drafts[model].fields[via].kind;
                    let other =
                        through.strip_prefix("m2o(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
                    Kind::Related { via: Some(via), target: place(target(other)?, field)? }
                }
            },
            _ => return Err(wrong()),
        };
        let (flags, unique) = match draft.flags.split_once("unique=") {
            Some((flags, message)) => (flags, Some(message.trim().to_owned())),
            None => (draft.flags, None),
        };
        let words = || flags.split_whitespace();
        Ok(FieldDef {
            name: draft.name.to_owned(),
            label: draft.label.to_owned(),
            kind,
            required: words().any(|word| word == "!"),
            readonly: words().any(|word| word == "~"),
            cascade: words().any(|word| word == "cascade"),
            default: words().find_map(|word| word.strip_prefix("default=")).map(str::to_owned),
            unique,
        })
    }
}

/// `[{default_code}] {name}` as texts and fields.
fn label_parts(pattern: &str, place: &impl Fn(&str) -> Option<usize>) -> Result<Vec<LabelPart>, String> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(LabelPart::Text(before.to_owned()));
        }
        let (name, after) = after.split_once('}').ok_or_else(|| format!("label pattern {pattern}"))?;
        parts.push(LabelPart::Field(place(name).ok_or_else(|| format!("label pattern {pattern}"))?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(LabelPart::Text(rest.to_owned()));
    }
    Ok(parts)
}
