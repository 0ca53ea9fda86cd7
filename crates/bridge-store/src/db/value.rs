//! Values, rows and statements as both databases share them.

use crate::StoreError;
use bridge_model::{
    AppType, DeviceId, Epoch, ModelName, Position, SourceId, SystemId, SystemKey, TenantId, Timestamp, UserId,
};
use std::borrow::Cow;

/// A value on its way into the database, or in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Param {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

macro_rules! param_from {
    ($($type:ty => |$value:ident| $param:expr),+ $(,)?) => {
        $(impl From<$type> for Param {
            fn from($value: $type) -> Self {
                $param
            }
        })+
    };
}
param_from! {
    i64 => |value| Self::Int(value),
    u32 => |value| Self::Int(i64::from(value)),
    bool => |value| Self::Int(i64::from(value)),
    String => |value| Self::Text(value),
    &String => |value| Self::Text(value.clone()),
    &str => |value| Self::Text(value.to_owned()),
    Vec<u8> => |value| Self::Blob(value),
    &[u8] => |value| Self::Blob(value.to_vec()),
    Timestamp => |value| Self::Int(value.as_micros()),
    TenantId => |value| Self::Int(value.0),
    UserId => |value| Self::Int(value.0),
    SystemKey => |value| Self::Int(value.0),
    Epoch => |value| Self::Int(value.0),
    Position => |value| Self::Int(value.get()),
    &SourceId => |value| Self::Text(value.0.clone()),
    &SystemId => |value| Self::from(value.as_str()),
    &DeviceId => |value| Self::from(value.as_str()),
    &AppType => |value| Self::from(value.as_str()),
    &ModelName => |value| Self::from(value.as_str()),
}

impl<T: Into<Self>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The parameters of a statement, in order, from anything a [`Param`] is made of.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Param::from($value)),*] };
}
pub(crate) use params;

/// One SQL statement with its parameters. Its text is SQLite's, with `?1 ?2 …`; PostgreSQL gets `$1 $2 …` for them.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) sql: Cow<'static, str>,
    /// The text for PostgreSQL, where it has to differ; the parameters are the same.
    pub(crate) postgres_sql: Option<Cow<'static, str>>,
    pub(crate) params: Vec<Param>,
    pub(crate) expect: Expect,
}

impl Statement {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>, params: Vec<Param>) -> Self {
        Self { sql: sql.into(), postgres_sql: None, params, expect: Expect::Any }
    }

    pub(crate) fn or_postgres(mut self, sql: impl Into<Cow<'static, str>>) -> Self {
        self.postgres_sql = Some(sql.into());
        self
    }

    pub(crate) fn expecting(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }
}

/// What must be true of a statement's count (the rows it returns, or else the rows it changes), lest the whole
/// transaction be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Any count is fine.
    Any,
    /// Exactly so many; another count is [`StoreError::NotFound`].
    Rows(u64),
    /// At least one; none is [`StoreError::Fenced`].
    Fence,
}

impl Expect {
    pub(crate) fn check(self, count: u64) -> Result<(), StoreError> {
        match self {
            Self::Rows(rows) if rows != count => Err(StoreError::NotFound),
            Self::Fence if count == 0 => Err(StoreError::Fenced),
            Self::Any | Self::Rows(_) | Self::Fence => Ok(()),
        }
    }
}

/// What a statement did.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The rows it returned.
    pub(crate) rows: Vec<Row>,
    /// How many rows it returned, or changed if it returns none.
    pub(crate) affected: u64,
}

impl Outcome {
    /// The first row, if there is one.
    pub(crate) fn into_row(self) -> Option<Row> {
        self.rows.into_iter().next()
    }
}

/// A row of a result; columns count from 0.
#[derive(Debug, Clone)]
pub(crate) struct Row(pub(crate) Vec<Param>);

impl Row {
    pub(crate) fn get_i64(&self, column: usize) -> Result<i64, StoreError> {
        self.get_opt_i64(column)?.ok_or(WRONG)
    }

    pub(crate) fn get_opt_i64(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(column) {
            Some(Param::Int(number)) => Ok(Some(*number)),
            Some(Param::Null) => Ok(None),
            _ => Err(WRONG),
        }
    }

    pub(crate) fn get_text(&self, column: usize) -> Result<String, StoreError> {
        self.get_opt_text(column)?.ok_or(WRONG)
    }

    pub(crate) fn get_opt_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        match self.0.get(column) {
            Some(Param::Text(text)) => Ok(Some(text.clone())),
            Some(Param::Null) => Ok(None),
            _ => Err(WRONG),
        }
    }

    pub(crate) fn get_blob(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        match self.0.get(column) {
            Some(Param::Blob(bytes)) => Ok(bytes.clone()),
            _ => Err(WRONG),
        }
    }

    pub(crate) fn get_opt_blob(&self, column: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.get(column) {
            Some(Param::Blob(bytes)) => Ok(Some(bytes.clone())),
            Some(Param::Null) => Ok(None),
            _ => Err(WRONG),
        }
    }

    pub(crate) fn get_bool(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.get_i64(column)? != 0)
    }

    pub(crate) fn get_u64(&self, column: usize) -> Result<u64, StoreError> {
        u64::try_from(self.get_i64(column)?).map_err(|_| WRONG)
    }

    pub(crate) fn get_u32(&self, column: usize) -> Result<u32, StoreError> {
        u32::try_from(self.get_i64(column)?).map_err(|_| WRONG)
    }

    pub(crate) fn get_json(&self, column: usize) -> Result<serde_json::Value, StoreError> {
        serde_json::from_str(&self.get_text(column)?).map_err(|_| StoreError::Corrupt { what: "a JSON column" })
    }

    pub(crate) fn get_time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.get_i64(column).map(Timestamp::from_micros)
    }

    pub(crate) fn get_opt_time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get_opt_i64(column)?.map(Timestamp::from_micros))
    }
}

/// A column that does not have the type which the program expects.
const WRONG: StoreError = StoreError::Corrupt { what: "a column has another type than expected" };
