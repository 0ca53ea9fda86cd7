//! Who may do what, worked out from the rows of `ir.model.access` as Odoo does.

use super::view::View;
use crate::fake::refusal::Refusal;

/// The user that Odoo runs its own work as: no right is asked of it.
pub(in crate::fake) const SUPERUSER: i64 = 1;

/// A kind of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fake) enum Access {
    Read,
    Write,
    Create,
    Unlink,
}

impl Access {
    pub(in crate::fake) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "read" => Self::Read,
            "write" => Self::Write,
            "create" => Self::Create,
            "unlink" => Self::Unlink,
            _ => return None,
        })
    }

    fn field(self) -> &'static str {
        match self {
            Self::Read => "perm_read",
            Self::Write => "perm_write",
            Self::Create => "perm_create",
            Self::Unlink => "perm_unlink",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Read => "access",
            Self::Write => "modify",
            Self::Create => "create",
            Self::Unlink => "delete",
        }
    }
}

impl View<'_> {
    /// Whether a user may do something to a model's records.
    pub(in crate::fake) fn may(self, uid: i64, model: usize, access: Access) -> bool {
        if uid == SUPERUSER {
            return true;
        }
        let Some(user) = self.schema.find("res.users").and_then(|users| self.get(users, uid)) else { return false };
        if !user.cell("active").as_bool() {
            return false;
        }
        let groups = user.cell("all_group_ids").as_many();
        self.granting(model, access).any(|group| group.is_none_or(|group| groups.contains(&group)))
    }

    /// Refuses with Odoo's own words what a user may not do.
    pub(in crate::fake) fn check(self, uid: i64, model: usize, access: Access) -> Result<(), Refusal> {
        if self.may(uid, model, access) {
            return Ok(());
        }
        let def = &self.schema.models[model];
        let groups = self.schema.find("res.groups");
        let mut names: Vec<String> = self
            .granting(model, access)
            .filter_map(|group| self.get(groups?, group?).map(|one| format!("\t- {}", one.name())))
            .collect();
        names.sort();
        names.dedup();
        let who = if names.is_empty() {
            "No group currently allows this operation.".to_owned()
        } else {
            format!("This operation is allowed for the following groups:\n{}", names.join("\n"))
        };
        Err(Refusal::access(format!(
            "You are not allowed to {} '{}' ({}) records.\n\n{who}\n\nContact your administrator to request access if necessary.",
            access.verb(),
            def.label,
            def.name
        )))
    }

    /// The groups that rights are given to; `None` is everybody.
    fn granting(self, model: usize, access: Access) -> impl Iterator<Item = Option<i64>> {
        let rights = self.schema.find("ir.model.access");
        // Asked on every call, so the places of the fields are looked up once and not for each row.
        let places = rights.and_then(|rights| {
            let def = &self.schema.models[rights];
            Some((def.find("model_id")?, def.find("active")?, def.find(access.field())?, def.find("group_id")?))
        });
        let id = model_id(model);
        let rows = rights.zip(places).map(|(rights, places)| (self.all(rights), places));
        rows.into_iter().flat_map(move |(rows, (model, active, granted, group))| {
            rows.filter(move |one| one.row[model].as_one() == Some(id))
                .filter(move |one| one.row[active].as_bool() && one.row[granted].as_bool())
                .map(move |one| one.row[group].as_one())
        })
    }
}

/// The id of a model's row in `ir.model`.
pub(in crate::fake) fn model_id(model: usize) -> i64 {
    i64::try_from(model).unwrap_or(0) + 1
}
