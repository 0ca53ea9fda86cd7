//! What happens in the demo company by itself.

use super::Shared;
use super::engine::business;
use super::engine::view::Handle;
use super::engine::work::{Values, Work};
use super::refusal::Refusal;
use bridge_model::Entropy;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const CITIES: [&str; 8] = ["Casablanca", "Rabat", "Lyon", "Marseille", "Tanger", "Tunis", "Bruxelles", "Dubai"];

/// Lets something happen every `interval`.
pub(super) async fn run(shared: Arc<Shared>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let what = happen(&shared);
        tracing::debug!(what, "demo ERP");
    }
}

/// Lets one thing happen, by the seed, and says what it was.
pub(super) fn happen(shared: &Shared) -> &'static str {
    let dice = Dice(&shared.entropy);
    let order: [(&str, Act); 6] = [
        ("an order was confirmed", confirm_order),
        ("an order got another line", add_line),
        ("a new quotation was made", new_order),
        ("a contact was edited", edit_partner),
        ("a transfer was done", finish_picking),
        ("a product got another price", reprice),
    ];
    // Salespeople and the stock clerk do most of the work.
    let uid = *dice.pick(&[2, 6, 6, 7]).unwrap_or(&2);
    let first = dice.below(order.len());
    shared.work(|state, now| {
        for step in 0..order.len() {
            let (what, act) = order[(first + step) % order.len()];
            let mut work = Work::begin(state, uid, now);
            // What finds nothing to do leaves the turn to the next.
            if act(&mut work, &dice).is_ok_and(|done| done) {
                work.commit();
                return what;
            }
        }
        "nothing"
    })
}

/// Whether there was something to do.
type Step = Result<bool, Refusal>;
type Act = fn(&mut Work<'_>, &Dice<'_>) -> Step;

struct Dice<'a>(&'a dyn Entropy);

impl Dice<'_> {
    fn below(&self, count: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(0) % count.max(1)
    }

    fn pick<'t, T>(&self, items: &'t [T]) -> Option<&'t T> {
        items.get(self.below(items.len()))
    }
}

/// The newest records of a model that pass a test; enough to choose from without walking a long table.
fn some(work: &Work<'_>, model: usize, test: impl Fn(&Handle<'_>) -> bool) -> Vec<i64> {
    work.view().all(model).rev().take(500).filter(|one| test(one)).take(20).map(|one| one.id).collect()
}

fn state_is(states: &'static [&'static str]) -> impl Fn(&Handle<'_>) -> bool {
    move |one| one.cell("state").as_text().is_some_and(|state| states.contains(&state))
}

fn confirm_order(work: &mut Work<'_>, dice: &Dice<'_>) -> Step {
    let model = work.model("sale.order")?;
    let drafts = some(work, model, state_is(&["draft", "sent"]));
    let Some(id) = dice.pick(&drafts) else { return Ok(false) };
    business::act(work, model, "action_confirm", &[*id]).transpose().map(|done| done.is_some())
}

fn add_line(work: &mut Work<'_>, dice: &Dice<'_>) -> Step {
    let (orders, lines) = (work.model("sale.order")?, work.model("sale.order.line")?);
    let drafts = some(work, orders, state_is(&["draft", "sent"]));
    let (Some(order), Some(product)) = (dice.pick(&drafts), product(work, dice)?) else { return Ok(false) };
    work.create(lines, &line(*order, product, dice))?;
    Ok(true)
}

fn line(order: i64, product: i64, dice: &Dice<'_>) -> Values {
    Values::from_iter([
        ("order_id".to_owned(), json!(order)),
        ("product_id".to_owned(), json!(product)),
        ("product_uom_qty".to_owned(), json!(1 + dice.below(9))),
    ])
}

fn product(work: &Work<'_>, dice: &Dice<'_>) -> Result<Option<i64>, Refusal> {
    let model = work.model("product.product")?;
    Ok(dice.pick(&some(work, model, |one| one.cell("active").as_bool())).copied())
}

fn new_order(work: &mut Work<'_>, dice: &Dice<'_>) -> Step {
    let (orders, partners) = (work.model("sale.order")?, work.model("res.partner")?);
    let customers = some(work, partners, |one| one.cell("customer_rank").as_int() > 0);
    let (Some(partner), Some(product)) = (dice.pick(&customers), product(work, dice)?) else { return Ok(false) };
    let lines = json!([[0, 0, {"product_id": product, "product_uom_qty": 1 + dice.below(9)}]]);
    let values = Values::from_iter([("partner_id".to_owned(), json!(partner)), ("order_line".to_owned(), lines)]);
    work.create(orders, &values)?;
    Ok(true)
}

fn edit_partner(work: &mut Work<'_>, dice: &Dice<'_>) -> Step {
    let model = work.model("res.partner")?;
    let partners = some(work, model, |one| one.cell("customer_rank").as_int() > 0);
    let Some(id) = dice.pick(&partners) else { return Ok(false) };
    let (name, value) = if dice.below(2) == 0 {
        ("city", json!(CITIES[dice.below(CITIES.len())]))
    } else {
        ("phone", json!(format!("+212 522 {:06}", dice.below(1_000_000))))
    };
    work.write(model, &[*id], &Values::from_iter([(name.to_owned(), value)]))?;
    Ok(true)
}

fn finish_picking(work: &mut Work<'_>, dice: &Dice<'_>) -> Step {
    let model = work.model("stock.picking")?;
    let ready = some(work, model, state_is(&["assigned"]));
    let Some(id) = dice.pick(&ready) else { return Ok(false) };
    business::act(work, model, "button_validate", &[*id]).transpose().map(|done| done.is_some())
}

fn reprice(work: &mut Work<'_>, dice: &Dice<'_>) -> Step {
    let model = work.model("product.template")?;
    let products = some(work, model, |one| one.cell("active").as_bool());
    let Some(id) = dice.pick(&products) else { return Ok(false) };
    let price = work.get(model, *id)?.cell("list_price").as_float();
    let factor = [0.9, 0.95, 1.05, 1.1][dice.below(4)];
    let price: Value = json!((price * factor * 100.0).round() / 100.0);
    work.write(model, &[*id], &Values::from_iter([("list_price".to_owned(), price)]))?;
    Ok(true)
}
