use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A record of the tests: its fields by name, and a world to find others in.
#[derive(Clone, Copy)]
struct Row<'a> {
    world: &'a BTreeMap<i64, Value>,
    id: i64,
}

impl<'a> Row<'a> {
    fn json(self) -> &'a Value {
        &self.world[&self.id]
    }
}

impl<'a> Record<'a> for Row<'a> {
    fn id(self) -> i64 {
        self.id
    }

    fn field(self, name: &str) -> Option<Field<'a, Self>> {
        let related = |value: &Value| value.as_i64().map(|id| Row { world: self.world, id });
        Some(match self.json().get(name)? {
            Value::Null => Field::Unset,
            value if name.ends_with("_id") => related(value).map_or(Field::Unset, Field::One),
            Value::Array(ids) => Field::Many(ids.iter().filter_map(related).collect()),
            Value::Bool(yes) => Field::Bool(*yes),
            Value::Number(n) if n.is_i64() => Field::Int(n.as_i64().unwrap()),
            Value::Number(n) => Field::Float(n.as_f64().unwrap()),
            Value::String(text) => Field::Text(Cow::Borrowed(text)),
            Value::Object(_) => return None,
        })
    }

    fn label(self) -> Cow<'a, str> {
        Cow::Borrowed(self.json()["name"].as_str().unwrap_or_default())
    }

    fn parent(self) -> Option<Self> {
        self.json().get("parent_id").and_then(Value::as_i64).map(|id| Row { world: self.world, id })
    }

    fn sibling(self, id: i64) -> Option<Self> {
        self.world.contains_key(&id).then_some(Row { world: self.world, id })
    }
}

fn world() -> BTreeMap<i64, Value> {
    BTreeMap::from([
        (
            1,
            json!({"name": "Atlas Trading", "email": null, "parent_id": null, "child_ids": [2, 3], "active": true,
                   "rank": 0, "city": "", "total": 12.5, "write_date": "2026-11-22 10:30:00"}),
        ),
        (
            2,
            json!({"name": "Élodie_Martin", "email": "elodie@example.com", "parent_id": 1, "child_ids": [],
                   "active": true, "rank": 3, "city": "Lyon", "total": 100.0, "write_date": "2026-11-22 00:00:00"}),
        ),
        (
            3,
            json!({"name": "شركة النخيل", "email": "info@example.ma", "parent_id": 2, "child_ids": [],
                   "active": false, "rank": null, "city": null, "total": null, "write_date": "2026-11-23 09:00:00"}),
        ),
    ])
}

/// The ids that the domain accepts.
fn found(domain: &Value) -> Vec<i64> {
    let world = world();
    let domain = Domain::parse(domain).unwrap();
    world.keys().copied().filter(|id| domain.matches(Row { world: &world, id: *id }).unwrap()).collect()
}

