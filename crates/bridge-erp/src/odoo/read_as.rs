//! Reading records with the rights of another user, which our add-on makes possible.

use super::calls::{Call, Caller};
use super::feed::TABLE;
use crate::adapter::SearchRead;
use crate::{ErpError, ErpErrorKind};
use serde_json::{Map, Value, json};

/// Reads as that user.
pub(super) async fn search_read(
    caller: &Caller,
    user_id: i64,
    query: &SearchRead,
) -> Result<Vec<Map<String, Value>>, ErpError> {
    if query.limit == 0 {
        return Err(ErpError::new(ErpErrorKind::InvalidRequest, "limit must be at least 1"));
    }
    let mut kwargs = Map::new();
    kwargs.insert("user_id".into(), user_id.into());
    kwargs.insert("model".into(), query.model.as_str().into());
    kwargs.insert("domain".into(), query.domain.clone());
    kwargs.insert("fields".into(), json!(query.fields));
    kwargs.insert("offset".into(), query.offset.into());
    kwargs.insert("limit".into(), query.limit.into());
    if !query.order.is_empty() {
        kwargs.insert("order".into(), query.order.as_str().into());
    }
    if !query.context.is_empty() {
        // Odoo takes the context of any call by this name and keeps it for what the method does.
        kwargs.insert("context".into(), Value::Object(query.context.clone()));
    }
    let call = Call { model: TABLE, method: "search_read_as", args: Vec::new(), kwargs };
    let rows = match caller.read(&call).await {
        Ok(Value::Array(rows)) => rows,
        Ok(_) => return Err(unexpected()),
        Err(error) if matches!(error.kind, ErpErrorKind::UnknownMethod | ErpErrorKind::UnknownModel) => {
            // Whatever is missing is missing in the ERP's add-on: the caller named neither of the two.
            let message = "reading as a user needs the add-on bridgecore in the ERP, in a version that can do it";
            return Err(ErpError { kind: ErpErrorKind::UnknownMethod, message: message.to_owned(), ..error });
        }
        Err(error) => return Err(error),
    };
    rows.into_iter().map(|row| if let Value::Object(record) = row { Ok(record) } else { Err(unexpected()) }).collect()
}

fn unexpected() -> ErpError {
    ErpError::new(ErpErrorKind::Protocol, "search_read_as answered something of another form than it should")
}
