//! Files on records, and the rights to them: whoever may change a record may attach a file to it, and whoever may read it
//! sees what is attached. That holds for files that the system itself keeps and for those that are kept elsewhere.

use super::problems::no_such_record;
use super::{Acting, Options, Record};
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::{SearchRead, Work};
use bridge_model::{ModelName, Operation, RecordId};
use serde_json::{Map, Value, json};

/// Odoo's model of files.
const ATTACHMENT: &str = "ir.attachment";

/// What is read of a file besides its contents.
const FIELDS: [&str; 6] = ["name", "mimetype", "file_size", "checksum", "res_model", "res_id"];

/// A file for a record.
#[derive(Debug)]
pub struct NewAttachment {
    /// Its name.
    pub name: String,
    /// Its MIME type.
    pub content_type: String,
    /// Its contents in Base64.
    pub datas: String,
    /// Whether the system may make a large picture smaller, as it does with those that its own users attach.
    pub may_shrink: bool,
}

/// A file on a record.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Its number in the system.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The model of its record.
    pub model: ModelName,
    /// The record.
    pub record_id: i64,
    /// Its MIME type, as the system has it.
    pub content_type: Option<String>,
    /// Its size, in bytes.
    pub size: u64,
    /// The SHA-1 of its contents in hexadecimal, by which the system knows it.
    pub checksum: Option<String>,
}

impl Acting {
    /// Attaches a file to a record, and answers its number, with the SHA-1 by which the system knows its contents. That is
    /// `None` where the system did not say: the file is there, so that this is no failure.
    pub async fn attach(
        &self,
        model: &ModelName,
        record_id: i64,
        file: NewAttachment,
    ) -> Result<(i64, Option<String>), Problem> {
        let attachments = ModelName::parse(ATTACHMENT)?;
        if let Err(problem) = self.check_record(model, record_id).await {
            let record = json!({ "name": file.name, "res_model": model, "res_id": record_id });
            let values = Map::from_iter([("after".to_owned(), record)]);
            self.note_not_sent(&attachments, "create", Vec::new(), values, &problem).await;
            return Err(problem);
        }
        let mut values = Record::new();
        values.insert("name".to_owned(), file.name.into());
        values.insert("mimetype".to_owned(), file.content_type.into());
        values.insert("datas".to_owned(), file.datas.into());
        values.insert("res_model".to_owned(), model.as_str().into());
        values.insert("res_id".to_owned(), record_id.into());
        let mut options = Options::default();
        if !file.may_shrink {
            options.0.insert("image_no_postprocess".to_owned(), json!(true));
        }
        let made = self.perform(&attachments, Work::Create(vec![values]), &options).await?;
        // The adapter answers a list of as many ids as there were records.
        let id = made.as_array().and_then(|ids| ids.first()).and_then(Value::as_i64).unwrap_or_default();
        let kept = self.in_time(self.find_attachment(id)).await.and_then(Result::ok).flatten();
        Ok((id, kept.and_then(|kept| kept.checksum)))
    }

    /// Odoo takes files for records that are not there.
    async fn check_record(&self, model: &ModelName, record_id: i64) -> Result<(), Problem> {
        self.check(model, Operation::Update)?;
        self.check_sees(model, record_id).await
    }

    /// Refuses a file for a record, as the system itself would, that is to be kept elsewhere.
    pub async fn check_attach(&self, model: &ModelName, record_id: i64) -> Result<(), Problem> {
        self.check_record(model, record_id).await?;
        self.asked(model, self.adapter.check_update(model, &RecordId::Number(record_id))).await
    }

    /// Whether the caller may read files on a record that are kept elsewhere: whether they may read the record.
    pub async fn may_read_files_of(&self, model: &ModelName, record_id: i64) -> Result<bool, Problem> {
        // That there is a file on a record that may not be seen is not said.
        if self.check(model, Operation::Read).is_err() {
            return Ok(false);
        }
        match self.check_sees(model, record_id).await {
            Ok(()) => Ok(true),
            Err(problem) => match problem.kind {
                ProblemKind::RecordNotFound | ProblemKind::ModelNotFound | ProblemKind::ErpAccessDenied => Ok(false),
                _ => Err(problem),
            },
        }
    }

