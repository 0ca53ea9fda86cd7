//! The clean-up that runs every hour.

use crate::ingest::pusher::{Pusher, tenant_of};
use crate::support::{Setup, eventually, manual_clock};
use std::sync::Arc;
use std::time::Duration;

/// On PostgreSQL alone, since the test has to break one tenant's log from outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_log_can_not_be_trimmed_does_not_hinder_the_others() {
    let (setup, clock) = (Setup::postgres().await, manual_clock());
    let app = setup.clone().clock(Arc::clone(&clock) as _).start().await;
    let (first, second) = (app.admin().await, app.other_tenant("rival").await);
    let (broken, sound) = (tenant_of(&first).await, tenant_of(&second).await);
    assert!(broken.0 < sound.0, "the broken one comes first");
    for admin in [&first, &second] {
        Pusher::register(&app, admin, "shop").await.writes("sale.order", 1..=3).await;
    }
    let url = setup.environment().into_iter().find(|(name, _)| *name == "BRIDGECORE_STORE__URL").unwrap().1;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let break_it = format!(
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE 'broken'; END $$ LANGUAGE plpgsql;
         CREATE TRIGGER refuse BEFORE UPDATE ON log_heads FOR EACH ROW WHEN (OLD.tenant_id = {}) EXECUTE FUNCTION refuse()",
        broken.0
    );
    client.batch_execute(&break_it).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();

    clock.advance(Duration::from_hours(24 * 40));
    bridge_server::jobs::run_due(app.context(), "test").await.unwrap();
    let trimmed = async |tenant| {
        let query = bridge_store::LogQuery {
            after: bridge_model::Position::START,
            models: None,
            system: None,
            limit: 10,
            scan_max: 10,
            contents: true,
        };
        !matches!(app.context().store.read(tenant, &query).await.unwrap(), bridge_store::LogRead::Page(_))
    };
    // The service itself may have taken the job.
    eventually("the sound log is trimmed", Duration::from_mins(1), async || trimmed(sound).await.then_some(())).await;
    assert!(!trimmed(broken).await);
    eventually("the job is put back for another try", Duration::from_mins(1), async || {
        (app.context().store.job_counts().await.unwrap().queued == 1).then_some(())
    })
    .await;
    app.stop().await;
}
