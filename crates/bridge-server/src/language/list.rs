//! Every message there is, each with what is filled into it. A new one gets a line here and its text in the Fluent file
//! of each language; what nobody says any more, the compiler reports.

use super::message::{Argument, Message, Number, Reason, Text};

macro_rules! messages {
    ($type:ident: $($id:ident($($argument:ident: $kind:ident),*);)+) => {
        impl $type {
            $(pub(crate) fn $id($($argument: impl Into<$kind>),*) -> Self {
                Self::of(stringify!($id), vec![$((stringify!($argument), Argument::from($argument.into()))),*])
            })+

            /// The id of each message, with the name and the kind of each argument.
            #[cfg(test)]
            pub(super) const LIST: &'static [(&'static str, &'static [(&'static str, &'static str)])] =
                &[$((stringify!($id), &[$((stringify!($argument), stringify!($kind))),*])),+];
        }
    };
}

messages! { Message:
    // The service.
    internal();
    busy();
    database_away();
    value_not_storable();
    taken(what: Text);
    service_stopping();
    // Requests.
    no_such_path();
    no_such_file();
    page_not_shown();
    no_such_method(method: Text);
    body_not_json(line: Number, column: Number);
    body_not_object();
    body_not_sent_as_json();
    body_not_sent_as_form();
    form_unreadable();
    body_too_large(bytes: Number);
    body_unread();
    body_late();
    body_form();
    query_form();
    path_form();
    message_form();
    message_not_json(line: Number, column: Number);
    request_too_slow();
    too_many_requests();
    limit_reached(seconds: Number);
    // Alerts.
    alert_circuit_open(system: Text);
    alert_circuit_open_advice();
    alert_dead_letters(system: Text);
    alert_dead_letters_advice();
    alert_source_refused(system: Text, strategy: Text, code: Text);
    alert_source_refused_advice();
    alert_takeover(system: Text);
    alert_takeover_advice();
    alert_wal_lost(system: Text);
    alert_wal_lost_advice();
    alert_wal_retained(system: Text);
    alert_wal_retained_advice();
    alert_credential_ending(system: Text);
    alert_credential_ending_advice();
    alert_task_failed(system: Text);
    alert_task_failed_advice();
    alert_job_failed(job: Text);
    alert_job_failed_advice();
    alert_test();
    alert_test_advice();
    alert_over(title: Text);
    alert_kind(kind: Text);
    alert_tenant(tenant: Text);
    alert_system(system: Text);
    alert_since(time: Text);
    alert_until(time: Text);
    alert_times(times: Text);
    // Log-in and tokens.
    access_token_needed();
    refresh_token_needed();
    push_key_needed();
    push_key_not_valid();
    push_key_not_from_there(address: Text);
    push_key_from_nowhere();
    metrics_token_needed();
    token_not_valid();
    access_token_expected();
    refresh_token_expected();
    token_run_out();
    access_token_run_out();
    session_ended();
    wrong_credentials();
    too_many_log_ins(seconds: Number);
    too_many_logins();
    token_in_use();
    token_not_signed();
    password_not_checked();
    logged_out();
    // Users.
    admins_only();
    others_for_admins_only();
    no_such_user();
    last_admin_stays();
    not_oneself();
    not_ones_own_user_id();
    // Systems.
    no_such_system(system: Text);
    system_stays_primary(system: Text);
    system_too_slow(seconds: Number);
    connection_not_decrypted();
    // What an ERP, or the connection to it, said. `erp_said` has words for the user in it and is passed on as it is.
    erp_said(text: Text);
    erp_unreachable(text: Text);
    erp_too_slow(text: Text);
    erp_refused_credential(text: Text);
    erp_failed(text: Text);
    erp_record_without_id();
    erp_database(text: Text);
    // Records.
    system_not_active(system: Text);
    operation_not_allowed(operation: Text, model: Text);
    method_not_allowed(method: Text, model: Text);
    barcode_unknown();
    no_such_record(model: Text);
    no_such_attachment();
    file_too_large();
    file_type_not_taken(kind: Text);
    range_beyond_file();
    file_storage_away();
    no_such_model(model: Text);
    no_such_erp_method(model: Text);
    erp_address_private();
    erp_address_refused(kind: Text);
    erp_saturated();
    circuit_open();
    outcome_unknown();
    key_in_use();
    key_reused();
    no_such_link();
    erp_denied(text: Text);
    erp_link_refused(text: Text);
    records_deleted(count: Number);
    operation_after_failed(operation: Text);
    operation_needs_other(operation: Text);
    operation_out_of_time();
    operation_beyond_answer();
    too_many_tasks(most: Number);
    no_such_task();
    task_ended();
    task_unreadable();
    task_user_not_active();
    // The log of the ERP's database.
    wal_of_standby();
    wal_level_too_low(level: Text);
    wal_publication_missing(name: Text);
    wal_publication_unusable(name: Text, reason: Text);
    wal_publication_gone(name: Text);
    // Version migration.
    migration_field_missing(field: Text, model: Text, version: Text);
    migration_value_not_kept(field: Text, model: Text, version: Text);
    migration_computed(field: Text, model: Text, version: Text);
    migration_not_stored(field: Text, model: Text, version: Text);
    migration_required(field: Text, model: Text, version: Text);
    migration_relation_changed(field: Text, model: Text, version: Text);
    migration_conflict(field: Text, model: Text, version: Text);
    migration_manual(field: Text, model: Text, version: Text);
    migration_manual_model(model: Text, version: Text);
    migration_model_renamed(model: Text, version: Text);
    migration_model_missing(model: Text, version: Text);
    migration_no_rules(model: Text, version: Text);
    record_not_there(record: Number);
    // Field mapping.
    no_such_entity(entity: Text);
    // Sync.
    other_requests_of_device();
    not_synced_yet();
    no_sync_state(user: Text, device: Text);
    sync_token_form();
    never_handed_out();
    position_not_in_log();
    state_reset();
    answer_not_written();
    page_token_not_signed();
    page_token_too_long();
    page_token_not_ours();
    page_token_of_another();
    page_token_run_out();
    rights_unknown();
    rights_late();
    no_erp_user();
    no_erp_user_to_read_as();
    no_erp_user_in_system();
    linked_system_gone();
    linked_user_gone();
    no_system_to_read();
    primary_system_only();
    records_late();
    // Webhooks.
    too_many_events(most: Number);
    no_event_understood(reason: Text);
    no_such_dead_letter();
    retry_under_way();
    metrics_not_written();
    // Live changes.
    too_many_connections();
    websocket_expected();
    token_of_another_user();
    service_stops();
    first_message_must_be_auth();
    no_token_in_time();
    token_expired();
    user_was_changed();
    no_answer_to_heartbeats();
    client_does_not_read();
    connection_gone();
    closed_by_client();
    only_text();
    message_unreadable();
}

