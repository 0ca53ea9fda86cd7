//! What the writers do, decided by a seed before anything runs.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// The tables that are written, with their models.
pub(super) const TABLES: [(&str, &str); 3] =
    [("res_partner", "res.partner"), ("sale_order", "sale.order"), ("sale_order_line", "sale.order.line")];

/// One statement. Rows that exist are chosen by their place from the newest back, since which exist is not known yet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Statement {
    Insert { table: usize, rows: i64 },
    Update { table: usize, newest: i64, rows: i64 },
    Delete { table: usize, newest: i64, rows: i64 },
    Truncate { table: usize },
    Hold { ms: u64 },
}

/// Part of a transaction.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Do(Statement),
    /// Under a savepoint, which is rolled back to.
    Undone(Vec<Statement>),
    /// Under a savepoint that is released.
    Kept(Vec<Statement>),
}

/// A transaction.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) parts: Vec<Part>,
    pub(super) commits: bool,
}

/// What each writer does, one transaction after the other.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) writers: Vec<Vec<Transaction>>,
}

impl Script {
    pub(super) fn of(random: &mut ChaCha8Rng, hold_ms_max: u64) -> Self {
        let writers = random.random_range(2..=6);
        let writer = |random: &mut ChaCha8Rng| {
            let transactions = random.random_range(2..=8);
            (0..transactions).map(|_| transaction(random, hold_ms_max)).collect()
        };
        Self { writers: (0..writers).map(|_| writer(random)).collect() }
    }

    pub(super) fn transactions(&self) -> usize {
        self.writers.iter().map(Vec::len).sum()
    }
}

fn transaction(random: &mut ChaCha8Rng, hold_ms_max: u64) -> Transaction {
    let parts = random.random_range(1..=5);
    let part = |random: &mut ChaCha8Rng| {
        let statements = |random: &mut ChaCha8Rng| {
            let count = random.random_range(1..=3);
            (0..count).map(|_| statement(random, hold_ms_max)).collect()
        };
        match random.random_range(0..10) {
            0 | 1 => Part::Undone(statements(random)),
            2 => Part::Kept(statements(random)),
            _ => Part::Do(statement(random, hold_ms_max)),
        }
    };
    Transaction { parts: (0..parts).map(|_| part(random)).collect(), commits: random.random_bool(0.8) }
}

fn statement(random: &mut ChaCha8Rng, hold_ms_max: u64) -> Statement {
    let table = random.random_range(0..TABLES.len());
    // Now and then very many.
    let rows = if random.random_bool(0.03) { 700 } else { random.random_range(1..=8) };
    match random.random_range(0..100) {
        0..35 => Statement::Insert { table, rows },
        35..70 => Statement::Update { table, newest: random.random_range(0..12), rows },
        70..80 => Statement::Delete { table, newest: random.random_range(0..12), rows: rows.min(3) },
        80 => Statement::Truncate { table: 2 },
        _ => {
            // Mostly short, sometimes as long as is allowed.
            let short = (hold_ms_max / 10).clamp(40, 300).min(hold_ms_max);
            let most = if random.random_bool(0.05) { hold_ms_max } else { short };
            Statement::Hold { ms: random.random_range(0..=most) }
        }
    }
}
