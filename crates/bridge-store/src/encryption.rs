//! What is kept encrypted, and how it gets from an older key to the newest.

use crate::db::{Param, Row, Statement, params};
use crate::{Store, StoreError};

/// A column that is kept encrypted.
#[derive(Debug, Clone, Copy)]
struct Place {
    table: &'static str,
    column: &'static str,
    /// What names a row: columns with numbers, and after them those with texts.
    numbers: &'static [&'static str],
    texts: &'static [&'static str],
}

/// All of them. Whatever else is to be encrypted has its place here, or it is lost when an older key is taken out.
const PLACES: [Place; 6] = [
    Place { table: "systems", column: "connection", numbers: &["key"], texts: &[] },
    Place { table: "erp_links", column: "secret", numbers: &["tenant_id", "user_id", "system_key"], texts: &[] },
    Place { table: "keyed_writes", column: "answer", numbers: &["tenant_id", "user_id"], texts: &["key"] },
    Place { table: "tasks", column: "request", numbers: &["id"], texts: &[] },
    Place { table: "task_outcomes", column: "outcomes", numbers: &["task_id", "first"], texts: &[] },
    Place { table: "audit", column: "body", numbers: &["id"], texts: &[] },
];

/// How many rows are looked at together.
const AT_ONCE: u32 = 500;

/// By which keys what stands in a column is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// How many values the newest key, which is the first of the config, has encrypted.
    pub current: u64,
    /// How many another key of the config has encrypted.
    pub older: u64,
    /// How many no key of the config decrypts.
    pub unreadable: u64,
    /// How many of the current ones were encrypted anew just now.
    pub renewed: u64,
}

impl Store {
    /// Tells by which keys everything is encrypted that is kept so, for each column.
    pub async fn encryption(&self) -> Result<Vec<Encrypted>, StoreError> {
        self.through_all(false).await
    }

    /// Encrypts everything anew that an older key has encrypted, so that the older keys can be taken out of the config; answers
    /// what it found and did, for each column. What no key decrypts is left as it is.
    pub async fn renew_encryption(&self) -> Result<Vec<Encrypted>, StoreError> {
        self.through_all(true).await
    }

    async fn through_all(&self, renews: bool) -> Result<Vec<Encrypted>, StoreError> {
        let mut all = Vec::with_capacity(PLACES.len());
        for place in PLACES {
            all.push(self.through(place, renews).await?);
        }
        Ok(all)
    }

    /// Looks at every value of a column, some rows at a time.
    async fn through(&self, place: Place, renews: bool) -> Result<Encrypted, StoreError> {
        let Place { table, column, .. } = place;
        let mut found = Encrypted { table, column, current: 0, older: 0, unreadable: 0, renewed: 0 };
        let mut after = place.before_all();
        loop {
            let read = |row: &Row| Ok((place.name(row)?, row.get_text(place.width())?));
            let mut page = self.rows(place.page(after), read).await?;
            for (name, token) in &page {
                if self.crypt().is_current(token) {
                    found.current += 1;
                    continue;
                }
                let Ok(text) = self.crypt().decrypt(token) else {
                    found.unreadable += 1;
                    continue;
                };
                let renewed = renews && {
                    let anew = self.crypt().encrypt(&text, self.now());
                    self.affected(place.replacement(name, token, anew)).await? > 0
                };
                found.current += u64::from(renewed);
                found.renewed += u64::from(renewed);
                found.older += u64::from(!renewed);
            }
            match page.pop() {
                Some((last, _)) => after = last,
                None => return Ok(found),
            }
        }
    }
}

impl Place {
    fn width(self) -> usize {
        self.numbers.len() + self.texts.len()
    }

    fn columns(self) -> Vec<&'static str> {
        [self.numbers, self.texts].concat()
    }

    /// A name before that of any row.
    fn before_all(self) -> Vec<Param> {
        let numbers = self.numbers.iter().map(|_| Param::Int(i64::MIN));
        numbers.chain(self.texts.iter().map(|_| Param::Text(String::new()))).collect()
    }

    fn name(self, row: &Row) -> Result<Vec<Param>, StoreError> {
        let numbers = (0..self.numbers.len()).map(|at| row.get_i64(at).map(Param::Int));
        let texts = (self.numbers.len()..self.width()).map(|at| row.get_text(at).map(Param::Text));
        numbers.chain(texts).collect()
    }

    /// The next rows after one. What is gone for good has an empty text.
    fn page(self, after: Vec<Param>) -> Statement {
        let Self { table, column, .. } = self;
        let (names, width) = (self.columns().join(", "), self.width());
        let marks: Vec<String> = (1..=width).map(|number| format!("?{number}")).collect();
        let sql = format!(
            "SELECT {names}, {column} FROM {table}
             WHERE ({names}) > ({}) AND {column} <> '' ORDER BY {names} LIMIT ?{}",
            marks.join(", "),
            width + 1,
        );
        let mut values = after;
        values.extend(params![AT_ONCE]);
        Statement::new(sql, values)
    }

    /// Puts another text in the place of the one that was read: what is changed meanwhile has the newest key already.
    fn replacement(self, name: &[Param], token: &str, anew: String) -> Statement {
        let Self { table, column, .. } = self;
        let width = self.width();
        let names: Vec<String> =
            self.columns().iter().enumerate().map(|(at, name)| format!("{name} = ?{}", at + 1)).collect();
        let sql = format!(
            "UPDATE {table} SET {column} = ?{} WHERE {} AND {column} = ?{}",
            width + 2,
            names.join(" AND "),
            width + 1,
        );
        let mut values = name.to_vec();
        values.extend(params![token, anew]);
        Statement::new(sql, values)
    }
}
