//! Files that the service keeps in a folder.

use super::{BOUNDARY, PARTNER, download, follow_rights, form, picture, upload};
use crate::records::Stage;
use crate::records::keyed::is_replayed;
use crate::support::{Client, Setup, eventually, manual_clock, on_both_databases, register_demo_system};
use bridge_server::config::FileStorage;
use bridge_server::files::sweep;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

on_both_databases!(
    a_file_is_kept_whole_in_the_part_of_its_tenant,
    parts_are_as_of_files_in_the_erp,
    rights_are_as_of_files_in_the_erp,
    refusals_are_as_of_files_in_the_erp,
    files_stay_where_they_are_when_the_storage_changes,
    deleted_files_are_removed_after_a_while,
    a_folder_that_is_away_is_told_and_leaves_nothing_half_done,
    a_file_being_sent_keeps_its_place,
    a_file_with_a_key_is_kept_once,
);

/// The setup with files in a new folder, which goes away with what is answered beside it.
pub(crate) fn in_folder(setup: Setup) -> (Setup, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let setup = setup.config(|config| {
        config.files.storage = FileStorage::Folder;
        config.files.folder = path;
    });
    (setup, folder)
}

/// Every file below a folder, without those that are arriving.
pub(crate) fn kept(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for part in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if !part.ends_with("incoming") {
            found.extend(std::fs::read_dir(part).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

pub(crate) fn arriving(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("incoming")).unwrap().count()
}

/// Puts a small file onto a partner, and answers its id.
pub(crate) async fn hello(client: &Client) -> String {
    let made = upload(client, form(Some(("a.txt", "text/plain", b"hello")), &PARTNER)).await.expect(200);
    made["file_id"].as_str().unwrap().to_owned()
}

async fn a_file_is_kept_whole_in_the_part_of_its_tenant(setup: Setup) {
    let (setup, folder) = in_folder(setup);
    let stage = Stage::open(setup).await;
    let bytes = picture(1_000_003);
    let made = upload(&stage.admin, form(Some(("صورة.png", "image/jpeg", &bytes)), &PARTNER)).await.expect(200);
    let file = made["file_id"].as_str().unwrap();
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    let expected = json!({
        "success": true, "file_id": file, "filename": "صورة.png", "size": bytes.len(), "content_type": "image/png",
        "sha256": sha256, "system_id": "demo", "model": "res.partner", "record_id": 1, "is_unchanged": true,
    });
    assert_eq!(made, expected);
    let (status, headers, got) = download(&stage.admin, file, &[]).await;
    assert_eq!((status, got == bytes), (200, true));
    for (header, expected) in [
        ("content-type", "image/png"),
        ("content-length", bytes.len().to_string().as_str()),
        ("etag", &format!("\"{sha256}\"")),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
        ("content-disposition", "attachment; filename*=UTF-8''%D8%B5%D9%88%D8%B1%D8%A9.png"),
    ] {
        assert_eq!(headers[header], expected);
    }
    assert!(stage.erp.db().ids("ir.attachment").is_empty());
    // The same of another tenant is another file in another part, and neither finds that of the other.
    let rival = stage.app.other_tenant("rival").await;
    register_demo_system(&rival, &stage.erp, "demo").await;
    let open = json!({ "models": { "res.partner": { "operations": ["update"] } } });
    rival.put("/api/v1/systems/demo/allowed", &open).await.expect(200);
    let theirs = hello(&rival).await;
    let parts: std::collections::BTreeSet<_> =
        kept(folder.path()).iter().map(|path| path.parent().unwrap().to_owned()).collect();
    assert_eq!((kept(folder.path()).len(), parts.len(), arriving(folder.path())), (2, 2, 0));
    for (client, file) in [(&stage.admin, theirs.as_str()), (&rival, file)] {
        client.get(&format!("/api/v1/files/download/{file}")).await.expect_problem(404, "NOT_FOUND");
    }
    assert_eq!(download(&rival, &theirs, &[]).await.2, b"hello");
    // What somebody else did to its bytes is not handed out.
    let path = kept(folder.path()).into_iter().find(|path| file.ends_with(path.file_name().unwrap().to_str().unwrap()));
    std::fs::write(path.unwrap(), b"short").unwrap();
    let path = format!("/api/v1/files/download/{file}");
    stage.admin.get(&path).await.expect_problem(500, "INTERNAL_ERROR");
    stage.end().await;
}

async fn parts_are_as_of_files_in_the_erp(setup: Setup) {
    let (setup, _folder) = in_folder(setup);
    super::a_part_of_a_file_can_be_asked_for(setup).await;
}

async fn rights_are_as_of_files_in_the_erp(setup: Setup) {
    let (setup, _folder) = in_folder(setup);
    follow_rights(setup, "NOT_FOUND").await;
}

async fn refusals_are_as_of_files_in_the_erp(setup: Setup) {
    let (setup, folder) = in_folder(setup);
    super::what_is_no_good_upload_is_refused(setup).await;
    assert_eq!((kept(folder.path()).len(), arriving(folder.path())), (0, 0));
}

async fn files_stay_where_they_are_when_the_storage_changes(setup: Setup) {
    let (setup, _folder) = in_folder(setup);
    let stage = Stage::open(setup).await;
    let stored = hello(&stage.admin).await;
    let to_erp = stage.app.stop().await.config(|config| config.files.storage = FileStorage::Erp);
    let app = to_erp.start().await;
    let admin = app.admin().await;
    let attached = hello(&admin).await;
    assert!(attached.starts_with("demo-"), "{attached}");
    for file in [&stored, &attached] {
        assert_eq!(download(&admin, file, &[]).await.2, b"hello");
    }
    // What is nowhere configured can't be read, and is not lost.
    let path = format!("/api/v1/files/download/{stored}");
    let setup = app.stop().await;
    let app = setup.clone().config(|config| config.files.folder.clear()).start().await;
    app.admin().await.get(&path).await.expect_problem(503, "SERVICE_UNAVAILABLE");
    app.stop().await;
    let app = setup.start().await;
    assert_eq!(app.admin().await.get(&path).await.expect(200), "hello");
    app.stop().await;
    stage.erp.stop().await;
}

async fn deleted_files_are_removed_after_a_while(setup: Setup) {
    let (setup, folder) = in_folder(setup);
    let clock = manual_clock();
    let stage = Stage::open(setup.clock(Arc::clone(&clock) as _)).await;
    register_demo_system(&stage.admin, &stage.erp, "second").await;
    let stays = hello(&stage.admin).await;
    let open = json!({ "models": { "res.partner": { "operations": ["update"] } } });
    stage.admin.put("/api/v1/systems/second/allowed", &open).await.expect(200);
    let second = [("system_id", "second"), PARTNER[1], PARTNER[2]];
    let goes = upload(&stage.admin, form(Some(("a.txt", "text/plain", b"hello")), &second)).await.expect(200);
    let path = format!("/api/v1/files/download/{}", goes["file_id"].as_str().unwrap());
    stage.admin.get(&path).await.expect(200);
    stage.admin.delete("/api/v1/systems/second").await;
    stage.admin.get(&path).await.expect_problem(404, "NOT_FOUND");
    let cx = stage.app.context();
    clock.advance(Duration::from_hours(23));
    sweep(cx).await.unwrap();
    assert_eq!(kept(folder.path()).len(), 2);
    // The service itself does it, every hour.
    clock.advance(Duration::from_hours(2));
    bridge_server::jobs::run_due(cx, "test").await.unwrap();
    eventually("the deleted file is removed", Duration::from_mins(1), async || {
        (kept(folder.path()).len() == 1).then_some(())
    })
    .await;
    let admin = stage.app.admin().await;
    assert_eq!(download(&admin, &stays, &[]).await.2, b"hello");
    eventually("its row is forgotten", Duration::from_mins(1), async || {
        cx.store.hidden_files(cx.clock.now(), None, 10).await.unwrap().is_empty().then_some(())
    })
    .await;
    stage.end().await;
}

async fn a_folder_that_is_away_is_told_and_leaves_nothing_half_done(setup: Setup) {
    let (setup, folder) = in_folder(setup);
    let stage = Stage::open(setup).await;
    let file = hello(&stage.admin).await;
    let path = format!("/api/v1/files/download/{file}");
    let elsewhere = tempfile::tempdir().unwrap();
    let away = elsewhere.path().join("away");
    std::fs::rename(folder.path(), &away).unwrap();
    stage.admin.get(&path).await.expect_problem(503, "SERVICE_UNAVAILABLE");
    let refused = upload(&stage.admin, form(Some(("a.txt", "text/plain", b"hello")), &PARTNER)).await;
    let answer = refused.expect_problem(503, "SERVICE_UNAVAILABLE");
    assert_eq!(answer["message"], "The storage of files can't be reached; try again shortly");
    // A folder that is not there loses no rows: what was deleted is removed when it is back.
    let cx = stage.app.context();
    let tenant = cx.store.tenants().await.unwrap()[0].id;
    assert!(cx.store.hide_stored_file(tenant, file.strip_prefix("file_").unwrap()).await.unwrap());
    let later = cx.clock.now().plus(Duration::from_secs(1));
    let hidden = async || cx.store.hidden_files(later, None, 10).await.unwrap().len();
    let cut = cx.storages.remove(
        bridge_store::FilePlace::Folder,
        bridge_server::files::StorageKey { tenant, id: file.strip_prefix("file_").unwrap() },
    );
    assert!(cut.await.is_err());
    std::fs::rename(&away, folder.path()).unwrap();
    assert_eq!((kept(folder.path()).len(), hidden().await), (1, 1));
    hello(&stage.admin).await;
    stage.end().await;
}

async fn a_file_being_sent_keeps_its_place(setup: Setup) {
    let (setup, _folder) = in_folder(setup);
    let setup = setup.config(|config| {
        config.files.transfers_at_once_max = 1;
        config.files.bytes_max = 64 * 1024 * 1024;
    });
    let stage = Stage::open(setup).await;
    // More than all buffers on the way hold.
    let bytes = picture(48 * 1024 * 1024);
    let made = upload(&stage.admin, form(Some(("a.png", "image/png", &bytes)), &PARTNER)).await.expect(200);
    let file = made["file_id"].as_str().unwrap();
    let url =
        stage.admin.request(Method::GET, &format!("/api/v1/files/download/{file}")).build().unwrap().url().clone();
    let mut slow = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    let ask =
        format!("GET {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", url.path(), stage.admin.token());
    slow.write_all(ask.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    slow.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    let part = async || download(&stage.admin, file, &[("range", "bytes=1-3")]).await;
    assert_eq!(part().await.0, 503);
    drop(slow);
    let (_, _, got) = eventually("the place is free again", Duration::from_mins(1), async || {
        Some(part().await).filter(|(status, _, _)| *status == 206)
    })
    .await;
    assert_eq!(got, b"PNG");
    stage.end().await;
}

/// An upload of which only some has been sent yet.
pub(crate) async fn begin_upload(base: &str, token: &str) -> TcpStream {
    let address = base.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let begin = format!(
        "POST /api/v1/files/upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 100000\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nsome of it"
    );
    socket.write_all(begin.as_bytes()).await.unwrap();
    socket
}

/// The answer's id, for those who have no client of ours.
pub(crate) fn id_of(answer: &Value) -> &str {
    answer["file_id"].as_str().unwrap_or_else(|| panic!("no file: {answer}"))
}

async fn a_file_with_a_key_is_kept_once(setup: Setup) {
    let (setup, _folder) = in_folder(setup);
    let stage = Stage::open(setup).await;
    let first = super::keyed(&stage.admin, "file-0001", b"one").await;
    assert!(!is_replayed(&first));
    let first = first.expect(200);
    let again = super::keyed(&stage.admin, "file-0001", b"one").await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), first);
    super::keyed(&stage.admin, "file-0001", b"two").await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    let (status, _, bytes) = download(&stage.admin, first["file_id"].as_str().unwrap(), &[]).await;
    assert_eq!((status, bytes.as_slice()), (200, b"one".as_slice()));
    let second = super::keyed(&stage.admin, "file-0002", b"one").await.expect(200);
    assert_ne!(second["file_id"], first["file_id"]);
    stage.end().await;
}