#[test]
fn operators_mean_what_they_mean_in_odoo() {
    for (domain, expected) in [
        (json!([]), vec![1, 2, 3]),
        (json!([[0, "=", 1]]), vec![]),
        (json!([[1, "=", 1]]), vec![1, 2, 3]),
        (json!([["email", "=", false]]), vec![1]),
        (json!([["email", "=", null]]), vec![1]),
        (json!([["email", "!=", false]]), vec![2, 3]),
        (json!([["city", "=", false]]), vec![1, 3]),
        (json!([["city", "!=", "Lyon"]]), vec![1, 3]),
        (json!([["city", "in", ["Lyon", false]]]), vec![1, 2, 3]),
        (json!([["city", "not in", ["Lyon"]]]), vec![1, 3]),
        (json!([["id", "in", [3, 1, 99]]]), vec![1, 3]),
        (json!([["id", "in", 2]]), vec![2]),
        (json!([["id", "=", [1, 2]]]), vec![1, 2]),
        (json!([["rank", ">", 0]]), vec![2]),
        (json!([["rank", "<=", 3]]), vec![1, 2]),
        (json!([["rank", ">=", 2.5]]), vec![2]),
        (json!([["total", "=", 100]]), vec![2]),
        (json!([["active", "=", true]]), vec![1, 2]),
        (json!([["active", "=", false]]), vec![3]),
        (json!([["name", "ilike", "éLODIE"]]), vec![2]),
        (json!([["name", "like", "elodie"]]), vec![]),
        (json!([["name", "ilike", "s%t"]]), vec![1]),
        (json!([["name", "ilike", "النخيل"]]), vec![3]),
        (json!([["name", "like", "\\_"]]), vec![2]),
        (json!([["name", "=like", "A%"]]), vec![1]),
        (json!([["name", "=ilike", "a____ trading"]]), vec![1]),
        (json!([["email", "not ilike", "elodie"]]), vec![1, 3]),
        (json!([["email", "not like", "example"]]), vec![1]),
        (json!([["parent_id", "=", "Atlas Trading"]]), vec![2]),
        (json!([["parent_id", "ilike", "atlas"]]), vec![2]),
        (json!([["parent_id", "=", false]]), vec![1]),
        (json!([["parent_id.email", "!=", false]]), vec![3]),
        (json!([["parent_id.parent_id.name", "=", "Atlas Trading"]]), vec![3]),
        (json!([["child_ids", "=", false]]), vec![2, 3]),
        (json!([["child_ids", "in", [3]]]), vec![1]),
        (json!([["child_ids.city", "=", "Lyon"]]), vec![1]),
        (json!([["child_ids", "any", [["active", "=", false]]]]), vec![1]),
        (json!([["child_ids", "not any", [["active", "=", false]]]]), vec![2, 3]),
        (json!([["parent_id", "any", [["rank", ">", 1]]]]), vec![3]),
        (json!([["id", "child_of", 1]]), vec![1, 2, 3]),
        (json!([["id", "child_of", [2]]]), vec![2, 3]),
        (json!([["parent_id", "child_of", 2]]), vec![3]),
        (json!([["id", "parent_of", 2]]), vec![1, 2]),
        (json!([["write_date", ">=", "2026-11-22 10:30:00"]]), vec![1, 3]),
        (json!([["write_date", ">", "2026-11-22T00:00:00"]]), vec![1, 3]),
        (json!([["write_date", ">", "2026-11-22"]]), vec![3]),
        (json!([["write_date", "<=", "2026-11-22"]]), vec![1, 2]),
        (json!([["write_date", ">=", "2026-11-22"]]), vec![1, 2, 3]),
        (json!([["city", "=?", false]]), vec![1, 2, 3]),
        (json!([["city", "=?", null]]), vec![1, 2, 3]),
        (json!([["city", "=?", "Lyon"]]), vec![2]),
        (json!(["!", ["city", "=?", false]]), vec![]),
        (json!([["name", "not =like", "A%"]]), vec![2, 3]),
        (json!([["name", "not =ilike", "atlas%"]]), vec![2, 3]),
        (json!([["write_date.day_of_month", "=", 22]]), vec![1, 2]),
        (json!([["write_date.year_number", "in", [2025, 2026]]]), vec![1, 2, 3]),
        (json!([["write_date.day_of_week", "=", 0]]), vec![1, 2]),
        (json!([["write_date.quarter_number", "!=", 4]]), vec![]),
        (json!([["write_date.iso_week_number", ">=", 48]]), vec![3]),
        (json!([["write_date.hour_number", ">", 0]]), vec![1, 3]),
        (json!([["write_date.day_of_year", "=", 327]]), vec![3]),
        (json!([["write_date.no_such_part", "=", 1]]), vec![]),
    ] {
        assert_eq!(found(&domain), expected, "{domain}");
    }
}

#[test]
fn what_is_short_for_something_else_is_written_out() {
    for (short, long) in [
        (json!([["a", "=?", false], ["b", "=", 1]]), json!([["b", "=", 1]])),
        (json!([["a", "=?", 7]]), json!([["a", "=", 7]])),
        (json!([["a", "not =like", "x%"]]), json!(["!", ["a", "=like", "x%"]])),
        (json!(["!", ["a", "not =ilike", "x"]]), json!(["!", "!", ["a", "=ilike", "x"]])),
    ] {
        assert_eq!(Domain::parse(&short).unwrap().to_odoo_json(), long);
    }
}

#[test]
fn connectives_bind_in_prefix_order() {
    assert_eq!(found(&json!(["|", ["id", "=", 1], ["id", "=", 2]])), [1, 2]);
    assert_eq!(found(&json!(["!", ["id", "=", 1]])), [2, 3]);
    assert_eq!(found(&json!(["|", "&", ["id", "=", 1], ["rank", "=", 0], ["id", "=", 3]])), [1, 3]);
    assert_eq!(found(&json!([["active", "=", true], "|", ["id", "=", 2], ["id", "=", 3]])), [2]);
    assert_eq!(found(&json!(["!", "|", ["id", "=", 1], ["id", "=", 2], ["id", "!=", 9]])), [3]);
    assert_eq!(found(&json!([["active", "=", true], ["|", ["id", "=", 2], ["id", "=", 3]]])), [2]);
    assert_eq!(found(&json!(["|", [["id", "=", 1], ["rank", "=", 5]], ["id", "=", 3]])), [3]);
}

#[test]
fn a_long_chain_is_read_without_depth() {
    let mut items = vec![Value::from("|"); 999];
    items.extend((1..=1000).map(|id| json!(["id", "=", id])));
    assert_eq!(found(&Value::Array(items)), [1, 2, 3]);
}

