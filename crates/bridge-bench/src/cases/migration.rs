//! Records carried from Odoo 13.0 to 19.0 in memory, beside what merely copying and writing them takes.

use super::Bench;
use crate::report::Goal;
use crate::stats::{count, median};
use crate::time::now;
use anyhow::Context as _;
use bridge_model::migration::{PackName, Record, RulePacks, Tally, Version};
use serde_json::{Value, json};
use std::hint::black_box;

/// How many records are carried over.
const RECORDS: usize = 100_000;

pub(super) fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let packs = RulePacks::new().context("read the rule packs")?;
    let plan = packs.get(PackName::Odoo).plan("res.partner", Version::V13, Version::V19);
    let records: Vec<Record> = (0..RECORDS).map(partner).collect();
    let (mut carried_s, mut copied_s, mut written_s) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.args.rounds {
        let begin = now();
        let copy = black_box(records.clone());
        copied_s.push((now() - begin).as_secs_f64());

        let mut tally = Tally::default();
        let begin = now();
        let carried: Result<Vec<Record>, _> = copy.into_iter().map(|record| plan.apply(record, &mut tally)).collect();
        carried_s.push((now() - begin).as_secs_f64());
        let carried = carried?;
        anyhow::ensure!(tally.records() == 100_000 && carried[7].get("mobile").is_none(), "nothing was carried over");

        let begin = now();
        let text = serde_json::to_vec(&records)?;
        let read: Vec<Record> = serde_json::from_slice(&text)?;
        written_s.push((now() - begin).as_secs_f64());
        black_box((carried, read));
    }
    let carried = median(carried_s);
    let rate = count(RECORDS) / carried;
    eprintln!(
        "  migration: {carried:.3} s ({rate:.0} records/s); floors: a copy {:.3} s, written and read as JSON {:.3} s",
        median(copied_s.iter().copied()),
        median(written_s.iter().copied())
    );
    bench.report.goal(Goal::at_most("100,000 partner records from Odoo 13.0 to 19.0 in memory, s", 1.0, carried));
    let ratio = carried / median(written_s);
    bench.report.goal(Goal::at_most("the same, as a part of writing and reading the records as JSON", 1.0, ratio));
    Ok(())
}

/// A contact as Odoo 13.0 gives it to an app: most fields stay, some change on the way.
fn partner(number: usize) -> Record {
    let record = json!({
        "id": number,
        "name": format!("Contact {number}"),
        "display_name": format!("Company {}, Contact {number}", number / 10),
        "email": format!("contact{number}@example.com"),
        "phone": format!("+1 555 {number:06}"),
        "mobile": if number.is_multiple_of(2) { json!(format!("+1 556 {number:06}")) } else { Value::Null },
        "comment": format!("Called on Monday.\nWants an offer for {number} pieces & more."),
        "type": "contact",
        "street": format!("{number} Main Street"),
        "street2": null,
        "city": "Springfield",
        "zip": "12345",
        "country_id": 233,
        "state_id": 12,
        "lang": "en_US",
        "vat": format!("US{number:09}"),
        "is_company": false,
        "parent_id": number / 10,
        "category_id": [1, 4],
        "user_id": 2,
        "title": 3,
        "team_id": 1,
        "credit_limit": 0.0,
        "active": true,
        "create_date": "2020-03-02T09:00:00Z",
        "write_date": "2024-03-02T09:00:00Z",
    });
    match record {
        Value::Object(record) => record,
        _ => Record::new(),
    }
}
