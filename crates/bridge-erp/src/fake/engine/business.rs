//! What the applications do: numbers, prices, totals, confirmations.

use super::attachments;
use super::cell::{Cell, Row};
use super::schema::WRITE_DATE;
use super::work::{Values, Work};
use crate::fake::refusal::Refusal;
use serde_json::{Value, json};

/// Fills in what a new record does not bring along.
pub(in crate::fake) fn prepare(
    work: &mut Work<'_>,
    model: usize,
    id: i64,
    row: &mut Row,
    values: &Values,
) -> Result<(), Refusal> {
    let schema = work.schema();
    let def = &schema.models[model];
    let place = |name: &str| def.find(name);
    let kind = place("picking_type_code").and_then(|at| row[at].as_text()).unwrap_or_default();
    let number = match (def.name.as_str(), kind) {
        ("sale.order", _) => Some(format!("S{id:05}")),
        ("purchase.order", _) => Some(format!("P{id:05}")),
        ("stock.picking", "incoming") => Some(format!("WH/IN/{id:05}")),
        ("stock.picking", "internal") => Some(format!("WH/INT/{id:05}")),
        ("stock.picking", _) => Some(format!("WH/OUT/{id:05}")),
        _ => None,
    };
    if let (Some(number), Some(at)) = (number, place("name"))
        && row[at] == Cell::Unset
    {
        row[at] = Cell::text(&number);
    }
    match def.name.as_str() {
        "product.product" if !values.contains_key("product_tmpl_id") => {
            let template = work.model("product.template")?;
            let fields = &schema.models[template];
            let own = |name: &&String| fields.find(name).is_some() && name.as_str() != "product_variant_ids";
            let template_values: Values = values
                .iter()
                .filter(|(name, _)| own(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            let mut template_values = template_values;
            // The variant that asks for the template is its variant: the template must not make another.
            template_values.insert("product_variant_ids".to_owned(), json!([]));
            let template = work.create(template, &template_values)?;
            if let Some(at) = place("product_tmpl_id") {
                row[at] = Cell::One(template);
            }
        }
        attachments::ATTACHMENT => attachments::prepare(work, model, row, values)?,
        "sale.order.line" | "purchase.order.line" => fill_line(work, model, row, values),
        "res.users" if !values.contains_key("partner_id") => {
            let partner = work.model("res.partner")?;
            let name = values.get("name").or(values.get("login")).cloned().unwrap_or(Value::Null);
            let email = values.get("email").cloned().unwrap_or(Value::Null);
            let values = Values::from_iter([("name".to_owned(), name), ("email".to_owned(), email)]);
            let partner = work.create(partner, &values)?;
            if let Some(at) = place("partner_id") {
                row[at] = Cell::One(partner);
            }
        }
        _ => {}
    }
    Ok(())
}

/// A line takes its words and its price from its product.
fn fill_line(work: &Work<'_>, model: usize, row: &mut Row, values: &Values) {
    let def = &work.state.schema.models[model];
    let (Some(product), Some(name), Some(price)) = (def.find("product_id"), def.find("name"), def.find("price_unit"))
    else {
        return;
    };
    let products = work.state.schema.find("product.product");
    let Some(one) = products.zip(row[product].as_one()).and_then(|(model, id)| work.view().get(model, id)) else {
        return;
    };
    if row[name] == Cell::Unset {
        row[name] = Cell::text(&one.name());
    }
    if !values.contains_key("price_unit") {
        let from = if def.name == "sale.order.line" { "list_price" } else { "standard_price" };
        row[price] = Cell::Float(one.cell(from).as_float());
    }
}

/// Works out what depends on what was written.
pub(in crate::fake) fn after(work: &mut Work<'_>, model: usize, id: i64, names: &[&str]) -> Result<(), Refusal> {
    let schema = work.schema();
    let def = &schema.models[model];
    let place = |name: &str| def.find(name).unwrap_or(WRITE_DATE);
    match def.name.as_str() {
        "sale.order.line" | "purchase.order.line" => {
            let quantity = if def.name == "sale.order.line" { "product_uom_qty" } else { "product_qty" };
            let line = work.get(model, id)?;
            let discount = 1.0 - line.cell("discount").as_float() / 100.0;
            let subtotal = cents(line.cell(quantity).as_float() * line.cell("price_unit").as_float() * discount);
            let cells =
                vec![(place("price_subtotal"), Cell::Float(subtotal)), (place("price_total"), Cell::Float(subtotal))];
            work.set(model, id, cells)?;
        }
        "product.template" if !names.contains(&"product_variant_ids") => {
            let variants = work.model("product.product")?;
            let tmpl = schema.models[variants].find("product_tmpl_id").unwrap_or(WRITE_DATE);
            if work.view().pointing(variants, tmpl, id).is_empty() {
                let template = work.get(model, id)?;
                let mut values = Values::from_iter([("product_tmpl_id".to_owned(), json!(id))]);
                for name in ["default_code", "barcode"] {
                    if let Some(text) = template.cell(name).as_text() {
                        values.insert(name.to_owned(), json!(text));
                    }
                }
                let cost = template.cell("standard_price").as_float();
                values.insert("standard_price".to_owned(), json!(cost));
                work.create(variants, &values)?;
            }
        }
        "uom.uom" => {
            let unit = work.get(model, id)?;
            let above = unit.follow(place("relative_uom_id")).map_or(1.0, |above| above.cell("factor").as_float());
            let factor = unit.cell("relative_factor").as_float() * above;
            work.set(model, id, vec![(place("factor"), Cell::Float(factor))])?;
        }
        "stock.quant" => {
            let quant = work.get(model, id)?;
            let available = quant.cell("quantity").as_float() - quant.cell("reserved_quantity").as_float();
            work.set(model, id, vec![(place("available_quantity"), Cell::Float(available))])?;
        }
        "stock.location" => {
            let location = work.get(model, id)?;
            let own = location.cell("name").as_text().unwrap_or_default();
            let full = match location.follow(place("location_id")) {
                Some(above) => format!("{}/{own}", above.name()),
                None => own.to_owned(),
            };
            work.set(model, id, vec![(place("complete_name"), Cell::text(&full))])?;
        }
        "res.users" => {
            let groups = with_implied(work, work.get(model, id)?.cell("group_ids").as_many())?;
            work.set(model, id, vec![(place("all_group_ids"), Cell::Many(groups.into()))])?;
        }
        _ => {}
    }
    Ok(())
}

/// Works out what depends on a record in others, whose events come after its own.
pub(in crate::fake) fn after_event(work: &mut Work<'_>, model: usize, id: i64) -> Result<(), Refusal> {
    let schema = work.schema();
    match schema.models[model].name.as_str() {
        name @ ("sale.order.line" | "purchase.order.line") => {
            let order = work.get(model, id)?.cell("order_id").as_one();
            total(work, name.trim_end_matches(".line"), order)
        }
        _ => Ok(()),
    }
}

/// The groups and those that they imply.
fn with_implied(work: &Work<'_>, groups: &[i64]) -> Result<Vec<i64>, Refusal> {
    let model = work.model("res.groups")?;
    let mut all = groups.to_vec();
    let mut next = 0;
    while let Some(group) = all.get(next).copied() {
        if let Some(one) = work.view().get(model, group) {
            for implied in one.cell("implied_ids").as_many() {
                if !all.contains(implied) {
                    all.push(*implied);
                }
            }
        }
        next += 1;
    }
    all.sort_unstable();
    Ok(all)
}

/// Adds up the lines of an order.
fn total(work: &mut Work<'_>, orders: &str, order: Option<i64>) -> Result<(), Refusal> {
    let model = work.model(orders)?;
    let Some(one) = order.and_then(|id| work.view().get(model, id)) else { return Ok(()) };
    let def = &one.view.schema.models[model];
    let place = |name: &str| def.find(name).unwrap_or(WRITE_DATE);
    let sum = cents(one.related(place("order_line")).iter().map(|line| line.cell("price_subtotal").as_float()).sum());
    let names = ["amount_untaxed", "amount_total"];
    let changed: Vec<&'static str> = names.into_iter().filter(|name| one.cell(name) != &Cell::Float(sum)).collect();
    let cells: Vec<_> = changed.iter().map(|name| (place(name), Cell::Float(sum))).collect();
    let id = one.id;
    if changed.is_empty() {
        return Ok(());
    }
    work.set(model, id, cells)?;
    super::addon::track_computed(work, model, id, &changed)
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

/// Refuses to delete what must be kept.
pub(in crate::fake) fn before_unlink(work: &Work<'_>, model: usize, id: i64) -> Result<(), Refusal> {
    let one = work.get(model, id)?;
    let state = one.cell("state").as_text().unwrap_or_default();
    match (work.state.schema.models[model].name.as_str(), state) {
        ("sale.order", "sale" | "sent") => Err(Refusal::user(
            "You can not delete a sent quotation or a confirmed sales order. You must first cancel it.",
        )),
        ("purchase.order", "purchase" | "sent" | "to approve") => {
            Err(Refusal::user("In order to delete a purchase order, you must cancel it first."))
        }
        ("account.move", "posted") => Err(Refusal::user("You cannot delete a posted entry.")),
        ("res.users", _) if id == super::rights::SUPERUSER => Err(Refusal::user(
            "You can not remove the admin user as it is used internally for resources created by Odoo (updates, module installation, ...)",
        )),
        _ => Ok(()),
    }
}

/// The record above one that is about to go: an order for its line, a template for its variant.
pub(in crate::fake) fn note_before_unlink(work: &Work<'_>, model: usize, id: i64) -> Option<i64> {
    let one = work.view().get(model, id)?;
    one.cell("order_id").as_one().or_else(|| one.cell("product_tmpl_id").as_one())
}

/// Works out what depends on a record that has gone.
pub(in crate::fake) fn after_unlink(work: &mut Work<'_>, model: usize, above: Option<i64>) -> Result<(), Refusal> {
    let schema = work.schema();
    match (schema.models[model].name.as_str(), above) {
        (name @ ("sale.order.line" | "purchase.order.line"), order) => {
            total(work, name.trim_end_matches(".line"), order)
        }
        ("product.product", Some(template)) => {
            let templates = work.model("product.template")?;
            let tmpl = schema.models[model].find("product_tmpl_id").unwrap_or(WRITE_DATE);
            let is_last = work.view().pointing(model, tmpl, template).is_empty();
            if is_last && work.view().get(templates, template).is_some() {
                work.unlink(templates, &[template])
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }
}

/// Runs a button of an application; `None` if the model has no such method. The answer is what Odoo answers.
pub(in crate::fake) fn act(
    work: &mut Work<'_>,
    model: usize,
    method: &str,
    ids: &[i64],
) -> Option<Result<Option<Value>, Refusal>> {
    let name = work.state.schema.models[model].name.clone();
    let step: fn(&mut Work<'_>, usize, i64) -> Result<(), Refusal> = match (name.as_str(), method) {
        ("sale.order", "action_confirm") => confirm_sale,
        ("purchase.order", "button_confirm" | "action_confirm") => confirm_purchase,
        ("sale.order" | "stock.picking", "action_cancel") | ("purchase.order", "button_cancel") => {
            |work, model, id| put_state(work, model, id, "cancel", &[])
        }
        ("sale.order", "action_draft") | ("purchase.order", "button_draft") => {
            |work, model, id| put_state(work, model, id, "draft", &[])
        }
        ("stock.picking", "button_validate") => validate_picking,
        ("account.move", "action_post") => post_invoice,
        (_, "message_subscribe" | "toggle_active") => |work, model, id| work.get(model, id).map(|_| ()),
        (_, "message_unsubscribe") => |work, model, id| work.get(model, id).map(|_| ()),
        _ => return None,
    };
    for id in ids {
        if let Err(refusal) = work.get(model, *id).map(|_| ()).and_then(|()| step(work, model, *id)) {
            return Some(Err(refusal));
        }
    }
    // Methods without a result of their own answer neither a result nor an error.
    let silent = matches!(method, "message_unsubscribe" | "button_draft" | "action_post");
    Some(Ok((!silent).then_some(Value::Bool(true))))
}

fn put_state(work: &mut Work<'_>, model: usize, id: i64, state: &str, also: &[(&str, Value)]) -> Result<(), Refusal> {
    let mut values = Values::from_iter([("state".to_owned(), json!(state))]);
    values.extend(also.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    work.write(model, &[id], &values)
}

fn confirm_sale(work: &mut Work<'_>, model: usize, id: i64) -> Result<(), Refusal> {
    let state = work.get(model, id)?.cell("state").as_text().unwrap_or_default().to_owned();
    if !matches!(state.as_str(), "draft" | "sent") {
        return Err(Refusal::user("Some orders are not in a state requiring confirmation."));
    }
    let now = json!(work.now.to_odoo());
    put_state(work, model, id, "sale", &[("date_order", now)])?;
    transfer(work, model, id, "outgoing")
}

fn confirm_purchase(work: &mut Work<'_>, model: usize, id: i64) -> Result<(), Refusal> {
    let state = work.get(model, id)?.cell("state").as_text().unwrap_or_default().to_owned();
    if !matches!(state.as_str(), "draft" | "sent" | "to approve") {
        return Ok(());
    }
    let now = json!(work.now.to_odoo());
    put_state(work, model, id, "purchase", &[("date_approve", now)])?;
    transfer(work, model, id, "incoming")
}

/// Makes the transfer that an order asks for.
fn transfer(work: &mut Work<'_>, orders: usize, id: i64, code: &str) -> Result<(), Refusal> {
    let pickings = work.model("stock.picking")?;
    let outgoing = code == "outgoing";
    let (quantity, link) = if outgoing { ("product_uom_qty", "sale_id") } else { ("product_qty", "purchase_id") };
    let order = work.get(orders, id)?;
    let lines = work.state.schema.models[orders].find("order_line").map_or_else(Vec::new, |at| order.related(at));
    let moves: Vec<Value> = lines
        .iter()
        .filter_map(|line| {
            let product = line.cell("product_id").as_one()?;
            let demand = line.cell(quantity).as_float();
            Some(json!([0, 0, {"product_id": product, "product_uom_qty": demand, "state": "assigned"}]))
        })
        .collect();
    if moves.is_empty() {
        return Ok(());
    }
    let (name, partner) = (order.name().into_owned(), order.cell("partner_id").as_one());
    let Value::Object(mut values) = json!({"origin": name, "partner_id": partner, "picking_type_code": code, "state": "assigned", "move_ids": moves})
    else {
        return Ok(());
    };
    values.insert(link.to_owned(), json!(id));
    work.create(pickings, &values).map(|_| ())
}

fn validate_picking(work: &mut Work<'_>, model: usize, id: i64) -> Result<(), Refusal> {
    let picking = work.get(model, id)?;
    if matches!(picking.cell("state").as_text(), Some("done" | "cancel")) {
        return Err(Refusal::user("You can not validate a transfer that is done or cancelled."));
    }
    let moves = work.state.schema.models[model].find("move_ids").map_or_else(Vec::new, |at| picking.related(at));
    let moves: Vec<(i64, f64)> = moves.iter().map(|one| (one.id, one.cell("product_uom_qty").as_float())).collect();
    let model_of_moves = work.model("stock.move")?;
    for (one, demand) in moves {
        put_state(work, model_of_moves, one, "done", &[("quantity", json!(demand))])?;
    }
    let now = json!(work.now.to_odoo());
    put_state(work, model, id, "done", &[("date_done", now)])
}

fn post_invoice(work: &mut Work<'_>, model: usize, id: i64) -> Result<(), Refusal> {
    let invoice = work.get(model, id)?;
    if invoice.cell("state").as_text() != Some("draft") {
        return Err(Refusal::user("The entry must be in draft."));
    }
    let today = work.now.to_odoo();
    let number = format!("INV/{}/{id:05}", today.get(..4).unwrap_or_default());
    put_state(work, model, id, "posted", &[("name", json!(number)), ("invoice_date", json!(today.get(..10)))])
}
