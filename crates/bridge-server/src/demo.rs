//! `bridgecore demo`: the whole product with nothing to set up.
//!
//! The service runs as it would for real, on SQLite in a folder that is gone at the end, beside a demo ERP that
//! behaves as Odoo does and in which something happens every few seconds.

use crate::admin;
use crate::app;
use crate::audit::Origin;
use crate::auth::{self, Admin};
use crate::config::Config;
use crate::context::Context;
use crate::limits::Noted;
use crate::telemetry;
use anyhow::Context as _;
use bridge_erp::fake::{DemoErp, Options};
use bridge_model::{AddressBlock, Clock, Entropy};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How often something happens in the demo ERP.
const LIFE_INTERVAL: Duration = Duration::from_secs(3);

/// How much has happened in the demo ERP before the first call.
const FIRST_EVENTS: usize = 5;

/// The demo's admin and their password, printed at the start; the service listens on this machine only.
const ADMIN: &str = "admin";

/// The name under which the demo ERP is registered.
const SYSTEM: &str = "odoo_demo";

/// Runs the demo until `stop`.
pub async fn run(
    port: u16,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("bridgecore-demo-").tempdir().context("make a folder for the demo")?;
    let password = entropy.hex(6);
    let mut config = Config::default();
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], port));
    config.store.url = format!("sqlite://{}", folder.path().join("bridgecore.db").display());
    config.security.secret_key = entropy.hex(32);
    config.security.encryption_keys = vec![fernet_key(entropy.as_ref())];
    ADMIN.clone_into(&mut config.security.first_admin_username);
    config.security.first_admin_password.clone_from(&password);
    // One person tries things out here: a token that outlives the session spares them the refresh.
    config.security.access_token_expire_minutes = 24 * 60;
    // And they may do so in a loop.
    config.limits.enabled = false;
    // Where the demo ERP is.
    config.outbound.allowed_addresses = vec![AddressBlock::from(IpAddr::from(Ipv4Addr::LOCALHOST))];
    "warn".clone_into(&mut config.log.level);
    telemetry::start(&config.log)?;

    let options = Options { life_interval: Some(LIFE_INTERVAL), clock: Arc::clone(&clock), ..Options::default() };
    let erp = DemoErp::start(options).await.context("start the demo ERP")?;
    let running = app::start(config, clock, entropy)
        .await
        .context("start the service (is the port taken? --port 0 takes a free one)")?;
    let cx = &running.context;
    let login = auth::LoginRequest { username: ADMIN.to_owned(), password: password.clone() };
    let tokens = auth::login(cx, &Noted::default(), login, None, Origin::default()).await?;
    let caller = auth::caller(cx, &tokens.access_token, None).await?;
    let push_key = register(cx, &caller.into_admin()?, &erp).await?;
    // The first pull should find something.
    for _ in 0..FIRST_EVENTS {
        erp.happen();
    }
    erp.push_to(&format!("http://{}", running.address), &push_key);
    println!("{}", greeting(running.address, &erp.url(), &password, &tokens.access_token));
    stop.await;
    running.stop().await;
    erp.stop().await;
    Ok(())
}

/// Registers the demo ERP as the tenant's system and answers its push key.
async fn register(cx: &Context, admin: &Admin, erp: &DemoErp) -> anyhow::Result<String> {
    let request = serde_json::json!({
        "system_id": SYSTEM,
        "system_type": "odoo",
        "system_version": "19.0",
        "name": "Demo ERP",
        "description": "A built-in server that answers as Odoo does",
        "connection_config": erp.connection(),
    });
    let request = serde_json::from_value(request).context("describe the demo ERP")?;
    let registered = admin::systems::register(cx, admin, request).await.context("register the demo ERP")?;
    registered.push_key.context("the registration gave no push key")
}

fn greeting(address: SocketAddr, erp: &str, password: &str, token: &str) -> String {
    format!(
        "\
BridgeCore demo
  address   http://{address}
  demo ERP  {erp} (log in as admin / admin; something happens there every few seconds)
  log-in    {ADMIN} / {password}
  token     {token}

Try it, as printed:

1. What does this device not have yet? (again: the same, until it confirms)
curl -s http://{address}/api/v2/sync/pull -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{{\"device_id\":\"my-phone\",\"app_type\":\"sales_app\",\"limit\":5,\"last_sync_token\":\"0\"}}'

2. How is the demo ERP doing?
curl -s http://{address}/api/v1/systems/{SYSTEM}/status -H 'Authorization: Bearer {token}'

3. Who am I?
curl -s http://{address}/api/v1/auth/me -H 'Authorization: Bearer {token}'

Ctrl-C ends it; nothing is kept."
    )
}

/// Fresh keys, as lines of the config file.
pub fn fresh_keys(entropy: &dyn Entropy) -> String {
    format!("[security]\nsecret_key = \"{}\"\nencryption_keys = [\"{}\"]\n", entropy.hex(32), fernet_key(entropy))
}

/// A Fernet key: 32 random bytes in URL-safe base64.
fn fernet_key(entropy: &dyn Entropy) -> String {
    use base64::Engine as _;
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    base64::engine::general_purpose::URL_SAFE.encode(bytes)
}