messages! { Reason:
    // Forms.
    is_missing();
    given_twice();
    unexpected_form();
    documented_form();
    no_documented_form();
    text();
    number();
    number_or_text();
    whole_number();
    whole_number_from_0();
    whole_number_to(most: Number);
    whole_number_in_range();
    true_or_false();
    list();
    list_of_documented_length();
    object();
    null();
    utf8();
    one_of(choices: Text);
    one_of_two(one: Text, other: Text);
    // Values.
    between(least: Number, most: Number);
    greater_than_0();
    not_empty();
    chars(least: Number, most: Number);
    one_line(most: Number);
    description(most: Number);
    printable(most: Number);
    no_zero_byte(most: Number);
    language();
    system_id_form();
    device_id_form();
    app_type_form();
    model_form();
    token_form();
    position_or_time();
    // What goes together.
    model_not_found_yet();
    model_gone();
    model_never_tracked(strategy: Text);
    strategy_not_available(strategy: Text, choices: Text);
    cursor_of_another_page();
    not_with_cursor();
    offset_at_most(most: Number);
    or_device_id();
    not_with_another_choice();
    not_with(other: Text);
    only_with(other: Text);
    unknown_entity_field(entity: Text, name: Text);
    unknown_entity_field_near(entity: Text, name: Text, nearest: Text);
    entity_field_values(name: Text, values: Text);
    entity_field_not_searched(name: Text);
    only_read();
    mapping_form();
    mapping_unusable();
    not_in_target(unknown: Text, model: Text, version: Text, pack: Text);
    or_record_ids();
    items_between(least: Number, most: Number);
    model_missing_in(version: Text);
    or_another_choice();
    dead_letters_at_most(most: Number);
    models_at_most(most: Number);
    unknown_app_type();
    unknown_model_field();
    barcode_check_digit(digits: Text, expected: Number);
    barcode_identifier(text: Text);
    barcode_value(identifier: Text, form: Text);
    barcode_day(identifier: Text);
    barcode_repeated(identifier: Text);
    device_named_before();
    not_in_address();
    // Records.
    not_for_action(action: Text);
    not_with_records();
    not_with_record_id();
    items(least: Number, most: Number);
    rows_with_files(most: Number);
    kept_by_system();
    file_name(most: Number);
    date_form();
    time_form();
    record_reference();
    lines_form();
    line_form();
    no_lines();
    lines_too_deep();
    domain_form();
    domain_connective(text: Text);
    domain_condition();
    domain_operand(connective: Text);
    domain_path(path: Text);
    domain_operator(text: Text);
    domain_value(operator: Text);
    domain_too_large();
    date_part();
    not_a_relation(name: Text);
    since_version(what: Text, version: Number);
    order_form();
    context_key(choices: Text);
    erp_language();
    time_zone();
    list_of_ids();
    plain_value();
    method_form();
    method_has_action(action: Text);
    context_beside();
    reference_later(operation: Text);
    reference_missing(text: Text);
    // Connections.
    connection_unusable(text: Text);
    password_or_key();
    url();
    url_scheme();
    url_host();
    url_without_secret();
    url_base();
    address_block_form();
    address_private();
    address_refused(kind: Text);
}
