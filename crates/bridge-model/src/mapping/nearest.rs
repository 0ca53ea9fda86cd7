//! Names that are near to one that there is not.

/// The most names that are suggested.
const SUGGESTED_MAX: usize = 3;

/// The names nearest to `name`, the nearest first; those too far off are not among them.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n String>) -> Vec<String> {
    // A third of a name may be wrong; a short one still may have two wrong letters.
    let far = (name.chars().count() / 3).max(2);
    let mut near: Vec<(usize, &String)> =
        known.map(|one| (distance(name, one), one)).filter(|(distance, _)| *distance <= far).collect();
    near.sort();
    near.into_iter().take(SUGGESTED_MAX).map(|(_, one)| one.clone()).collect()
}

/// How many letters have to be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (place, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_strangers_not_at_all() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        let known: Vec<String> = ["phone", "email", "name", "mobile"].iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(nearest("phnoe", known.iter()), ["phone"]);
        assert_eq!(nearest("nmae", known.iter()), ["name"]);
        assert!(nearest("warehouse", known.iter()).is_empty());
    }
}