#[test]
fn errors_say_what_and_where() {
    let nested = (0..200).fold(json!(["a", "=", 1]), |inner, _| json!([inner]));
    let negations = json!((0..100).map(|_| json!("!")).chain([json!(["a", "=", 1])]).collect::<Vec<_>>());
    let many = json!((0..=CONDITIONS_MAX).map(|n| json!(["a", "=", n])).collect::<Vec<_>>());
    let values: Vec<usize> = (0..=VALUES_MAX).collect();
    for (domain, text) in [
        (json!("[('a','=',1)]"), "domain: a domain is a list"),
        (json!({}), "domain: a domain is a list"),
        (json!(["a", "=", 1]), "domain[2]: a condition is a list of three"),
        (json!(["a"]), "domain[0]: 'a' is no connective"),
        (json!([["a", "=", 1], "&", ["b", "=", 1]]), "domain[1]: '&' stands before too few conditions"),
        (json!(["!"]), "domain[0]: '!' stands before too few"),
        (json!([["a", "~~", 1]]), "domain[0][1]: there is no operator '~~'"),
        (json!([["a", 5, 1]]), "domain[0][1]: there is no operator '5'"),
        (json!([["a b", "=", 1]]), "domain[0][0]: 'a b' is no field path"),
        (json!([["a..b", "=", 1]]), "domain[0][0]: 'a..b' is no field path"),
        (json!([["a", "="]]), "domain[0]: a condition is a list of three"),
        (json!([["a", "=", 1, 2]]), "domain[0]: a condition is a list of three"),
        (json!([7]), "domain[0]: a condition is a list of three"),
        (json!([["x", "any", 5]]), "domain[0][2]: a domain is a list"),
        (json!([["x", "any", [["b", "=", 1], ["c", "~", 1]]]]), "domain[0][2][1][1]: there is no operator '~'"),
        (json!([["x", "child_of", "abc"]]), "domain[0][2]: 'child_of' asks for a record id"),
        (json!([["x", ">", [1]]]), "domain[0][2]: '>' asks for one value"),
        (json!([["x", "ilike", ["a"]]]), "domain[0][2]: 'ilike' asks for a text"),
        (json!([["x", "=", {"a": 1}]]), "domain[0][2]: '=' asks for a plain value"),
        (json!([["x", "in", values]]), "domain[0][2]: more than 20000 values"),
        (json!([nested]), ": more than 32 levels"),
        (negations, "more than 32 levels"),
        (many, "more than 2000 conditions"),
    ] {
        let error = Domain::parse(&domain).unwrap_err().to_string();
        assert!(error.contains(text), "{error}\nis not\n{text}");
    }
}

#[test]
fn an_unknown_field_is_an_error_and_not_a_miss() {
    let world = world();
    let domain = Domain::parse(&json!([["nosuch", "=", 1]])).unwrap();
    assert_eq!(domain.matches(Row { world: &world, id: 1 }).unwrap_err().0, "nosuch");
}

fn operand(operator: Operator) -> BoxedStrategy<Value> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "[a-z%_\\\\]{0,6}".prop_map(Value::from)
    ];
    match operator {
        Operator::In | Operator::NotIn => prop::collection::vec(scalar, 0..4).prop_map(Value::from).boxed(),
        Operator::ChildOf | Operator::ParentOf => prop::collection::vec(1..50_i64, 0..4).prop_map(Value::from).boxed(),
        _ => scalar.boxed(),
    }
}

fn domains() -> impl Strategy<Value = Domain> {
    let leaf = (prop::sample::select(&SPELLINGS[..]), "[a-z]{1,4}(\\.[a-z]{1,4}){0,2}").prop_flat_map(
        |((_, operator), path)| {
            let operator =
                if matches!(operator, Operator::Any | Operator::NotAny) { Operator::Equal } else { operator };
            operand(operator).prop_map(move |value| Domain::condition(path.clone(), operator, value))
        },
    );
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Domain::all_of),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Domain::any_of),
            inner.clone().prop_map(|member| Domain::Not(Box::new(member))),
            (inner, any::<bool>()).prop_map(|(member, not)| Domain::Condition(Condition {
                path: "line_ids".to_owned(),
                operator: if not { Operator::NotAny } else { Operator::Any },
                operand: Operand::Domain(Box::new(member)),
            })),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(domain in domains()) {
        prop_assert_eq!(Domain::parse(&domain.to_odoo_json()).unwrap(), domain);
    }

    #[test]
    fn patterns_agree_with_their_plain_meaning(text in "[ab%_]{0,8}", part in "[ab]{0,3}") {
        prop_assert_eq!(pattern::is_like(&text, &format!("%{part}%"), false), text.contains(&part));
        prop_assert!(pattern::is_like(&text, "%", false));
        prop_assert_eq!(pattern::is_like(&text, "_", false), text.chars().count() == 1);
    }
}
