//! Parameters to PostgreSQL, rows from it, and its form of a statement's text.

use super::{Outcome, Param, Row, Statement};
use crate::StoreError;
use std::borrow::Cow;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// The statement's text with PostgreSQL's parameter signs.
pub(super) fn text(statement: &Statement) -> String {
    dollar_signs(statement.postgres_sql.as_ref().unwrap_or(&statement.sql))
}

/// `?1` becomes `$1`, except inside quotes.
pub(super) fn dollar_signs(sql: &str) -> String {
    let mut quoted = false;
    sql.chars()
        .map(|sign| {
            quoted ^= sign == '\'';
            if sign == '?' && !quoted { '$' } else { sign }
        })
        .collect()
}

pub(super) fn references(params: &[Param]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|param| param as &(dyn ToSql + Sync)).collect()
}

pub(super) fn outcome(rows: &[tokio_postgres::Row]) -> Result<Outcome, StoreError> {
    let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let affected = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    Ok(Outcome { rows, affected })
}

fn row(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    (0..row.len()).map(|column| cell(row, column)).collect::<Result<_, _>>().map(Row)
}

fn cell(row: &tokio_postgres::Row, column: usize) -> Result<Param, StoreError> {
    let kind = row.columns()[column].type_();
    let value = match *kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(column).map(|value| value.map(Param::Int)),
        Type::INT4 => row.try_get::<_, Option<i32>>(column).map(|value| value.map(|v| Param::Int(v.into()))),
        Type::BOOL => row.try_get::<_, Option<bool>>(column).map(|value| value.map(|v| Param::Int(v.into()))),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column).map(|value| value.map(Param::Blob)),
        _ => row.try_get::<_, Option<String>>(column).map(|value| value.map(Param::Text)),
    };
    value.map(|value| value.unwrap_or(Param::Null)).map_err(super::error)
}

impl ToSql for Param {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(number), &Type::INT4) => i32::try_from(*number)?.to_sql(kind, out),
            (Self::Int(number), &Type::BOOL) => (*number != 0).to_sql(kind, out),
            (Self::Int(number), &Type::INT8) => number.to_sql(kind, out),
            (Self::Text(text), _) if <&str as ToSql>::accepts(kind) => text.as_str().to_sql(kind, out),
            (Self::Blob(bytes), &Type::BYTEA) => bytes.as_slice().to_sql(kind, out),
            (Self::Int(_) | Self::Text(_) | Self::Blob(_), _) => {
                Err(Cow::from(format!("a parameter does not fit the type {kind}")).into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        // `to_sql` looks at the value and the type together.
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::dollar_signs;

    #[test]
    fn only_parameters_are_changed() {
        assert_eq!(dollar_signs("a = ?1 AND b <> '?' AND c = ?12"), "a = $1 AND b <> '?' AND c = $12");
    }
}
