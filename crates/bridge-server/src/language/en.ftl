# English. A message stands on one line: Fluent keeps line breaks. Its id is the name of its constructor in list.rs.

### The service
internal = Something failed inside the service
busy = The service is at its limit; try again shortly
database_away = The database can't be reached; try again shortly
value_not_storable = A value has a form or a length that can't be kept
taken = This { $what } is taken
service_stopping = The service is stopping

### Requests
no_such_path = There is no such path
no_such_file = The page has no such file
page_not_shown = The page can't be shown
no_such_method = This path does not take { $method }
body_not_json = The body is not JSON: line { $line }, column { $column }
body_not_object = The body must be a JSON object
body_not_sent_as_json = The body must be sent as application/json
body_not_sent_as_form = The body must be sent as multipart/form-data
form_unreadable = The form cannot be read
body_too_large = { $bytes ->
    [one] The body is larger than { $bytes } byte
   *[other] The body is larger than { $bytes } bytes
}
body_unread = The body could not be read
body_late = The request's body did not arrive in time
body_form = The body does not have the expected form
query_form = The query does not have the expected form
path_form = The path does not have the expected form
message_form = The message does not have the expected form
message_not_json = The message is not JSON: line { $line }, column { $column }
request_too_slow = The request took too long; try again shortly
too_many_requests = Too many requests at once; try again shortly
limit_reached = { $seconds ->
    [one] Too many requests of this kind; try again in { $seconds } second
   *[other] Too many requests of this kind; try again in { $seconds } seconds
}

### Log-in and tokens
access_token_needed = An access token is needed: Authorization: Bearer …
refresh_token_needed = A refresh token is needed: Authorization: Bearer …, or refresh_token in the body
push_key_needed = A push key is needed: Authorization: Bearer … or X-API-Key: …
push_key_not_valid = A valid push key is needed: X-API-Key: bcpk_…, or as bearer
push_key_not_from_there = This push key may not be used from the address { $address }; push_allowed_addresses of its system names those that it may be used from
push_key_from_nowhere = This push key may be used from certain addresses only, and the address that this request comes from is not known
metrics_token_needed = The metrics token is needed: Authorization: Bearer …
token_not_valid = The token is not valid
access_token_expected = An access token is needed here
refresh_token_expected = A refresh token is needed here
token_run_out = The token has run out
access_token_run_out = The access token has run out
session_ended = The session has ended; log in again
wrong_credentials = The user name or the password is wrong
too_many_log_ins = { $seconds ->
    [one] Too many log-ins; try again in { $seconds } second
   *[other] Too many log-ins; try again in { $seconds } seconds
}
too_many_logins = Too many log-ins at this moment; try again shortly
token_in_use = This token is being refreshed by other requests; try again
token_not_signed = The token could not be signed
password_not_checked = The password could not be checked
logged_out = Logged out

### Users
admins_only = Only an admin may do this
others_for_admins_only = Only an admin may see other users
no_such_user = There is no such user
last_admin_stays = The last active admin must stay
not_oneself = You can't delete yourself; another admin can
not_ones_own_user_id = user_id must be the caller's own

### Systems
no_such_system = There is no system { $system }
system_stays_primary = { $system } is the primary system; make another one primary first (PUT /api/v1/systems/{ "{" }system_id{ "}" } with "is_primary": true)
system_too_slow = { $seconds ->
    [one] The system did not answer within { $seconds } second
   *[other] The system did not answer within { $seconds } seconds
}
connection_not_decrypted = The system's stored connection can't be decrypted

### What an ERP, or the connection to it, said
erp_said = { $text }
erp_unreachable = { $text }
erp_too_slow = { $text }
erp_refused_credential = { $text }
erp_failed = { $text }
erp_record_without_id = The ERP gave a record without an id
erp_database = The ERP's database: { $text }

