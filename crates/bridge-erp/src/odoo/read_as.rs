//! Reading records with the rights of another user, which our add-on makes possible.

use super::calls::{Call, Caller};
use super::feed::TABLE;
use super::of_search_read;
use crate::adapter::SearchRead;
use crate::{ErpError, ErpErrorKind};
use serde_json::{Map, Value};

/// Reads as that user.
pub(super) async fn search_read(
    caller: &Caller,
    user_id: i64,
    query: &SearchRead,
) -> Result<Vec<Map<String, Value>>, ErpError> {
    let mut kwargs = of_search_read(query)?;
    kwargs.insert("user_id".into(), user_id.into());
    kwargs.insert("model".into(), query.model.as_str().into());
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
