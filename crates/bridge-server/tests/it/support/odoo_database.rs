//! A small database that looks like Odoo's: its registry, a few tables, links, an inheritance.

use bridge_erp::odoo::database::capture::{CaptureOptions, install};
use bridge_erp::odoo::database::{Database, DatabaseOptions, LockPatience};
use bridge_model::entropy::{Entropy as _, OsEntropy};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

/// The variable that names the server on which each test makes databases of its own.
const POSTGRES_VARIABLE: &str = "BRIDGECORE_TEST_POSTGRES_URL";

/// The password of the role that reads the outbox here.
const ROLE_PASSWORD: &str = "reads-the-outbox";

/// A database of its own. It stays behind, since the server that the tests are given goes away as a whole.
pub(crate) struct OdooDatabase {
    server: url::Url,
    pub(crate) name: String,
}

impl OdooDatabase {
    pub(crate) async fn create() -> Self {
        let server = std::env::var(POSTGRES_VARIABLE).unwrap_or_else(|_| {
            panic!("{POSTGRES_VARIABLE} is not set; `cargo xtask test` starts a server and sets it")
        });
        Self::create_on(&server).await
    }

    /// The same on another server.
    pub(crate) async fn create_on(server: &str) -> Self {
        let name = format!("odoo_{}", OsEntropy::new().unwrap().hex(8));
        let database = Self { server: url::Url::parse(server).unwrap(), name };
        database.on_server(&format!("CREATE DATABASE {}", database.name)).await;
        database.client().await.batch_execute(TABLES).await.unwrap();
        database
    }

    /// Its address for whoever owns it.
    pub(crate) fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.to_string()
    }

    /// The address of the server's first database.
    pub(crate) fn server_url(&self) -> &str {
        self.server.as_str()
    }

    /// The role that reads the outbox: roles belong to the server, so that each database has one of its own.
    pub(crate) fn role(&self) -> String {
        format!("capture_{}", self.name)
    }

    /// Its address for that role.
    pub(crate) fn role_url(&self) -> String {
        let mut url = url::Url::parse(&self.url()).unwrap();
        url.set_username(&self.role()).unwrap();
        url.set_password(Some(ROLE_PASSWORD)).unwrap();
        url.to_string()
    }

    /// Makes that role ahead of the installation.
    pub(crate) async fn make_role(&self) {
        self.on_server(&format!("CREATE ROLE {} LOGIN PASSWORD '{ROLE_PASSWORD}'", self.role())).await;
    }

    /// A connection as its owner.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// The same, bounded as the service's own.
    pub(crate) async fn database(&self) -> Database {
        Database::connect(&self.url(), &DatabaseOptions::default()).await.unwrap()
    }

    /// Runs a statement in the server's first database.
    pub(crate) async fn on_server(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(self.server.as_str(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }

    /// How to capture everything here.
    pub(crate) fn options(&self) -> CaptureOptions {
        CaptureOptions {
            tables: Vec::new(),
            models: Vec::new(),
            left_out: vec!["update.webhook".to_owned()],
            changed_columns: false,
            row_image_bytes_max: 0,
            trail: false,
            notify: false,
            role: Some(self.role()),
            role_password: Some(ROLE_PASSWORD.to_owned()),
            incarnation: OsEntropy::new().unwrap().hex(8),
        }
    }

    /// Installs the capture.
    pub(crate) async fn install(&self, options: &CaptureOptions) {
        install(&self.database().await, options, LockPatience::default(), &mut |_| {}).await.unwrap();
    }

    /// The body that registers a system whose changes are read from this database. Nothing listens on port 9 here.
    pub(crate) fn registration(&self, system_id: &str) -> Value {
        json!({
            "system_id": system_id,
            "system_type": "odoo",
            "name": "Odoo",
            "connection_config": {
                "url": "http://127.0.0.1:9", "database": "none", "username": "nobody", "password": "none",
                "postgres_url": self.role_url(),
            },
        })
    }
}

const TABLES: &str = "
    CREATE TABLE ir_model (id serial PRIMARY KEY, model varchar NOT NULL, transient boolean);
    CREATE TABLE ir_model_fields (id serial PRIMARY KEY, model varchar NOT NULL, model_id integer NOT NULL,
        name varchar NOT NULL, ttype varchar NOT NULL, store boolean, relation_table varchar, column1 varchar,
        column2 varchar);
    CREATE TABLE ir_model_constraint (id serial PRIMARY KEY, model integer NOT NULL, name varchar NOT NULL,
        type varchar(1) NOT NULL);
    CREATE TABLE res_partner (id serial PRIMARY KEY, name varchar, version integer NOT NULL DEFAULT 1,
        write_date timestamp DEFAULT (now() AT TIME ZONE 'UTC'), password varchar, notes json);
    CREATE TABLE sale_order (id serial PRIMARY KEY, name varchar, version integer NOT NULL DEFAULT 1,
        write_date timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
        partner_id integer REFERENCES res_partner ON DELETE SET NULL);
    CREATE TABLE sale_order_line (id serial PRIMARY KEY, version integer NOT NULL DEFAULT 1,
        order_id integer REFERENCES sale_order ON DELETE CASCADE);
    CREATE TABLE sale_tag (id serial PRIMARY KEY, name varchar);
    CREATE TABLE sale_order_tag_rel (order_id integer NOT NULL REFERENCES sale_order ON DELETE CASCADE,
        tag_id integer NOT NULL REFERENCES sale_tag ON DELETE CASCADE, PRIMARY KEY (order_id, tag_id));
    CREATE TABLE ir_actions (id serial PRIMARY KEY, name varchar);
    CREATE TABLE ir_act_window (res_model varchar, PRIMARY KEY (id)) INHERITS (ir_actions);
    CREATE TABLE sale_wizard (id serial PRIMARY KEY);
    CREATE TABLE update_webhook (id serial PRIMARY KEY);
    CREATE TABLE odd_name (id serial PRIMARY KEY, partner_id integer);
    ALTER TABLE odd_name ADD CONSTRAINT odd_name_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES res_partner;
    CREATE TABLE not_odoos (id serial PRIMARY KEY);
    INSERT INTO ir_model (model, transient) VALUES ('res.partner', false), ('sale.order', false),
        ('sale.order.line', false), ('sale.tag', false), ('ir.actions.actions', false),
        ('ir.actions.act_window', false), ('sale.wizard', true), ('update.webhook', false), ('my.model', false),
        ('mail.thread', false);
    INSERT INTO ir_model_fields (model, model_id, name, ttype, store, relation_table, column1, column2)
        SELECT 'sale.order', id, 'tag_ids', 'many2many', true, 'sale_order_tag_rel', 'order_id', 'tag_id'
        FROM ir_model WHERE model = 'sale.order';
    INSERT INTO ir_model_constraint (model, name, type)
        SELECT id, 'odd_name_partner_id_fkey', 'f' FROM ir_model WHERE model = 'my.model';
";