### Records
system_not_active = The system { $system } is switched off
operation_not_allowed = The operation { $operation } on { $model } is not open; an admin can open it, or link your own credential
method_not_allowed = The method { $method } of { $model } is not open; an admin can open it, or link your own credential
barcode_unknown = No product, packaging or lot of this system has this barcode
no_such_record = There is no such record of { $model }, or you may not see it
no_such_attachment = There is no such file, or you may not read it
file_too_large = The file is larger than this service takes
file_type_not_taken = Files of the type { $kind } are not taken
range_beyond_file = The file ends before this range
file_storage_away = The storage of files can't be reached; try again shortly
no_such_model = The system has no model { $model }
no_such_erp_method = { $model } has no public method of this name
erp_address_private = The system's address is private, and BridgeCore connects to private addresses only if its config allows it: outbound.allow_private = true, or the address in outbound.allowed_addresses
erp_address_refused = The system's address is not a public one ({ $kind }), and BridgeCore connects to it only if its config allows it: the address in outbound.allowed_addresses
erp_saturated = There are too many requests for this system at this moment; try again shortly
circuit_open = The system has failed to answer several times and is left alone for a while; try again later
outcome_unknown = The answer of the ERP was lost, so that nobody knows whether this was done; look before you repeat it
key_in_use = A request with this Idempotency-Key is being worked on; try again shortly
key_reused = This Idempotency-Key was used for another request
no_such_link = This user has no credential of their own in this system
erp_denied = The ERP does not allow this: { $text }
erp_link_refused = The ERP refuses the user's own credential, which must be linked anew: { $text }
records_deleted = { $count ->
    [one] Record deleted successfully
   *[other] { $count } records deleted successfully
}
operation_after_failed = Not done: operation { $operation } failed, and the batch stops at the first error
operation_needs_other = Not done: operation { $operation }, to which it refers, was not done
operation_out_of_time = Not done: the time for this request was over; send it again with the others that were not done
operation_beyond_answer = Not done: the answer has reached its largest size; send it again with the others that were not done
too_many_tasks = { $most ->
    [one] A tenant may have { $most } task that has not ended; wait until it ends
   *[other] A tenant may have { $most } tasks that have not ended; wait until one ends
}
no_such_task = There is no such task
task_ended = Not done: the task ended before
task_unreadable = What is kept of this task can't be read
task_user_not_active = The user whose task it is may not log in any more

### The log of the ERP's database
wal_of_standby = The address is that of a standby: the log is read from the primary
wal_level_too_low = The database's wal_level is { $level }: set it to logical and restart the server
wal_publication_missing = There is no publication { $name }: `bridgecore wal install` makes it
wal_publication_unusable = The publication { $name } can't be used: { $reason }
wal_publication_gone = There is no publication { $name } any more

### Version migration
migration_field_missing = Odoo { $version } has no field { $field } on { $model }: its values are lost
migration_value_not_kept = { $field } of { $model } has another form in Odoo { $version }, from which its value can't always be told again
migration_computed = Odoo { $version } works out { $field } of { $model } itself: its values are not carried over
migration_not_stored = { $field } of { $model } is worked out when it is read from Odoo { $version } on: what is written to it may be ignored
migration_required = A record of { $model } must have { $field } in Odoo { $version }, and nothing fills it in
migration_relation_changed = { $field } of { $model } points to another model in Odoo { $version }, whose records have other ids
migration_conflict = The new name of { $field } of { $model } in Odoo { $version } was taken already: the value stays under its old name
migration_manual = { $field } of { $model } needs a look by a person in Odoo { $version }
migration_manual_model = { $model } needs a look by a person in Odoo { $version }
migration_model_renamed = { $model } has another name in Odoo { $version }
migration_model_missing = Odoo { $version } has no model { $model }
migration_no_rules = There are no rules for { $model } on the way to Odoo { $version }: its records pass as they are
record_not_there = There is no record { $record }
no_such_entity = There is no entity { $entity }

