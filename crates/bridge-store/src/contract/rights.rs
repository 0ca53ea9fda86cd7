//! What users of a business system may read.

use super::systems::new_system;
use super::{Bed, contract};
use crate::{Readable, StoreError};
use bridge_model::{Clock as _, ModelName, SystemKey};
use std::time::Duration;

contract! {
    rights_are_kept_per_system_and_user,
    rights_stay_within_the_tenant,
}

fn models(names: &[&str]) -> Vec<ModelName> {
    names.iter().map(|name| ModelName::parse(*name).unwrap()).collect()
}

async fn rights_are_kept_per_system_and_user(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap().key;
    let second = store.create_system(tenant, new_system("second")).await.unwrap().key;
    assert_eq!(store.readable(tenant, system, 7).await.unwrap(), None);
    let allowed = models(&["sale.order", "res.partner", "sale.order"]);
    let denied = models(&["stock.move", "account.move"]);
    store.save_readable(tenant, system, 7, &allowed, &denied).await.unwrap();
    store.save_readable(tenant, system, 3, &[], &[]).await.unwrap();
    store.save_readable(tenant, second, 7, &models(&["stock.move"]), &[]).await.unwrap();
    let kept = Readable {
        allowed: models(&["res.partner", "sale.order"]),
        denied: models(&["account.move", "stock.move"]),
        refreshed_at: bed.clock.now(),
    };
    assert_eq!(store.readable(tenant, system, 7).await.unwrap(), Some(kept));
    let nothing = store.readable(tenant, system, 3).await.unwrap().unwrap();
    assert_eq!(nothing.allowed, vec![], "may read nothing is not the same as never asked");
    assert_eq!(store.readable_users(tenant, system).await.unwrap(), vec![3, 7]);

    bed.clock.advance(Duration::from_mins(5));
    store.save_readable(tenant, system, 7, &models(&["res.partner"]), &[]).await.unwrap();
    let kept = Readable { allowed: models(&["res.partner"]), denied: vec![], refreshed_at: bed.clock.now() };
    assert_eq!(store.readable(tenant, system, 7).await.unwrap(), Some(kept));
    assert_eq!(store.readable(tenant, second, 7).await.unwrap().unwrap().allowed, models(&["stock.move"]));
}

async fn rights_stay_within_the_tenant(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap().key;
    store.save_readable(tenant, system, 7, &models(&["res.partner"]), &[]).await.unwrap();
    for (tenant, system) in [(other, system), (tenant, SystemKey(999))] {
        let refused = store.save_readable(tenant, system, 7, &[], &[]).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
        assert_eq!(store.readable(tenant, system, 7).await.unwrap(), None);
        assert_eq!(store.readable_users(tenant, system).await.unwrap(), Vec::<i64>::new());
    }
    assert_eq!(store.readable(tenant, system, 7).await.unwrap().unwrap().allowed, models(&["res.partner"]));
}