    /// A file on a record that the caller may read; `NotFound` for any other.
    pub async fn attachment(&self, id: i64) -> Result<Attachment, Problem> {
        let found = self.find_attachment(id).await?;
        // That there is a file on a record of a model that is not open is not said.
        found.filter(|file| self.check(&file.model, Operation::Read).is_ok()).ok_or_else(no_such_attachment)
    }

    /// Deletes a file that the system keeps, for whoever may change its record.
    pub async fn detach(&self, file: &Attachment) -> Result<(), Problem> {
        let attachments = ModelName::parse(ATTACHMENT)?;
        if let Err(problem) = self.check(&file.model, Operation::Update) {
            let ids = vec![RecordId::Number(file.id)];
            self.note_not_sent(&attachments, "delete", ids, Map::new(), &problem).await;
            return Err(problem);
        }
        let work = Work::Delete(vec![RecordId::Number(file.id)]);
        self.perform(&attachments, work, &Options::default()).await.map(drop)
    }

    /// The contents of a file, in Base64.
    pub async fn attached(&self, file: &Attachment) -> Result<String, Problem> {
        let attachments = ModelName::parse(ATTACHMENT)?;
        let mut domain = of_record(file.id);
        // It is still the one that was judged.
        domain.extend([json!(["res_model", "=", file.model.as_str()]), json!(["res_id", "=", file.record_id])]);
        let rows = self.rows(&attachments, domain.into(), &["datas"], Map::new()).await?;
        match rows.into_iter().next().map(|mut row| row.remove("datas")) {
            Some(Some(Value::String(datas))) => Ok(datas),
            // Odoo says `false` for an empty file.
            Some(_) => Ok(String::new()),
            None => Err(no_such_attachment()),
        }
    }

    /// `RecordNotFound` for a record that is not there, or that the caller may not see.
    async fn check_sees(&self, model: &ModelName, record_id: i64) -> Result<(), Problem> {
        let context = Map::from_iter([("active_test".to_owned(), json!(false))]);
        let there = self.rows(model, json!([["id", "=", record_id]]), &["id"], context).await?;
        if there.is_empty() { Err(no_such_record(model, &RecordId::Number(record_id))) } else { Ok(()) }
    }

    async fn find_attachment(&self, id: i64) -> Result<Option<Attachment>, Problem> {
        let attachments = ModelName::parse(ATTACHMENT)?;
        let rows = self.rows(&attachments, of_record(id).into(), &FIELDS, Map::new()).await?;
        Ok(rows.first().and_then(|row| of_row(id, row)))
    }

    async fn rows(
        &self,
        model: &ModelName,
        domain: Value,
        fields: &[&str],
        context: Map<String, Value>,
    ) -> Result<Vec<Record>, Problem> {
        let search = SearchRead {
            model: model.clone(),
            domain,
            fields: fields.iter().map(ToString::to_string).collect(),
            offset: 0,
            limit: 1,
            order: String::new(),
            context,
        };
        self.asked(model, self.adapter.search_read(&search)).await
    }
}

/// A file that somebody has attached: no link, and not the value of a field, which is read with its record.
fn of_record(id: i64) -> Vec<Value> {
    vec![json!(["id", "=", id]), json!(["type", "=", "binary"]), json!(["res_field", "=", false])]
}

/// `None` for a file that belongs to no record.
fn of_row(id: i64, row: &Record) -> Option<Attachment> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Attachment {
        id,
        name: text("name").unwrap_or_default(),
        model: ModelName::parse(&text("res_model")?).ok()?,
        record_id: row.get("res_id").and_then(Value::as_i64).filter(|id| *id > 0)?,
        content_type: text("mimetype"),
        size: row.get("file_size").and_then(Value::as_u64).unwrap_or_default(),
        checksum: text("checksum"),
    })
}

fn no_such_attachment() -> Problem {
    Problem::new(ProblemKind::NotFound, Message::no_such_attachment())
}