### Sync
other_requests_of_device = Other requests of this device came in between; try again
not_synced_yet = This device has not synced yet
no_sync_state = Sync state not found for user { $user }, device { $device }
sync_token_form = a sync token must be a whole number from 0 on, in digits
never_handed_out = This token was never handed out for this device, app type, system and models filter
position_not_in_log = The log does not reach this position
state_reset = Sync state reset: read the current records, then pull on from snapshot_position
answer_not_written = The answer could not be written
page_token_not_signed = The page token could not be signed
page_token_too_long = This page token is too long to be one of ours
page_token_not_ours = This page token is not one of ours
page_token_of_another = This page token belongs to another user, device, app type, system or models filter
page_token_run_out = This page token has run out: start the snapshot anew
rights_unknown = The ERP can't be asked what this user may read
rights_late = The ERP did not say in time what this user may read
no_erp_user = This user has no linked ERP user
no_erp_user_to_read_as = This user has no linked ERP user, so that nobody can say what they may read; an admin sets odoo_user_id
no_erp_user_in_system = This user has no linked user in this system
linked_system_gone = The system that this user is linked to is not there; an admin sets odoo_user_id anew
linked_user_gone = The linked ERP user does not exist or is not active; an admin sets odoo_user_id anew
no_system_to_read = There is no system to read from
primary_system_only = Only the records of the primary system are read, unless the pull names a system
records_late = The ERP did not give the records in time

### Webhooks
too_many_events = { $most ->
    [one] At most { $most } event in one request
   *[other] At most { $most } events in one request
}
no_event_understood = No event of this request could be understood: { $reason }
no_such_dead_letter = There is no such dead letter
retry_under_way = Another request is retrying dead letters of this tenant; try again shortly
metrics_not_written = The metrics can't be written

### Live changes. Those that close a connection follow a code and have 123 bytes together with it.
too_many_connections = Too many open connections; try again shortly
websocket_expected = This path takes WebSocket connections only
token_of_another_user = The token is of another user
service_stops = the service stops; go on from the last position
first_message_must_be_auth = the first message must be auth
no_token_in_time = no token came in time
token_expired = the token has expired
user_was_changed = the user was changed; connect again
no_answer_to_heartbeats = no answer to two heartbeats
client_does_not_read = the client does not read; go on from the last position
connection_gone = the connection is gone
closed_by_client = closed by the client
only_text = only text is understood
message_unreadable = the message could not be read

### What is wrong with a field: forms
is_missing = { $field } is missing
given_twice = { $field } is given twice
unexpected_form = { $field } does not have the expected form
documented_form = { $field } must be of the documented form
no_documented_form = { $field } has none of the documented forms
text = { $field } must be a text
number = { $field } must be a number
number_or_text = { $field } must be a number or a text
whole_number = { $field } must be a whole number
whole_number_from_0 = { $field } must be a whole number, 0 or more
whole_number_to = { $field } must be a whole number from 0 to { $most }
whole_number_in_range = { $field } must be a whole number within its range
true_or_false = { $field } must be true or false
list = { $field } must be a list
list_of_documented_length = { $field } must be a list of the documented length
object = { $field } must be an object
null = { $field } must be null
utf8 = { $field } must be UTF-8
one_of = { $field } must be one of: { $choices }
one_of_two = { $field } must be '{ $one }' or '{ $other }'

### Values
between = { $field } must be between { $least } and { $most }
greater_than_0 = { $field } must be greater than 0
not_empty = { $field } must not be empty
chars = { $field } must have { $least } to { $most } characters
one_line = { $field } must be 1 to { $most } characters in one line, without spaces at its ends
description = { $field } must have at most { $most } characters and no control characters
printable = { $field } must have 1 to { $most } printable characters
no_zero_byte = { $field } must have 1 to { $most } bytes, none of them zero
language = { $field } must be en, ar or fr, also with a region such as ar_SA
system_id_form = { $field } must be 1 to 64 characters of a-z, A-Z, 0-9, '_', '-' and '.', starting with a letter or digit
device_id_form = { $field } must be 3 to 128 characters of a-z, A-Z, 0-9 and '_-.:@'
app_type_form = { $field } must be 1 to 64 characters of a-z, 0-9 and '_'
model_form = { $field } must be 1 to 128 characters of a-z, A-Z, 0-9, '_', '-' and '.'
token_form = { $field } must be a token: digits, as text or as a number
position_or_time = { $field } must be a position in digits or an RFC 3339 time

