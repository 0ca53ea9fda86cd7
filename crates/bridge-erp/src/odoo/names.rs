//! The names of the arguments that callers give by place, for the protocol that knows arguments by name alone.

/// The names of a method's arguments in their order, as Odoo 19 has them, where they are known. `ids` stands for the
/// records that the method works on.
pub(super) fn names_of(model: &str, method: &str) -> Option<&'static [&'static str]> {
    let names: &[&str] = match (model, method) {
        ("update.webhook", "pull_events") => &["last_event_id", "models", "limit", "priority"],
        ("update.webhook", "events_by_ids" | "mark_batch_as_processed") => &["event_ids"],
        ("update.webhook", "create_manual_events") => &["model", "record_ids"],
        ("update.webhook", "readable_models") => &["user_id", "models"],
        ("update.webhook", "cleanup_old_events") => &["days"],
        ("update.webhook", "bridgecore_info" | "get_statistics") => &[],
        ("user.sync.state", "get_or_create_state") => {
            &["user_id", "device_id", "app_type", "device_info", "app_version"]
        }
        ("user.sync.state", "update_sync_state") => &["user_id", "device_id", "last_event_id", "events_synced"],
        ("user.sync.state", "reset_sync_state") => &["user_id", "device_id", "app_type"],
        ("bridgecore.idempotency", "execute") => &["key", "model", "method", "args", "kwargs"],
        ("bridgecore.idempotency", "lookup") => &["key"],
        (_, "search") => &["domain", "offset", "limit", "order"],
        (_, "search_count") => &["domain", "limit"],
        (_, "search_read") => &["domain", "fields", "offset", "limit", "order"],
        (_, "web_search_read") => &["domain", "specification", "offset", "limit", "order", "count_limit"],
        (_, "read_group") => &["domain", "fields", "groupby", "offset", "limit", "orderby", "lazy"],
        (_, "formatted_read_group") => &["domain", "groupby", "aggregates", "having", "offset", "limit", "order"],
        (_, "read") => &["ids", "fields", "load"],
        (_, "web_read") => &["ids", "specification"],
        (_, "web_save") => &["ids", "vals", "specification", "next_id"],
        (_, "onchange") => &["ids", "values", "field_names", "fields_spec"],
        (_, "export_data") => &["ids", "fields_to_export"],
        (_, "create") => &["vals_list"],
        (_, "write") => &["ids", "vals"],
        (_, "copy") => &["ids", "default"],
        (_, "load") => &["fields", "data"],
        (_, "default_get") => &["fields"],
        (_, "fields_get") => &["allfields", "attributes"],
        (_, "name_search") => &["name", "domain", "operator", "limit"],
        (_, "name_create") => &["name"],
        (_, "has_access" | "check_access_rule") => &["ids", "operation"],
        (_, "check_access_rights") => &["operation", "raise_exception"],
        (_, "message_subscribe") => &["ids", "partner_ids", "subtype_ids"],
        (_, "message_unsubscribe") => &["ids", "partner_ids"],
        (
            _,
            "unlink"
            | "get_metadata"
            | "action_archive"
            | "action_unarchive"
            | "action_confirm"
            | "action_cancel"
            | "action_draft"
            | "action_post"
            | "action_assign"
            | "action_lock"
            | "action_unlock"
            | "action_quotation_send"
            | "button_confirm"
            | "button_cancel"
            | "button_draft"
            | "button_approve"
            | "button_validate"
            | "message_post",
        ) => &["ids"],
        _ => return None,
    };
    Some(names)
}
