//! Numbers, times and lists, as people read them.

use bridge_erp::odoo::database::DatabaseError;
use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

/// A number of bytes in the largest unit that leaves a number of at least 1.
pub(in crate::cli) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, size)| count >= *size) {
        // Tenths, without going through a fraction.
        Some((unit, size)) => {
            let tenths = u128::from(count) * 10 / u128::from(size);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} bytes"),
    }
}

/// A time in its two largest units.
pub(in crate::cli) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds) {
        (1.., ..) => format!("{days} d {hours} h"),
        (0, 1.., ..) => format!("{hours} h {minutes} min"),
        (0, 0, 1.., _) => format!("{minutes} min {} s", seconds % 60),
        (0, 0, 0, 10..) => format!("{seconds} s"),
        (0, 0, 0, 1..) => format!("{}.{} s", seconds, time.subsec_millis() / 100),
        _ => format!("{} ms", time.as_millis()),
    }
}

/// A count with its noun.
pub(in crate::cli) fn count(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// How many names are written out.
const NAMES_MAX: usize = 5;

/// The first few of a list.
pub(in crate::cli) fn list<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(NAMES_MAX).map(|name| name.to_string()).collect();
    let rest = names.count();
    let shown = shown.join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

/// An error of a database with the innermost of its causes, such as the socket's. The server's own words say all.
pub(in crate::cli) fn trouble(error: &DatabaseError) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let (text, cause) = (error.to_string(), innermost.to_string());
    if error.sql_state.is_some() || text.contains(&cause) { text } else { format!("{text}: {cause}") }
}

/// What of an address's query says how to reach the server. Anything else may be the owner's own, as a password there.
const OF_THE_WAY: &[&str] = &["host", "hostaddr", "port", "dbname", "sslmode", "sslrootcert", "channel_binding"];

/// The address that a role reaches a database by, seen from here, from the address that its owner has.
pub(in crate::cli) fn address_of_role(owner_url: &str, role: &str, password: &str) -> String {
    let made = || {
        let mut url = url::Url::parse(owner_url).ok()?;
        url.set_username(role).ok()?;
        url.set_password(Some(password)).ok()?;
        let query: Vec<&str> = url.query().unwrap_or_default().split('&').filter(is_of_the_way).collect();
        let query = query.join("&");
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        Some(url.to_string())
    };
    made().unwrap_or_else(|| format!("postgres://{role}:{password}@HOST/DATABASE"))
}

fn is_of_the_way(pair: &&str) -> bool {
    pair.split_once('=').is_some_and(|(name, _)| OF_THE_WAY.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_role_is_its_owners_but_for_the_role() {
        let made = address_of_role("postgres://owner:secret@db:5433/odoo?sslmode=require", "reader", "p");
        assert_eq!(made, "postgres://reader:p@db:5433/odoo?sslmode=require");
        let theirs = "postgres://db/odoo?user=owner&password=secret&sslmode=require&options=-crole%3Downer";
        assert_eq!(address_of_role(theirs, "reader", "p"), "postgres://reader:p@db/odoo?sslmode=require");
        assert_eq!(address_of_role("postgres://o@db/odoo?user=o", "r", "p"), "postgres://r:p@db/odoo");
        assert_eq!(address_of_role("?", "reader", "p"), "postgres://reader:p@HOST/DATABASE");
    }

    #[test]
    fn numbers_have_the_unit_that_fits() {
        assert_eq!([0, 1_023, 1_024, 1 << 30].map(bytes), ["0 bytes", "1023 bytes", "1.0 KiB", "1.0 GiB"]);
        assert_eq!(bytes((5 << 30) + (1 << 29)), "5.5 GiB");
        let times = [90, 2_500, 59_000, 61_000, 7_260_000, 90_000_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(times, ["90 ms", "2.5 s", "59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]);
        assert_eq!(list([1, 2]), "1, 2");
        assert_eq!(list(0..8), "0, 1, 2, 3, 4 and 3 more");
        assert_eq!((count(1, "table", "tables"), count(0, "table", "tables")), ("1 table".into(), "0 tables".into()));
    }
}