### What goes together
model_not_found_yet = { $field } is not a model of this system, or was not looked up yet
model_gone = { $field } names a model that is there no longer
model_never_tracked = { $field } can't be { $strategy }: this model is never tracked
strategy_not_available = { $field } can't be { $strategy }, which does not see this model now; what does: { $choices }
cursor_of_another_page = { $field } must be the next_cursor of another page
not_with_cursor = { $field } must not be given together with cursor
offset_at_most = { $field } must be at most { $most }; go on by cursor
or_device_id = { $field } or device_id must be given
not_with_another_choice = { $field } must not be given together with another choice
not_with = { $field } must not be given together with { $other }
only_with = { $field } goes only together with { $other }
not_in_target = { $field } leads to { $unknown }, which { $model } does not have in the target (Odoo { $version }, rule pack { $pack })
unknown_entity_field = { $field } names { $name }, which is no field of { $entity }
unknown_entity_field_near = { $field } names { $name }, which is no field of { $entity }; near to it: { $nearest }
entity_field_values = { $field } gives { $name } a value that it can't have; those that it can: { $values }
entity_field_not_searched = { $field } names { $name }, which is computed: it can only be read
only_read = { $field } can only be read
mapping_form = { $field } must be the name of a field of the system, an object that maps one, a list of such objects, or null
mapping_unusable = { $field } can't be mapped in this way
or_record_ids = { $field } or record_ids must be given
items_between = { $field } must hold between { $least } and { $most } entries
model_missing_in = { $field } must be one that Odoo { $version } has
or_another_choice = { $field } or system_id or reason_contains must be given
dead_letters_at_most = { $most ->
    [one] { $field } must name { $most } dead letter
   *[other] { $field } must name 1 to { $most } dead letters
}
models_at_most = { $most ->
    [one] { $field } must name at most { $most } model
   *[other] { $field } must name at most { $most } models
}
unknown_app_type = { $field } is not one of the configured app types
unknown_model_field = { $field } names a field that the model does not have
barcode_check_digit = { $field } has a wrong check digit: { $digits } should end in { $expected }
barcode_identifier = { $field } has “{ $text }” in it, which begins with no known application identifier
barcode_value = { $field } has a value after ({ $identifier }) that is not of the form { $form }
barcode_day = { $field } has no day of the form YYMMDD after ({ $identifier })
barcode_repeated = { $field } has ({ $identifier }) in it twice, with different values
device_named_before = { $field } must be named when subscribing, for ack to have a cursor
not_in_address = { $field } is not accepted in the address, where it would be logged by proxies

### What is wrong with a field: records
not_for_action = { $field } has no meaning for the action { $action }
not_with_records = { $field } must not be given together with records
not_with_record_id = { $field } must not be given together with record_id
items = { $field } must have { $least } to { $most } items
rows_with_files = { $field } must be at most { $most } where files are read
file_name = { $field } must come with a name of 1 to { $most } bytes in one line
kept_by_system = { $field } is kept by the system itself
date_form = { $field } must be a date such as 2025-11-16, or null
time_form = { $field } must be an RFC 3339 time such as 2025-11-16T10:30:00Z, or null
record_reference = { $field } must be a record's id, a pair of id and name, or null
lines_form = { $field } must be a list of record ids or of commands
line_form = { $field } must be a command such as create, update, delete, link, unlink, clear or set
no_lines = { $field } must not be an empty list: the command clear removes all, and what is left out stays
lines_too_deep = { $field } has lines within lines too deeply
domain_form = { $field } must be a list of conditions and of the connectives '&' '|' '!'
domain_connective = { $field } is { $text }, which is no connective
domain_condition = { $field } must be a condition: a list of field, operator and value
domain_operand = { $field } has { $connective } before too few conditions
domain_path = { $field } is { $path }, which is no field path
domain_operator = { $field } is { $text }, which is no operator
domain_value = { $field } is a value that { $operator } can't take
domain_too_large = { $field } is too large or too deep
date_part = { $field } asks for a part of a date that there is not, unlike month_number or day_of_week
not_a_relation = { $field } goes through { $name }, which leads to no other record
since_version = { $field } uses { $what }, which the system knows from version { $version } on
order_form = { $field } must be fields with commas between them, each with asc or desc
context_key = { $field } is not one of the options that may be given: { $choices }
erp_language = { $field } must be a language such as ar_001
time_zone = { $field } must be a time zone such as Africa/Casablanca
list_of_ids = { $field } must be a list of ids
plain_value = { $field } must be a plain value or a list of them, and short
method_form = { $field } must be the name of a public method
method_has_action = { $field } is what the action { $action } does
context_beside = { $field } must be given as context of the request
reference_later = { $field } refers to operation { $operation }, which does not come before it
reference_missing = { $field } refers to { $text }, which that operation did not answer

