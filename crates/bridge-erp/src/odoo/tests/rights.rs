//! Which models a user may read.

use super::*;

fn models(names: &[&str]) -> Vec<ModelName> {
    names.iter().map(|name| model(name)).collect()
}

/// An Odoo without an event table, whose user 6 is in the groups 1 and 9.
fn without_add_on(groups_field: &'static str, users: &Value, grants: Answer) -> impl Fn(&Request) -> Answer + use<> {
    let users = users.clone();
    odoo(move |request| {
        let (model, method) = request.called();
        match (model.as_str(), method.as_str()) {
            ("update.webhook", _) => error_with("builtins.KeyError", &json!(["update.webhook"])),
            ("res.users", "fields_get") => result(json!({groups_field: {"type": "many2many"}})),
            ("res.users", _) => result(users.clone()),
            ("ir.model", _) => result(json!([{"id": 10, "model": "sale.order"}, {"id": 11, "model": "res.partner"}])),
            ("ir.model.access", _) => {
                let domain = &request.params()["kwargs"]["domain"];
                assert_eq!(domain[0], json!(["model_id", "in", [10, 11]]));
                assert_eq!(domain[5], json!(["group_id", "in", [1, 9]]));
                grants.clone()
            }
            other => panic!("{other:?}"),
        }
    })
}

#[tokio::test]
async fn our_add_on_is_asked_and_only_what_was_asked_for_comes_back() {
    let server = Server::start(odoo(|request| match request.called().1.as_str() {
        "bridgecore_info" => result(json!({"epoch": "e", "max_id": false})),
        "readable_models" => {
            assert_eq!(request.params()["args"], json!([6, ["sale.order", "res.partner"]]));
            result(json!(["res.partner", "account.move"]))
        }
        other => panic!("{other}"),
    }))
    .await;
    let readable = adapter(&server).readable_models(6, &models(&["sale.order", "res.partner"])).await.unwrap();
    assert_eq!(readable, models(&["res.partner"]));
}

#[tokio::test]
async fn without_it_the_table_of_rights_decides() {
    for groups_field in ["all_group_ids", "groups_id"] {
        let users = json!([{"id": 6, groups_field: [1, 9]}]);
        let grants = result(json!([{"id": 1, "model_id": [11, "Contact"]}]));
        let server = Server::start(without_add_on(groups_field, &users, grants)).await;
        let asked = models(&["sale.order", "res.partner", "no.such"]);
        assert_eq!(adapter(&server).readable_models(6, &asked).await.unwrap(), models(&["res.partner"]));
    }
}

#[tokio::test]
async fn nobody_reads_nothing_and_what_is_not_known_is_an_error() {
    let asked = models(&["sale.order", "res.partner"]);
    let server = Server::start(without_add_on("groups_id", &json!([]), result(json!([])))).await;
    assert_eq!(adapter(&server).readable_models(6, &asked).await.unwrap(), []);

    let users = json!([{"id": 6, "groups_id": [1, 9]}]);
    let refused = error("odoo.exceptions.AccessError");
    let server = Server::start(without_add_on("groups_id", &users, refused)).await;
    assert_eq!(adapter(&server).readable_models(6, &asked).await.unwrap_err().kind, ErpErrorKind::AccessDenied);

    let server = Server::start(without_add_on("groups", &users, result(json!([])))).await;
    assert_eq!(adapter(&server).readable_models(6, &asked).await.unwrap_err().kind, ErpErrorKind::Protocol);
}
