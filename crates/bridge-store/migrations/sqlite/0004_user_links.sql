-- The system in which a user's `odoo_user_id` is that user. Links made so far meant the primary system.
ALTER TABLE users ADD COLUMN odoo_system_key INTEGER REFERENCES systems (key);
UPDATE users SET odoo_system_key =
    (SELECT key FROM systems WHERE systems.tenant_id = users.tenant_id AND is_primary = 1 AND deleted_at IS NULL)
WHERE odoo_user_id IS NOT NULL;