### Alerts
alert_circuit_open = { $system } does not answer and is left alone for a while
alert_circuit_open_advice = See whether it is up and can be reached from the service. It is tried again by itself; if it is up, `bridgecore doctor` says more.
alert_dead_letters = Events from { $system } could not be understood and were put aside
alert_dead_letters_advice = Look at GET /api/v1/webhooks/dead-letters, mend what they name, and retry them with POST /api/v1/webhooks/retry/bulk
alert_source_refused = Changes of { $system } can't be read ({ $strategy }, { $code })
alert_source_refused_advice = Check the credential and the rights of the connection: `bridgecore doctor` names what is missing, and the system's status shows the last error.
alert_takeover = The best way to see changes of { $system } has failed, and the next best has taken over
alert_takeover_advice = Nothing is lost. The system's status says what fails; once it works again, it takes its models back by itself.
alert_wal_lost = The log of the database of { $system } could not be read on, and all that may have changed was told anew
alert_wal_lost_advice = Nothing is lost. If it happens again, let the database keep more of its log (max_slot_wal_keep_size), or find out who removes the slot.
alert_wal_retained = The database of { $system } keeps much of its log for BridgeCore
alert_wal_retained_advice = Its disk can fill up. See that the service runs and that its own database keeps up; `bridgecore wal uninstall` lets go of the log.
alert_credential_ending = The API key of { $system } ends soon and can't be renewed
alert_credential_ending_advice = Put a new key into the connection, or a password by which one can be made. The system's status shows when it ends.
alert_task_failed = A task for { $system } could not go on
alert_task_failed_advice = GET /api/v1/tasks shows which one and why.
alert_job_failed = The service could not do a job of its own ({ $job })
alert_job_failed_advice = The service's log says why; mostly it is the database or the disk.
alert_test = This is a test of the alerts
alert_test_advice = Nothing is wrong.
alert_over = It is over: { $title }
alert_kind = Kind: { $kind }
alert_tenant = Tenant: { $tenant }
alert_system = System: { $system }
alert_since = Since: { $time }
alert_until = Until: { $time }
alert_times = How often: { $times }

### Connections
connection_unusable = { $field } can't be used: { $text }
password_or_key = { $field } must not be empty; an API key works in its place
url = { $field } must be an address such as https://odoo.example.com
url_scheme = { $field } must start with http:// or https://
url_host = { $field } must name a host
url_without_secret = { $field } must not hold a name or password; they have their own fields
url_base = { $field } must be a base address without '?' and '#'
address_block_form = { $field } must be an address or a block of addresses, such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32
address_private = The address that { $field } leads to is private, and BridgeCore connects to private addresses only if its config allows it: outbound.allow_private = true, or the address in outbound.allowed_addresses
address_refused = The address that { $field } leads to is not a public one ({ $kind }), and BridgeCore connects to it only if its config allows it: the address in outbound.allowed_addresses
